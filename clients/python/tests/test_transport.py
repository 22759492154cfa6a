"""Retries, bounds and responses of other servers, against a server that answers what the test says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from stand_in import Answer, stand_in

from imax_results import (
    ApiError,
    Client,
    ConnectionFailed,
    InvalidAnswer,
    RateLimited,
    Retries,
    TimedOut,
    Unavailable,
)
from imax_results.request import Request
from imax_results.retry import seconds_of

AT_ONCE = {"Retry-After": "0"}
PROBLEM = b'{"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "try again in 9 s"}'


def test_busy_server_is_asked_again() -> None:
    with stand_in(lambda number: Answer(status=[429, 503, 200][number], headers=AT_ONCE)) as server:
        with Client(server.url) as client:
            assert client.projects().to_list() == []
        assert server.requests == 3


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, Unavailable)])
def test_retries_end_with_the_words_of_the_server(status: int, error: type[ApiError]) -> None:
    with stand_in(lambda _: Answer(status=status, body=PROBLEM, headers=AT_ONCE)) as server:
        with Client(server.url, retries=Retries(most=2)) as client, pytest.raises(error, match="try again in 9 s"):
            client.projects().to_list()
        assert server.requests == 3


def test_longer_wait_than_the_bound_is_an_error_at_once() -> None:
    with stand_in(lambda _: Answer(status=429, headers={"Retry-After": "3600"})) as server:
        with Client(server.url) as client, pytest.raises(RateLimited):
            client.projects().to_list()
        assert server.requests == 1


def test_what_may_have_been_done_is_not_sent_again() -> None:
    """A 503 or silence leaves open whether a note was stored; an ingest has a key, so that it is stored once."""
    with stand_in(lambda number: Answer(status=503 if number < 2 else 200, body=b"{}", headers=AT_ONCE)) as server:
        with Client(server.url, "imax_x") as client:
            with pytest.raises(Unavailable):
                client.annotate(text="x")
            assert server.requests == 1
            client.ingest(b"{}", idempotency_key="k")
        keys = [headers.get("Idempotency-Key") for _, _, headers, _ in server.received]
        assert keys == [None, "k", "k"]
    with stand_in(lambda _: None) as server:
        with Client(server.url, timeout_s=0.2) as client, pytest.raises(TimedOut, match=r"no answer within 0\.2 s, 1 attempts"):
            client.annotate(text="x")
        assert server.requests == 1


def test_nobody_listens() -> None:
    with stand_in(lambda _: Answer()) as server:
        url = server.url
    with Client(url, retries=Retries(most=1)) as client, pytest.raises(ConnectionFailed, match="2 attempts"):
        client.projects().to_list()


def test_redirect_is_not_followed() -> None:
    with stand_in(lambda _: Answer()) as other, stand_in(lambda _: Answer(status=302, headers={"Location": other.url})) as server:
        with Client(server.url, "imax_secret") as client, pytest.raises(ApiError, match="redirects are not followed"):
            client.projects().to_list()
        assert (server.requests, other.requests) == (1, 0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"rows": []}', b'{"data": {}, "next": null}', b"\xff"])
def test_other_server_is_recognised(body: bytes) -> None:
    with stand_in(lambda _: Answer(body=body)) as server, Client(server.url) as client, pytest.raises(InvalidAnswer):
        client.projects().to_list()


def test_cursor_that_leads_back_ends() -> None:
    with stand_in(lambda _: Answer(body=b'{"data": [{}], "next": "again"}')) as server, Client(server.url) as client:
        with pytest.raises(InvalidAnswer, match="leads nowhere"):
            client.points().to_list()
        assert server.requests == 2


def test_answer_that_is_broken_off_leaves_no_file(tmp_path: Path) -> None:
    with stand_in(lambda _: Answer(body=b"a,b\n", headers={"Content-Length": "100"})) as server:
        with Client(server.url, retries=Retries(most=0)) as client, pytest.raises(ConnectionFailed):
            client.points().save(tmp_path / "points.csv")
        assert list(tmp_path.iterdir()) == []


def test_known_answer_is_not_sent_again() -> None:
    def answer(number: int) -> Answer:
        if number == 0:
            return Answer(body=b'{"data": [{"id": 1}], "next": null}', headers={"ETag": '"7"'})
        return Answer(status=304, body=b"")

    with stand_in(answer) as server, Client(server.url, keep_answers=2) as client:
        assert client.projects().to_list() == client.projects().to_list() == [{"id": 1}]
        assert [headers.get("If-None-Match") for _, _, headers, _ in server.received] == [None, '"7"']


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://example.org", "http://jane:secret@example.org", "http://example.org/?a=1"])
def test_invalid_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="invalid address of a server") as found:
        Client(url)
    assert "secret" not in str(found.value)


def test_address_may_have_a_path() -> None:
    with stand_in(lambda _: Answer()) as server, Client(server.url + "/imax/") as client:
        client.points(conc=[4, 16], since="2026-01-01T00:00:00Z").to_list()
        (_, target, _, _) = server.received[0]
        assert target == "/imax/api/v1/points?filter=conc%3D4&filter=conc%3D16&since=2026-01-01T00%3A00%3A00Z&limit=1000"


def test_retry_after_is_seconds_or_a_date() -> None:
    past = format_datetime(datetime.now(timezone.utc) - timedelta(days=1), usegmt=True)
    future = format_datetime(datetime.now(timezone.utc) + timedelta(days=1), usegmt=True)
    assert [seconds_of(text) for text in ("0", " 5 ", past, "soon", "", "-1", None)] == [0.0, 5.0, 0.0, None, None, None, None]
    wait = seconds_of(future)
    assert wait is not None
    assert wait > 3600


def test_waits_grow_to_a_bound() -> None:
    read = Request("GET", "/")
    retries = Retries(most=20, longest_wait_s=8)
    waits = [retries.wait_after_failure_s(read, attempt, was_sent=True) for attempt in range(1, 22)]
    assert waits[-1] is None
    assert all(wait is not None and 0 < wait <= 8 for wait in waits[:-1])
