"""Writes to a real server, with tokens of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import NIGHTS, Served

from imax_results import Client, Conflict, Forbidden, Unauthorized, Unprocessable


def a_run(date: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(next(iter(sorted(NIGHTS.glob("*.json")))).read_text())
    return {**run, "date": date}


def test_ingest_is_stored_once_for_a_key(served: Served, tmp_path: Path) -> None:
    with Client(served.url, served.token("ingest")) as client:
        before = len(client.runs().to_list())
        run = a_run("2026-12-01T05:00:00Z")
        first = client.ingest(run, idempotency_key="nightly-1")
        assert first["runs"] == {"new": 1, "unchanged": 0, "revised": 0}
        assert client.ingest(run, idempotency_key="nightly-1") == first
        file = tmp_path / "runs.json"
        file.write_text(json.dumps([run, a_run("2026-12-02T05:00:00Z")]))
        assert client.ingest(file, idempotency_key="nightly-2")["runs"] == {"new": 1, "unchanged": 1, "revised": 0}
        assert len(client.runs().to_list()) == before + 2
        with pytest.raises(Unprocessable, match="used for another request"):
            client.ingest(a_run("2026-12-03T05:00:00Z"), idempotency_key="nightly-1")
        with pytest.raises(ValueError, match="idempotency key"):
            client.ingest(run, idempotency_key="")


def test_people_annotate_and_retract(served: Served) -> None:
    with Client(served.url, served.token("annotate", "review")) as client:
        note = client.annotate(text="new driver", kind="change", filters=["conc=64"], from_="2026-11-01T00:00:00Z")
        assert [row["text"] for row in client.annotations()] == ["new driver"]
        client.withdraw(note["id"])
        run = client.runs().to_list()[-1]["id"]
        client.retract(run, reason="wrong clocks")
        assert run not in [row["id"] for row in client.runs()]
        with pytest.raises(Conflict, match="already"):
            client.retract(run, reason="again")
        client.restore(run)
        assert run in [row["id"] for row in client.runs()]
        with pytest.raises(Forbidden, match="scope ingest"):
            client.ingest(a_run("2026-12-04T05:00:00Z"), idempotency_key="k")


def test_token_is_needed_and_never_shown(served: Served) -> None:
    secret = "imax_" + "A" * 43
    with Client(served.url) as without, Client(served.url, secret) as forged:
        with pytest.raises(Unauthorized, match="a token is needed"):
            without.annotate(text="x")
        with pytest.raises(Unauthorized, match="unknown, revoked or expired") as found:
            forged.annotate(text="x")
        assert secret not in f"{forged!r} {found.value!r} {found.value}"
    with pytest.raises(ValueError, match="invalid token") as refused:
        Client(served.url, "imax_a\r\nX-Other: 1")
    assert "imax_a" not in str(refused.value)
