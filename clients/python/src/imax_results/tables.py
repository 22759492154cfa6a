"""Rows as data frames and files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

# The formats of the server that have all rows in one answer.
SUFFIXES = (".csv", ".ndjson", ".parquet")

# Columns with a time, RFC 3339.
TIMES = frozenset({"started", "date", "at", "after", "newest", "newest_measured", "newest_failed", "created"})


def data_frame(rows: Iterable[Any], nested: str | None = None) -> pandas.DataFrame:
    """Rows as a data frame, with times as times of UTC.

    A row with a list of rows in `nested` becomes one row for each of these; their own columns win.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'imax-results[pandas]'") from error
    frame = pandas.DataFrame(list(flat(rows, nested)))
    for name in frame.columns.intersection(list(TIMES)):
        times = pandas.to_datetime(frame[name], utc=True, errors="coerce", format="ISO8601")
        # A column of that name with other texts stays what it is.
        if times.notna().sum() == frame[name].notna().sum():
            frame[name] = times
    return frame


def flat(rows: Iterable[Any], nested: str | None) -> Iterable[Mapping[str, Any]]:
    for row in rows:
        if nested is None:
            yield row
            continue
        own = {name: value for name, value in row.items() if name != nested}
        for inner in row.get(nested) or []:
            yield {**own, **inner}


def suffix_of(path: str | PathLike[str]) -> str:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{os.fspath(path)}: the suffix says the format, one of {', '.join(SUFFIXES)}")
    return suffix
