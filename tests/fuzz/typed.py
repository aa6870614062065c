"""Fuzzing of what is typed, and of what is asked of `evoprune watch`."""

from __future__ import annotations

import io
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from .configurations import DATASETS, SEARCHES
from .material import Material
from .mutations import NAMES, mutated
from .target import Target


def typed(whole: Material) -> Iterator[Target]:
    model = whole.folder / "typed.onnx"
    model.write_bytes(whole.exported[".onnx"])
    image = whole.folder / "typed.png"
    image.write_bytes(whole.images[8])
    csv = whole.folder / "typed.csv"
    csv.write_bytes(DATASETS[0])
    search = whole.folder / "search.csv"
    search.write_bytes(SEARCHES[0])
    there = tuple(
        map(str, (whole.run, whole.feature_file, model, image, csv, search, whole.folder, whole.run / "config.toml"))
    )
    # What is valid is small, so that it comes to an end.
    small = (
        "--features",
        str(whole.feature_file),
        "-n",
        "2",
        "--epochs",
        "1",
        "--head",
        "2",
        "--report-seeds",
        "1",
        "--recipe",
        "fast",
    )
    commands = (
        ("run", *small), ("run", *small), ("resume",), ("show",), ("list",), ("front",), ("ensemble",), ("export",),
        ("predict",), ("explain",), ("report",), ("legacy",), ("cache",), ("completion",),
        ("experiment", "--features", "nowhere.npz"), ("experiment", "sparsity", "--features", "nowhere.npz"),
    )  # fmt: skip
    options = (
        "--encoding", "-e", "--head", "--objectives", "--ood", "--ood-score", "--recipe", "--epochs", "--seeds",
        "--precision", "--device", "--algorithm", "--population", "--selection", "--crossover", "--mutation",
        "--initial-density", "-n", "--time", "--protocol", "--folds", "--held-out", "--seed", "--split-seed",
        "--report-seeds", "--batch", "-o", "--json", "--format", "--member", "--images", "--layer", "--method",
        "--methods", "--backbone", "-b", "--weights", "--tracker", "--runs", "--quiet", "--debug", "--version",
        "--help", "--port", "--half", "--head-only", "--prefer", "--where", "--vote", "--size", "--part", "--top",
        "--seeds", "--data", "--name", "--skip-broken", "sparsity", "guided", "fronts", "info", "clear", "verify",
        "bash", "show", "merge",
    )  # fmt: skip
    values = (
        "0", "1", "2", "-1", "99999999999999999999", "9" * 5000, "1e999", "nan", "0.5", "1,2", ",", "", "-", "--",
        "accuracy", "active", "accuracy,active", "features", "first", "both", "connections", "nsga2", "genetic",
        "random", "guided", "nested", "paper", "cpu", "cuda", "cuda:99", "tiny", "onnx", "torch", "safetensors",
        "torchscript", "5s", "mlflow", "tensorboard", "out", "../x",
        *(name for name in NAMES if "\x00" not in name and "\ud800" not in name and not name.startswith("/etc")),
        "\udcff", *there,
    )  # fmt: skip
    word = st.one_of(st.sampled_from(options), st.sampled_from(values), st.sampled_from(there))
    lines = st.tuples(st.sampled_from(commands), st.lists(word, max_size=6)).map(lambda parts: (*parts[0], *parts[1]))
    # The training engine compiles its kernel once.
    read = partial(_type, run=whole.run)
    yield Target("command lines", lines, read, 1, allowed=("subprocess.Popen", "os.posix_spawn", "os.fork"))
    requests = (
        b"GET / HTTP/1.1\r\nHost: @\r\n\r\n",
        b"GET /data.json HTTP/1.1\r\nHost: localhost:#\r\nIf-None-Match: \"x\"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /../config.toml HTTP/1.0\r\nHost: @\r\n\r\n",
    )  # fmt: skip
    words = (
        b"\r\n", b"\x00", b" HTTP/0.9", b" HTTP/9.9", b"Host: evil", b"/%2e%2e/", b"//", b"http://evil/",
        b"A" * 70_000, b"\xff", b"GET ", b"HEAD ", b"Transfer-Encoding: chunked\r\n", b"Content-Length: -1\r\n",
        b"Expect: 100-continue\r\n", b"X: y\r\n" * 120,
    )  # fmt: skip
    yield Target(
        "requests to watch",
        mutated(requests, words),
        _Client(whole.run),
        5,
        allowed=("socket.connect", "socket.getaddrinfo"),
    )


def _type(line: tuple[str, ...], folder: Path, *, run: Path) -> None:
    """Give a command; of the run it has a copy, for some commands rightly write into it."""
    from evoprune.cli import main

    out, err = io.StringIO(), io.StringIO()
    status: object = 0
    before = Path.cwd()
    inner = folder / "typed"
    shutil.rmtree(inner, ignore_errors=True)
    inner.mkdir()
    copy = folder / "run"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    line = tuple(word.replace(str(run), str(copy)) for word in line)
    os.chdir(inner)
    try:
        with mock.patch.object(sys, "argv", ["evoprune", *line]), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code
    finally:
        os.chdir(before)
    said = err.getvalue()
    if status not in (0, 2, 3) or ("Traceback" in said and "--debug" not in line):
        raise AssertionError(f"{line!r} ended with {status!r}: {said[-300:]}")


class _Client:
    """Sends requests to a server that shows a run; what it says must be HTTP, and it must be there afterwards."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._server: Any = None

    def __call__(self, data: bytes, folder: Path) -> None:
        del folder
        if self._server is None:
            from evoprune.page import PageServer

            self._server = PageServer(lambda: [self._run])
            threading.Thread(target=self._server.serve, daemon=True).start()
        port = str(self._server.port).encode()
        err = io.StringIO()
        with redirect_stderr(err):
            answer = self._ask(data.replace(b"@", b"127.0.0.1:" + port).replace(b"#", port))
            well = self._ask(b"GET /nothing HTTP/1.0\r\nHost: 127.0.0.1:" + port + b"\r\n\r\n")
        if err.getvalue():
            raise AssertionError(err.getvalue()[-400:])
        if not well.startswith(b"HTTP/1.1 404 "):
            raise AssertionError(f"the server says {well[:100]!r} after this request")
        if b"CREATE TABLE" in answer or b"root:" in answer:
            raise AssertionError("a file was given away")

    def _ask(self, data: bytes) -> bytes:
        parts = []
        with closing(socket.create_connection(("127.0.0.1", self._server.port), timeout=10)) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(1 << 16):
                    parts.append(part)
            except OSError:
                # It may end before it has read all of what it refuses.
                pass
        return b"".join(parts)
