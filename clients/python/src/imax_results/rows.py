"""Rows of a list, page by page: nothing is asked for before it is needed, and each iteration asks again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from .errors import InvalidAnswer
from .request import Request
from .tables import data_frame, suffix_of

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")


class Fetches(Protocol):
    """What rows need of a client."""

    def _json(self, request: Request) -> Any: ...

    def _save(self, request: Request, path: str | PathLike[str]) -> None: ...


class AsyncFetches(Protocol):
    """The same with an event loop."""

    async def _json(self, request: Request) -> Any: ...

    async def _save(self, request: Request, path: str | PathLike[str]) -> None: ...


class Rows(Generic[T]):
    """The rows of a query."""

    def __init__(self, client: Fetches, request: Request, nested: str | None = None) -> None:
        self._client = client
        self._request = request
        self._nested = nested

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[T]]:
        """The rows as the server gives them: a list for each request."""
        request: Request | None = self._request
        while request is not None:
            rows, request = page_of(self._client._json(request), request)
            yield cast("list[T]", rows)

    def to_list(self) -> list[T]:
        return list(self)

    def first(self) -> T | None:
        """The first row, `None` if there is none."""
        rows, _ = page_of(self._client._json(self._request.first_alone()), self._request)
        return cast("T", rows[0]) if rows else None

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame; what has points or values gives a row for each of these. Needs pandas."""
        return data_frame(self.to_list(), self._nested)

    def save(self, path: str | PathLike[str]) -> None:
        """Writes all rows to a file, as its suffix says: .csv, .ndjson or .parquet.

        The server makes the file and it is never whole in memory. It has its name when it is complete.
        """
        self._client._save(export_of(self._request, path), path)

    def __repr__(self) -> str:
        return f"<rows of {self._request.path}>"


class AsyncRows(Generic[T]):
    """The rows of a query, for programs with an event loop."""

    def __init__(self, client: AsyncFetches, request: Request, nested: str | None = None) -> None:
        self._client = client
        self._request = request
        self._nested = nested

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for row in page:
                yield row

    async def pages(self) -> AsyncIterator[list[T]]:
        """The rows as the server gives them: a list for each request."""
        request: Request | None = self._request
        while request is not None:
            rows, request = page_of(await self._client._json(request), request)
            yield cast("list[T]", rows)

    async def to_list(self) -> list[T]:
        return [row async for row in self]

    async def first(self) -> T | None:
        """The first row, `None` if there is none."""
        rows, _ = page_of(await self._client._json(self._request.first_alone()), self._request)
        return cast("T", rows[0]) if rows else None

    async def to_pandas(self) -> pandas.DataFrame:
        """A data frame; what has points or values gives a row for each of these. Needs pandas."""
        return data_frame(await self.to_list(), self._nested)

    async def save(self, path: str | PathLike[str]) -> None:
        """Writes all rows to a file, as its suffix says: .csv, .ndjson or .parquet."""
        await self._client._save(export_of(self._request, path), path)

    def __repr__(self) -> str:
        return f"<rows of {self._request.path}>"


def page_of(answer: Any, request: Request) -> tuple[list[Any], Request | None]:
    """The rows of a page, and the request for the next one."""
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise InvalidAnswer(f'{request.path}: expected {{"data": [...], "next": ...}}')
    cursor = answer.get("next")
    if cursor is None:
        return rows, None
    # A server that gave the same page again and again would never end.
    if not isinstance(cursor, str) or ("cursor", cursor) in request.query:
        raise InvalidAnswer(f"{request.path}: the cursor {cursor!r} leads nowhere")
    return rows, request.with_cursor(cursor)


def export_of(request: Request, path: str | PathLike[str]) -> Request:
    return request.with_suffix(suffix_of(path))
