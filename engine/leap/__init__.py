"""Leaping: from event to event instead of from bar to bar, for strategies that say when they act.

``wakes`` reads what a strategy declares, ``sleeper`` lets one sleep, ``run`` is the loop, ``verify`` holds it against
stepping. What a broker does for the bars between is in ``engine.lean.desk`` (stock's) and ``house`` (ours).
"""
