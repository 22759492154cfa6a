"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from .request import Request


@dataclass(frozen=True)
class Retries:
    """Bounds of retries: `most` more attempts, and no wait longer than `longest_wait_s` seconds."""

    most: int = 4
    longest_wait_s: float = 30.0

    def __post_init__(self) -> None:
        if self.most < 0 or self.longest_wait_s < 0:
            raise ValueError("retries and waits are 0 or more")

    def wait_s(self, request: Request, attempt: int, status: int, retry_after: str | None) -> float | None:
        """Seconds before attempt `attempt` + 1, or `None` where the answer is final.

        429 was counted and not carried out; 503 may have been, as a write that took too long.
        """
        if attempt > self.most or not (status == 429 or (status == 503 and request.is_idempotent)):
            return None
        asked = seconds_of(retry_after)
        wait = backoff_s(attempt) if asked is None else asked
        # A server that asks for more patience than the caller has gets no requests in the meantime.
        return wait if wait <= self.longest_wait_s else None

    def wait_after_failure_s(self, request: Request, attempt: int, *, was_sent: bool) -> float | None:
        """The same where no answer came. What may have been carried out is sent again only if that changes nothing."""
        if attempt > self.most or (was_sent and not request.is_idempotent):
            return None
        return min(backoff_s(attempt), self.longest_wait_s)


def backoff_s(attempt: int) -> float:
    """0.25 s, doubled by each attempt, of which up to a half is random: clients that failed together come back apart."""
    return float(0.25 * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))


def seconds_of(retry_after: str | None) -> float | None:
    """`Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())
