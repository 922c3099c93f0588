"""Environments of the clients: each in a folder of its own, installed once.

``python environments.py FOLDER [CLIENT...]`` makes them. ``HALFLIFE_CLIENT_ENVIRONMENTS`` names a folder that has
them already, or in which they are made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "HALFLIFE_CLIENT_ENVIRONMENTS"
PACKAGES = {  # client -> what pip installs for it
    "ib_async": ["ib_async==2.1.0"],
    "nautilus_ibapi": ["nautilus-ibapi==10.46.1", "protobuf"],
    "ibapi": ["ibapi==9.81.1.post1"],
}
NODE_PACKAGE = "@stoqey/ib@1.6.10"
DONE = "complete"  # a file that says that the installation came to its end


class EnvironmentFault(Exception):
    """An environment that cannot be made; says what is missing."""


def make(client: str, folder: Path) -> Path:
    """The Python of a client, for stoqey the folder of node_modules, in ``folder``; installed if it is not there."""
    home = folder / client
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{client}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / DONE).exists():
            shutil.rmtree(home, ignore_errors=True)
            (_install_node if client == "stoqey" else _install_python)(client, home)
            (home / DONE).touch()
    return home / "node_modules" if client == "stoqey" else home / "bin" / "python"


def _install_python(client: str, home: Path) -> None:
    _run(sys.executable, "-m", "venv", str(home))
    _run(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES[client])


def _install_node(client: str, home: Path) -> None:
    home.mkdir()
    (home / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    if shutil.which("npm") is None:
        raise EnvironmentFault("npm is missing; install nodejs and npm, which @stoqey/ib needs")
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), NODE_PACKAGE)


def _run(*command: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        raise EnvironmentFault(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    for name in sys.argv[2:] or [*PACKAGES, "stoqey"]:
        make(name, Path(sys.argv[1]))
