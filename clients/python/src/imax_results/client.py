"""Clients of `imax serve`: connections, retries and bounds. Their routes are in `routes.py`."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeAlias

import httpx

from ._typing import Self, Unpack
from .answer_cache import AnswerCache, Kept
from .documents import AsyncDocument, Document
from .errors import ConnectionFailed, InvalidAnswer, TimedOut, error_of
from .models import IngestQuery, Row, SubmitQuery
from .request import Request, document, pairs, read
from .retry import Retries
from .routes import AsyncRoutes, Routes
from .rows import AsyncRows, Rows
from .version import VERSION

# A page or document beyond this is not kept in memory; `save` has no bound.
LARGEST_ANSWER = 256 << 20

_INGEST = "/api/v1/ingest"
_SUBMISSIONS = "/api/v1/submissions"
# What the archive of a run's artifacts begins with.
_ZIP = b"PK\x03\x04"

Runs: TypeAlias = bytes | str | PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class _Settings:
    """What both clients have in common."""

    def __init__(self, url: str, token: str | None, timeout_s: float, retries: Retries, keep_answers: int) -> None:
        address = httpx.URL(url)
        if address.scheme not in ("http", "https") or not address.host or address.query or address.fragment or address.userinfo:
            # Not the address itself: it may have a password.
            raise ValueError("invalid address of a server, expected one such as https://results.example.org")
        self.base = str(address).rstrip("/")
        self.headers = {"User-Agent": f"imax-results/{VERSION}", "Accept": "application/json"}
        if token is not None:
            if not token or not token.isascii() or any(character.isspace() for character in token):
                raise ValueError("invalid token, expected the text that imax token create printed")
            self.headers["Authorization"] = f"Bearer {token}"
        self.timeout_s = timeout_s
        self.retries = retries
        self.cache = AnswerCache(keep_answers)

    def arguments(self, request: Request) -> dict[str, Any]:
        accept = {"Accept": "*/*"} if request.path.endswith((".ndjson", ".csv", ".parquet")) else {}
        return {
            "method": request.method,
            "url": httpx.URL(self.base + request.path, params=list(request.query)),
            "headers": {**self.headers, **accept, **request.headers},
            "content": request.body,
        }


class _Again(Exception):
    """The request is sent again after this many seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s


def _failure(error: httpx.HTTPError, settings: _Settings, request: Request, attempt: int) -> Exception:
    """What an exchange that broke becomes: another attempt, or an error of this package."""
    was_sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    wait = settings.retries.wait_after_failure_s(request, attempt, was_sent=was_sent)
    if wait is not None:
        return _Again(wait)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{settings.base}: no answer within {settings.timeout_s:g} s, {attempt} attempts")
    words = str(error) or type(error).__name__
    return ConnectionFailed(f"{settings.base}: {words}, {attempt} attempts")


def _refusal(answer: httpx.Response, body: bytes, settings: _Settings, request: Request, attempt: int) -> Exception:
    """The same for an answer that is none of 2xx."""
    wait = settings.retries.wait_s(request, attempt, answer.status_code, answer.headers.get("retry-after"))
    if wait is not None:
        return _Again(wait)
    return error_of(answer.status_code, answer.reason_phrase, body, answer.headers.get("x-request-id"))


def _is_known(answer: httpx.Response, kept: Kept | None) -> bool:
    return answer.status_code == 304 and kept is not None


def _conditional(arguments: dict[str, Any], kept: Kept | None) -> dict[str, Any]:
    if kept is None:
        return arguments
    return {**arguments, "headers": {**arguments["headers"], "If-None-Match": kept.etag}}


def _add(body: bytearray, part: bytes, request: Request) -> None:
    body += part
    if len(body) > LARGEST_ANSWER:
        raise InvalidAnswer(f"{request.path}: the answer is larger than {LARGEST_ANSWER >> 20} MiB; save() writes it to a file")


def _parsed(body: bytes, request: Request) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidAnswer(f"{request.path}: no JSON: {error}") from error


def _as_document(body: bytes, request: Request) -> dict[str, Any]:
    found = _parsed(body, request)
    if not isinstance(found, dict):
        raise InvalidAnswer(f"{request.path}: expected a JSON object")
    return found


