"""Layer of live trading: broker, data feed, order intents, reconciliation and session.

Nothing is implemented here yet; the package exists so that its place among the layers is checked.
"""
