"""What can go wrong, as types. The words are the server's own where it gave any."""

from __future__ import annotations

import json
from typing import Any


class ImaxError(Exception):
    """The base of all errors of this package."""


class ConnectionFailed(ImaxError):
    """The server cannot be reached, or broke an answer off."""


class TimedOut(ImaxError):
    """No answer came in time."""


class InvalidAnswer(ImaxError):
    """What answers is not the results API: no JSON, a cursor that leads nowhere, an answer beyond the bound."""


class ApiError(ImaxError):
    """The server refused a request. The subclass says how; `detail` is the server's sentence."""

    def __init__(self, status: int, title: str, detail: str, request_id: str | None = None) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        # The name of the request in the server's log.
        self.request_id = request_id
        super().__init__(status, title, detail, request_id)

    def __str__(self) -> str:
        words = f"{self.status} {self.title}: {self.detail}" if self.detail else f"{self.status} {self.title}"
        return f"{words} (request {self.request_id})" if self.request_id else words


class BadRequest(ApiError):
    """400: a parameter is invalid or unknown."""


class Unauthorized(ApiError):
    """401: a token is missing, unknown, revoked or expired."""


class Forbidden(ApiError):
    """403: the token does not allow it, or the server takes no writes."""


class NotFound(ApiError):
    """404: there is no such run, file or route."""


class Conflict(ApiError):
    """409: the state does not allow it, such as a run that is retracted already."""


class TooLarge(ApiError):
    """413: the body is larger than the server takes."""


class Unprocessable(ApiError):
    """422: the body is invalid, or the query selects too much."""


class RateLimited(ApiError):
    """429, also after the retries."""


class Unavailable(ApiError):
    """503, also after the retries: the server is busy, or the query takes too long."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Unprocessable,
    429: RateLimited,
    503: Unavailable,
}

# A proxy in front may answer with a page.
_LONGEST_DETAIL = 500


def error_of(status: int, reason: str, body: bytes, request_id: str | None) -> ApiError:
    """The error of an answer; problem details (RFC 9457) give its words."""
    title, detail = reason, ""
    try:
        problem: Any = json.loads(body)
    except ValueError:
        problem = None
    if 300 <= status < 400:
        detail = "redirects are not followed, so that a token reaches no other host; give the address they lead to"
    elif isinstance(problem, dict):
        title = str(problem.get("title") or reason)
        detail = str(problem.get("detail") or "")
    else:
        detail = " ".join(body[:_LONGEST_DETAIL].decode("utf-8", "replace").split())
    return _BY_STATUS.get(status, ApiError)(status, title, detail, request_id)
