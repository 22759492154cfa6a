"""A server that answers what a test says: what `imax serve` answers only when it is busy, broken or replaced by something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    status: int = 200
    body: bytes = b'{"data": [], "next": null}'
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class StandIn:
    url: str
    # Method, path with its query, headers, body.
    received: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.received)


@contextmanager
def stand_in(answer: Callable[[int], Answer | None]) -> Iterator[StandIn]:
    """A server whose answers `answer` gives by the number of the request, from 0; `None` is silence until the end."""
    server = StandIn("")
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.received.append((self.command, self.path, dict(self.headers.items()), body))
            found = answer(len(server.received) - 1)
            if found is None:
                end.wait()
                return
            self.send_response(found.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(found.body)), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = respond

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        end.set()
        http.shutdown()
        thread.join()
        http.server_close()
