"""The client of imax's results API.

>>> from imax_results import Client
>>> Client("http://127.0.0.1:8080").points(model="dsr1").to_pandas()
"""

from .client import AsyncClient, Client
from .documents import AsyncDocument, Document
from .errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    ImaxError,
    InvalidAnswer,
    NotFound,
    RateLimited,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from .models import Curve, Point
from .retry import Retries
from .rows import AsyncRows, Rows
from .version import VERSION

__version__ = VERSION

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncDocument",
    "AsyncRows",
    "BadRequest",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Curve",
    "Document",
    "Forbidden",
    "ImaxError",
    "InvalidAnswer",
    "NotFound",
    "Point",
    "RateLimited",
    "Retries",
    "Rows",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Unprocessable",
    "__version__",
]
