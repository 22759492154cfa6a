"""Answers that are kept for their ETag: the server then says 304 until the history changes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Kept:
    etag: str
    body: bytes


class AnswerCache:
    """The newest `most` answers, none for 0."""

    def __init__(self, most: int) -> None:
        if most < 0:
            raise ValueError("the number of answers that are kept is 0 or more")
        self._most = most
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, url: str) -> Kept | None:
        with self._lock:
            kept = self._kept.get(url)
            if kept is not None:
                self._kept.move_to_end(url)
            return kept

    def put(self, url: str, etag: str | None, body: bytes) -> None:
        if etag is None or self._most == 0:
            return
        with self._lock:
            self._kept[url] = Kept(etag, body)
            self._kept.move_to_end(url)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
