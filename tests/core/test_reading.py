"""Only files are read: what has no end, or waits for a writer, is refused at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from core.errors import FeedSourceError, HalflifeError
from core.reading import bytes_of
from feeds.actions import read_actions
from feeds.sources.files import read_file

POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")


def test_a_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == b"text"


def test_what_the_system_says_of_other_names_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bytes_of(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        bytes_of(tmp_path)
    with pytest.raises(ValueError, match="null"):
        bytes_of(Path("\0"))


@POSIX
@pytest.mark.parametrize("read", [read_file, read_actions])
def test_a_pipe_nobody_writes_into_is_no_file(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FeedSourceError, match=r"pipe.csv.*\(a named pipe, not a file\); correct the path"):
        read(tmp_path / "pipe.csv")


@POSIX
def test_a_device_without_an_end_is_no_file() -> None:
    with pytest.raises(HalflifeError, match=r"/dev/zero: cannot be read \(a device, not a file\)"):
        read_file("/dev/zero")


@POSIX
def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket may be a hundred characters long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.csv")
        with pytest.raises(FeedSourceError, match=r"s.csv: cannot be read \(a socket, not a file\)"):
            read_file("s.csv")
