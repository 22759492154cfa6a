"""A real `imax serve` over a history of ten nights, for all tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imax_results import Client

ROOT = Path(__file__).resolve().parents[3]
NIGHTS = ROOT / "tests/golden/report/history/history"
BINARY = os.environ.get("IMAX_BINARY", str(ROOT / "target/debug/imax"))


@dataclass
class Served:
    """A server and its history."""

    url: str
    history: Path

    def imax(self, *arguments: str) -> str:
        return run(*arguments, "--history", str(self.history))

    def token(self, *scopes: str) -> str:
        options = [word for scope in scopes for word in ("--scope", scope)]
        return self.imax("token", "create", "--name", "pytest", *options).strip()


def run(*arguments: str) -> str:
    return subprocess.run([BINARY, *arguments], check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    history = tmp_path_factory.mktemp("history") / "history.db"
    run("import", str(NIGHTS), "--to", str(history))
    command = [BINARY, "serve", "--history", str(history), "--listen", "127.0.0.1:0", "--writes", "--rate-limit", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            assert line.startswith("listening on http://"), line
            yield Served(line.removeprefix("listening on ").split(",")[0], history)
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.url) as client:
        yield client
