"""Vectorised ``once`` of stock indicators and of operations between lines, equal to stock bit for bit.

Each room registers its calculations by class (``registry``); what is not registered runs its own ``once``.
"""

from engine.once import operations, smoothing, windows

__all__ = ["operations", "smoothing", "windows"]
