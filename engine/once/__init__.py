"""Vectorised ``once`` of stock indicators and of operations between lines, equal to stock bit for bit."""
