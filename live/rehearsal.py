"""The rehearsal: a live session on the paper gateway within the process, with generated data and no account."""

from __future__ import annotations

from importlib import resources

from core.config import load_settings
from core.settings import Settings

FILE = "rehearsal.toml"


def rehearsal_settings(overrides: list[str] | None = None) -> Settings:
    """The settings that come with the program."""
    with resources.as_file(resources.files("live").joinpath(FILE)) as file:
        return load_settings(file, overrides or [])