def _write_request(path: str, body: Mapping[str, object] | None) -> Request:
    if body is None:
        return Request("POST", path, is_idempotent=False)
    encoded = json.dumps(document(body), allow_nan=False).encode()
    return Request("POST", path, headers={"Content-Type": "application/json"}, body=encoded, is_idempotent=False)


def _ingest_request(path: str, runs: Runs, key: str, query: Mapping[str, object]) -> Request:
    if isinstance(runs, (bytes, bytearray)):
        body = bytes(runs)
    elif isinstance(runs, (str, os.PathLike)):
        body = Path(runs).read_bytes()
    else:
        body = json.dumps(runs, allow_nan=False).encode()
    if not key or not key.isascii() or not key.isprintable() or len(key) > 200:
        raise ValueError("invalid idempotency key, expected 1 to 200 printable ASCII characters")
    kind = "application/zip" if body.startswith(_ZIP) else "application/json"
    return Request("POST", path, tuple(pairs(path, query)), headers={"Content-Type": kind, "Idempotency-Key": key}, body=body)


@contextmanager
def _replacing(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is complete, and is removed otherwise."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


class Client(Routes):
    """A client of the results API.

    >>> client = Client("http://127.0.0.1:8080")
    >>> client.points(model="dsr1", hardware=["h200*", "b200*"]).to_pandas()

    A token is needed for writes, and for reads of a closed server; it is sent to this address alone. `timeout_s` bounds the time until a part
    of an answer arrives, `retries` what is sent again. `keep_answers` is how many answers are kept for their ETag, so that the
    server sends them again only if the history has changed. One client may be used by several threads.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: Retries = Retries(),
        keep_answers: int = 0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = _Settings(url, token, timeout_s, retries, keep_answers)
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=False, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._settings.base!r})"

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def ingest(self, runs: Runs, *, idempotency_key: str, **query: Unpack[IngestQuery]) -> Row:
        """Adds runs: all of them or none. Answers what is new, unchanged and revised.

        `runs` is a file that `imax export --format json` or `imax collect --history` wrote, a ZIP archive of a run's artifacts, the bytes of
        either, or the documents. The same key with the same content gives the same answer and stores nothing again, so the request is safe
        to send again.
        """
        request = _ingest_request(_INGEST, runs, idempotency_key, query)
        return _as_document(self._bytes(request), request)

    def submit(self, runs: Runs, *, idempotency_key: str, **query: Unpack[SubmitQuery]) -> Row:
        """Hands in runs as the community's, which wait for a reviewer. See `ingest`."""
        request = _ingest_request(_SUBMISSIONS, runs, idempotency_key, query)
        return _as_document(self._bytes(request), request)

    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> Rows[Any]:
        return Rows(self, read(path, query, page_size), nested)

    def _document(self, path: str, query: Mapping[str, object]) -> Document:
        request = read(path, query)
        return Document(_as_document(self._bytes(request), request), request, self)

    def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        request = _write_request(path, body)
        return _as_document(self._bytes(request), request)

    def _json(self, request: Request) -> Any:
        return _parsed(self._bytes(request), request)

    def _bytes(self, request: Request) -> bytes:
        arguments = self._settings.arguments(request)
        url = str(arguments["url"])
        kept = self._settings.cache.get(url) if request.method == "GET" else None
        for attempt in range(1, self._settings.retries.most + 2):
            try:
                with self._exchange(_conditional(arguments, kept), request, attempt, kept) as answer:
                    if _is_known(answer, kept):
                        assert kept is not None
                        return kept.body
                    body = bytearray()
                    for part in answer.iter_bytes():
                        _add(body, part, request)
                    if request.method == "GET":
                        self._settings.cache.put(url, answer.headers.get("etag"), bytes(body))
                    return bytes(body)
            except _Again as again:
                time.sleep(again.wait_s)
        raise AssertionError("the last attempt is final")

    def _save(self, request: Request, path: str | PathLike[str]) -> None:
        arguments = self._settings.arguments(request)
        for attempt in range(1, self._settings.retries.most + 2):
            try:
                with self._exchange(arguments, request, attempt, None) as answer, _replacing(path) as file:
                    for part in answer.iter_bytes():
                        file.write(part)
                    return
            except _Again as again:
                time.sleep(again.wait_s)

    @contextmanager
    def _exchange(self, arguments: dict[str, Any], request: Request, attempt: int, kept: Kept | None) -> Iterator[httpx.Response]:
        """One attempt: an answer of 2xx, or a 304 for what is kept."""
        try:
            with self._http.stream(**arguments) as answer:
                if not answer.is_success and not _is_known(answer, kept):
                    body = bytearray()
                    for part in answer.iter_bytes():
                        _add(body, part, request)
                    raise _refusal(answer, bytes(body), self._settings, request, attempt)
                yield answer
        except httpx.HTTPError as error:
            raise _failure(error, self._settings, request, attempt) from error


class AsyncClient(AsyncRoutes):
    """The same client for programs with an event loop.

    >>> async with AsyncClient("http://127.0.0.1:8080") as client:
    ...     async for point in client.points(model="dsr1"): ...
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: Retries = Retries(),
        keep_answers: int = 0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = _Settings(url, token, timeout_s, retries, keep_answers)
        self._http = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._settings.base!r})"

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def ingest(self, runs: Runs, *, idempotency_key: str, **query: Unpack[IngestQuery]) -> Row:
        """Adds runs: all of them or none. See `Client.ingest`."""
        request = _ingest_request(_INGEST, runs, idempotency_key, query)
        return _as_document(await self._bytes(request), request)

    async def submit(self, runs: Runs, *, idempotency_key: str, **query: Unpack[SubmitQuery]) -> Row:
        """Hands in runs as the community's, which wait for a reviewer. See `Client.ingest`."""
        request = _ingest_request(_SUBMISSIONS, runs, idempotency_key, query)
        return _as_document(await self._bytes(request), request)

    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> AsyncRows[Any]:
        return AsyncRows(self, read(path, query, page_size), nested)

    async def _document(self, path: str, query: Mapping[str, object]) -> AsyncDocument:
        request = read(path, query)
        return AsyncDocument(_as_document(await self._bytes(request), request), request, self)

    async def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        request = _write_request(path, body)
        return _as_document(await self._bytes(request), request)

    async def _json(self, request: Request) -> Any:
        return _parsed(await self._bytes(request), request)

    async def _bytes(self, request: Request) -> bytes:
        arguments = self._settings.arguments(request)
        url = str(arguments["url"])
        kept = self._settings.cache.get(url) if request.method == "GET" else None
        for attempt in range(1, self._settings.retries.most + 2):
            try:
                async with self._exchange(_conditional(arguments, kept), request, attempt, kept) as answer:
                    if _is_known(answer, kept):
                        assert kept is not None
                        return kept.body
                    body = bytearray()
                    async for part in answer.aiter_bytes():
                        _add(body, part, request)
                    if request.method == "GET":
                        self._settings.cache.put(url, answer.headers.get("etag"), bytes(body))
                    return bytes(body)
            except _Again as again:
                await asyncio.sleep(again.wait_s)
        raise AssertionError("the last attempt is final")

    async def _save(self, request: Request, path: str | PathLike[str]) -> None:
        arguments = self._settings.arguments(request)
        for attempt in range(1, self._settings.retries.most + 2):
            try:
                async with self._exchange(arguments, request, attempt, None) as answer:
                    with _replacing(path) as file:
                        async for part in answer.aiter_bytes():
                            file.write(part)
                    return
            except _Again as again:
                await asyncio.sleep(again.wait_s)

    @asynccontextmanager
    async def _exchange(self, arguments: dict[str, Any], request: Request, attempt: int, kept: Kept | None) -> AsyncIterator[httpx.Response]:
        """One attempt: an answer of 2xx, or a 304 for what is kept."""
        try:
            async with self._http.stream(**arguments) as answer:
                if not answer.is_success and not _is_known(answer, kept):
                    body = bytearray()
                    async for part in answer.aiter_bytes():
                        _add(body, part, request)
                    raise _refusal(answer, bytes(body), self._settings, request, attempt)
                yield answer
        except httpx.HTTPError as error:
            raise _failure(error, self._settings, request, attempt) from error
