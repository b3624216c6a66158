"""A server on this machine, for tests of downloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(answers: type[BaseHTTPRequestHandler], closing: threading.Event) -> Iterator[str]:
    """The address of a server that answers so; `closing` is set at the end, for answers that wait for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Quiet", (_Quiet, answers), {}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet:
    def log_message(self, *_: object) -> None:
        pass
