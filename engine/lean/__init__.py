"""The lean run: stock backtrader's results without its bookkeeping on every bar.

Rooms: ``eligible`` (what may run lean), ``cursor`` (lines that share one index), ``timeline`` (which bar of each data
belongs to which step), ``loop`` (the run), ``desk`` (the broker's pass), ``orders`` and ``execution`` (the order path),
``touch`` (the next bar that can fill a resting order), ``equity`` (value when read, and for every bar at the end),
``analyzers`` (those that are fed at the end).
"""
