"""Corporate actions: adjustment of prices, recovery from an adjusted close, files of actions."""

from feeds.actions.actions_file import read_actions, write_actions
from feeds.actions.adjust import adjust, factors
from feeds.actions.classify import Doubtful
from feeds.actions.reconcile import as_paid, reconcile
from feeds.actions.recover import Recovered, read_adj_close, recover_actions

__all__ = [
    "Doubtful",
    "Recovered",
    "adjust",
    "as_paid",
    "factors",
    "read_actions",
    "read_adj_close",
    "reconcile",
    "recover_actions",
    "write_actions",
]
