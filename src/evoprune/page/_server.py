"""The page served on this machine alone, with newer data as the search goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

from evoprune.errors import EvoPruneError, StorageError
from evoprune.page._data import page_data
from evoprune.page._render import content_policy, render
from evoprune.workflow import RunFolder

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
"""No other machine can reach it."""

MERGED = "merged.json"
"""The file by which a merged front is known."""

_FRESH = 1.0
"""Seconds for which data are not read again."""

_COMMIT = 5 * 10**9
"""Nanoseconds within which a commit that is being written can be read."""

_State: TypeAlias = tuple[bool, tuple[tuple[str, int, int], ...]]
"""Whether a run has ended; and name, size and time of its files."""


class PageServer:
    """Serves the page of some runs; use it with `with`.

    Runs are read only, and only when somebody looks and their files have changed: a search never waits for it.

    Args:
        folders: gives the folders of the runs, of which there may be more later.
        port: to listen on; 0 takes a free one.

    Raises:
        StorageError: the port is taken, or a run cannot be read.
        ConfigError: a configuration is damaged.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]], port: int = 0) -> None:
        self._pages = _Pages(folders)
        # What is wrong with a run is said now rather than to a browser.
        self._pages.current()
        try:
            self._server = _Server((ADDRESS, port), _handler(self._pages))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise StorageError(f"port {port} of {ADDRESS} cannot be used: {why}; give another --port") from error

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.port}/"

    def serve(self) -> None:
        """Answer until `close` is called from elsewhere, or an interrupt."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """End `serve`, and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> PageServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Answers each connection in a thread of its own, and says nothing of those that end early."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep it to the log: a browser that goes away in the middle is nothing that a person has to read."""
        del request, client_address
        logger.debug("a request was not answered to its end", exc_info=True)


class _Pages:
    """The data of the page, read anew when files have changed."""

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        self._state: tuple[_State, ...] = ()
        self._read_at = 0.0
        self._data: dict[str, Any] | None = None
        self._tag = ""

    def current(self) -> tuple[dict[str, Any], str]:
        """The data and a tag that changes with them.

        Raises:
            StorageError, ConfigError: they cannot be read and never could; later, what was read last is given.
        """
        with self._lock:
            if self._data is not None and time.monotonic() - self._read_at < _FRESH:
                return self._data, self._tag
            try:
                folders = tuple(self._folders())
                state = tuple(_state(folder) for folder in folders)
                if self._data is None or state != self._state:
                    # Large figures do not change while a search runs, and are in the written report.
                    data = page_data(folders, live=True, pictures=all(done for done, _ in state))
                    # A commit changes the log a moment before it can be read; what is so new is read once more.
                    self._data, self._state = data, state if _settled(state) else ()
                    changing = {key: value for key, value in data.items() if key != "made"}
                    self._tag = f'"{hashlib.sha256(json.dumps(changing).encode()).hexdigest()[:32]}"'
            except EvoPruneError as error:
                if self._data is None:
                    raise
                logger.warning("the page stays as it was: %s", error)
            self._read_at = time.monotonic()
            return self._data, self._tag


def _state(folder: Path) -> _State:
    """Whether a run has ended, and what tells that its files have changed: sizes and times."""
    run = RunFolder(folder)
    found = []
    merged = folder / MERGED
    for path in (run.config, run.store, run.store.with_name(f"{run.store.name}-wal"), run.history, merged):
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((path.name, facts.st_size, facts.st_mtime_ns))
    return run.history.exists() or merged.exists(), tuple(found)


def _settled(state: tuple[_State, ...]) -> bool:
    """Whether files have not been written to for so long that all commits in them can be read."""
    newest = max((time_ns for _, files in state for _, _, time_ns in files), default=0)
    return time.time_ns() - newest > _COMMIT


def _handler(pages: _Pages) -> type[BaseHTTPRequestHandler]:
    """What answers one request."""

    class Handler(BaseHTTPRequestHandler):
        """Answers GET for the page and its data, and nothing else."""

        server_version = "evoprune"
        sys_version = ""
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            """Answer with the page or its data."""
            port = self.server.server_address[1]  # type: ignore[index]
            # A name of elsewhere that points here is another site's page asking (DNS rebinding).
            if self.headers.get_all("Host") not in ([f"{ADDRESS}:{port}"], [f"localhost:{port}"]):
                self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 alone.")
                return
            if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
                self._refuse(HTTPStatus.BAD_REQUEST, "What is only looked at is asked for without a body.")
                return
            if self.path not in ("/", "/data.json"):
                self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here but / and /data.json.")
                return
            data, tag = pages.current()
            if self.path == "/":
                self._answer(HTTPStatus.OK, render(data), "text/html; charset=utf-8", {"ETag": tag})
            elif self.headers.get("If-None-Match") == tag:
                self._answer(HTTPStatus.NOT_MODIFIED, "", "application/json", {"ETag": tag})
            else:
                self._answer(HTTPStatus.OK, json.dumps(data, allow_nan=False), "application/json", {"ETag": tag})

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            """Refuse what is not GET, or is no HTTP."""
            del explain
            if code == HTTPStatus.NOT_IMPLEMENTED:
                code, message = HTTPStatus.METHOD_NOT_ALLOWED, "This server answers GET alone."
            self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

        def _refuse(self, status: HTTPStatus, sentence: str) -> None:
            # What else was sent is not read, and would be taken for the next request.
            self.close_connection = True
            allowed = {"Allow": "GET"} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
            self._answer(status, f"{sentence}\n", "text/plain; charset=utf-8", {"Connection": "close", **allowed})

        def _answer(self, status: HTTPStatus, text: str, kind: str, headers: dict[str, str]) -> None:
            body = text.encode("utf-8")
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Content-Security-Policy": content_policy(live=True).header,
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cache-Control": "no-store",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and status != HTTPStatus.NOT_MODIFIED:
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: the terminal belongs to the person."""

    return Handler
