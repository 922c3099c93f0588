"""The local catalog: raw bars in Parquet, with an index in SQLite that says which files count."""

from feeds.catalog.catalog import Catalog
from feeds.catalog.records import Act, Appended, Repair, Series

__all__ = ["Act", "Appended", "Catalog", "Repair", "Series"]
