"""A page on this machine: files from memory, for this machine alone."""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ganzoo.errors import UsageError

LOOPBACK = "127.0.0.1"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def local_site(files: Mapping[str, bytes], port: int = 0) -> ThreadingHTTPServer:
    """A server of these files on the loopback, ready for `serve_forever`; a free port where it is 0.

    Raises:
        UsageError: the port is taken.
    """
    handler = type("Files", (_Files,), {"files": dict(files)})
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        raise UsageError(f"--port {port} cannot be had: leave it out, and a free one is taken") from error
    server.daemon_threads = True
    return server


class _Files(BaseHTTPRequestHandler):
    files: Mapping[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.lstrip("/") or "index.html"
        port = self.connection.getsockname()[1]
        # A page of somebody else may have its own name point here: it gets nothing.
        known = self.headers.get("Host", "") in (f"{LOOPBACK}:{port}", f"localhost:{port}")
        content = self.files.get(name) if known else None
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Type", KINDS.get(PurePosixPath(name).suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content or b"")))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD" and content:
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, format: str, *words: object) -> None:
        """Nothing: the terminal is for people."""
