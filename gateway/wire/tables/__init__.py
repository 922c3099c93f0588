"""Layouts of all messages, by number and version."""
