"""The version, in one place: setup.cfg reads it from here, results and the ledger record it."""

VERSION = "0.1.0"
