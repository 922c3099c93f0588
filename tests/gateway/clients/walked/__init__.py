"""Harness of the walks: the market they meet, the environments of the clients, and the running of a walk."""
