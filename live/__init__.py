"""Layer of live trading: broker, data feed, reconciliation and session.

The order intents that it reconciles are ``books.intents``.
"""
