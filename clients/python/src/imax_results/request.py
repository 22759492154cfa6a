"""Requests as values: nothing here touches the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

# Sent as `filter=KEY=GLOB`.
DIMENSIONS = ("model", "hardware", "framework", "precision", "sequence", "layout", "conc")

# Routes whose `model` and `hardware` are parameters of their own.
_OWN_DIMENSIONS = frozenset({"/api/v1/mlperf"})


@dataclass(frozen=True)
class Request:
    """A request to the API."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    # Whether the rows come in pages, whose size is `limit`.
    has_pages: bool = False
    # Whether the request has the same effect if it is sent twice.
    is_idempotent: bool = True

    def with_cursor(self, cursor: str) -> Request:
        kept = tuple(pair for pair in self.query if pair[0] != "cursor")
        return replace(self, query=(*kept, ("cursor", cursor)))

    def with_suffix(self, suffix: str) -> Request:
        """The request for another format, which has all rows in one answer."""
        kept = tuple(pair for pair in self.query if pair[0] != "limit") if self.has_pages else self.query
        return replace(self, path=self.path + suffix, query=kept)

    def first_alone(self) -> Request:
        """The request for one row, where the number of rows can be chosen."""
        kept = tuple(pair for pair in self.query if pair[0] != "limit")
        return replace(self, query=(*kept, ("limit", "1"))) if self.has_pages else self


def read(path: str, query: Mapping[str, object], page_size: int | None = None) -> Request:
    """A read. The values of a list are alternatives; `None` leaves a parameter out. `page_size` is the usual one of a route with pages."""
    if page_size is None:
        return Request("GET", path, tuple(pairs(path, query)))
    limit = query.get("page_size") or page_size
    sent = {name: value for name, value in query.items() if name != "page_size"}
    return Request("GET", path, (*pairs(path, sent), ("limit", as_text(limit))), has_pages=True)


def segment(value: object) -> str:
    """A part of a path, escaped, so that it stays one part."""
    text = str(value)
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} cannot be a part of a path")
    return quote(text, safe="")


def pairs(path: str, query: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, value in query.items():
        if value is None:
            continue
        for text in map(as_text, value if isinstance(value, (list, tuple, set, frozenset)) else [value]):
            if name in DIMENSIONS and path not in _OWN_DIMENSIONS:
                yield "filter", f"{name}={text}"
            else:
                yield name.rstrip("_"), text


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(timezone.utc) or the like")
        return value.isoformat()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"a parameter is {type(value).__name__}, expected a text, number, truth value or time")


def document(body: Mapping[str, object]) -> dict[str, object]:
    """A body with times as texts; `from_` is `from`, which is a word of Python."""
    found: dict[str, object] = {}
    for name, value in body.items():
        found[name.rstrip("_")] = as_text(value) if isinstance(value, datetime) else value
    return found
