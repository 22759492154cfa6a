"""Answers that are one document: a mapping, and the rows that it has in other formats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol

from .request import Request
from .rows import export_of
from .tables import data_frame

if TYPE_CHECKING:
    import pandas


class Downloads(Protocol):
    def _bytes(self, request: Request) -> bytes: ...

    def _save(self, request: Request, path: str | PathLike[str]) -> None: ...


class AsyncDownloads(Protocol):
    async def _bytes(self, request: Request) -> bytes: ...

    async def _save(self, request: Request, path: str | PathLike[str]) -> None: ...


class _Mapped(Mapping[str, Any]):
    def __init__(self, data: dict[str, Any], request: Request) -> None:
        self._data = data
        self._request = request

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<document of {self._request.path}: {', '.join(self._data)}>"


class Document(_Mapped):
    """A document: `compare`, `run` or `file`."""

    def __init__(self, data: dict[str, Any], request: Request, client: Downloads) -> None:
        super().__init__(data, request)
        self._client = client

    def rows(self) -> list[dict[str, Any]]:
        """Its rows, as the server tables them: a metric of a pair for `compare`, a failed point for `run`."""
        return lines_of(self._client._bytes(self._request.with_suffix(".ndjson")))

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a data frame. Needs pandas."""
        return data_frame(self.rows())

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the rows to a file, as its suffix says: .csv, .ndjson or .parquet."""
        self._client._save(export_of(self._request, path), path)


class AsyncDocument(_Mapped):
    """A document, for programs with an event loop."""

    def __init__(self, data: dict[str, Any], request: Request, client: AsyncDownloads) -> None:
        super().__init__(data, request)
        self._client = client

    async def rows(self) -> list[dict[str, Any]]:
        """Its rows, as the server tables them."""
        return lines_of(await self._client._bytes(self._request.with_suffix(".ndjson")))

    async def to_pandas(self) -> pandas.DataFrame:
        """The rows as a data frame. Needs pandas."""
        return data_frame(await self.rows())

    async def save(self, path: str | PathLike[str]) -> None:
        """Writes the rows to a file, as its suffix says: .csv, .ndjson or .parquet."""
        await self._client._save(export_of(self._request, path), path)


def lines_of(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines() if line]
