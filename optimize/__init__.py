"""Layer of optimisation: search space, objective, walk-forward, overfitting statistics and executors.

Nothing is implemented here yet; the package exists so that its place among the layers is checked.
"""
