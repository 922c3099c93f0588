"""Harness of the tests of the wire: made-up messages, and the decoders of clients that read them."""
