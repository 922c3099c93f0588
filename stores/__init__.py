"""Interactive Brokers: the connection, and all that is told and asked over it."""

from stores.records import ContractSpec, Instrument, OrderTerms
from stores.settings import StoreSettings
from stores.store import IBStore

__all__ = ["ContractSpec", "IBStore", "Instrument", "OrderTerms", "StoreSettings"]
