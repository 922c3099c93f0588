"""Places where bars come from: files and services, each a ``feeds.bars.Source``."""
