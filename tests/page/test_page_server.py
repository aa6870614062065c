"""`evoprune watch`: on this machine alone, GET alone, and following a search that another process makes."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import sqlite3
import struct
import threading
import time
from contextlib import closing, contextmanager

import pytest

from evoprune.errors import StorageError
from evoprune.page import PageServer, content_policy
from evoprune.page import _server as server_module

from .conftest import data_of


@contextmanager
def served(*folders):
    with PageServer(lambda: folders) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            thread.join(10)
    assert not thread.is_alive()


def ask(server, path="/", method="GET", host=None, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with closing(connection):
        named = f"127.0.0.1:{server.port}" if host is None else host
        connection.request(method, path, body=body, headers={"Host": named, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


@pytest.fixture(scope="module")
def server(front_run):
    with served(front_run) as started:
        yield started


def test_the_page_and_its_data_are_served_with_a_strict_policy(server):
    for path, kind in (("/", "text/html; charset=utf-8"), ("/data.json", "application/json")):
        status, headers, text = ask(server, path)
        assert status == 200
        assert headers["Content-Type"] == kind
        assert headers["Content-Security-Policy"] == content_policy(live=True).header
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        data = data_of(text) if path == "/" else json.loads(text)
        assert data["live"] is True
        assert data["runs"][0]["evaluations"] == 40


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""]
)
def test_another_host_is_refused(server, host):
    for path in ("/", "/data.json"):
        status, headers, text = ask(server, path, host=host.format(port=server.port))
        assert status == 421
        assert "evaluations" not in text
        assert "Content-Security-Policy" in headers


def test_two_hosts_are_refused(server):
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        own = f"127.0.0.1:{server.port}"
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_localhost_is_this_machine(server):
    assert ask(server, host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "NONSENSE"])
def test_only_get_is_answered(server, method):
    status, headers, text = ask(server, method=method, body="x" * 100)
    assert status == 405
    assert headers["Allow"] == "GET"
    assert "evaluations" not in text


@pytest.mark.parametrize("sent", [{"body": "x"}, {"Content-Length": "-1"}, {"Transfer-Encoding": "chunked"}])
def test_a_request_with_a_body_is_refused(server, sent):
    status, headers, text = ask(server, **sent)
    assert status == 400
    assert headers["Connection"] == "close"
    assert "evaluations" not in text


def test_a_browser_that_goes_away_is_not_talked_about(server, capfd):
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        # Closed so that what is sent to it is answered by a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        connection.close()
    assert ask(server)[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["/study.sqlite", "/../config.toml", "/data.json?x=1", "/%2e%2e/config.toml"])
def test_no_other_path_is_there(server, path):
    assert ask(server, path)[0] == 404


def test_what_has_not_changed_is_not_sent_again(server):
    tag = ask(server, "/data.json")[1]["ETag"]
    status, headers, text = ask(server, "/data.json", **{"If-None-Match": tag})
    assert (status, text, headers["ETag"]) == (304, "", tag)


def test_it_listens_on_this_machine_alone(server, front_run):
    assert server.url == f"http://127.0.0.1:{server.port}/"
    assert server._server.server_address[0] == "127.0.0.1"
    with pytest.raises(StorageError, match=f"port {server.port} of 127.0.0.1 cannot be used"):
        PageServer(lambda: [front_run], server.port)


def test_a_run_that_is_not_there_is_refused_before_anything_is_served(tmp_path):
    with pytest.raises(StorageError, match="holds no run"), PageServer(lambda: [tmp_path]):
        pass


@pytest.fixture
def writer(growing, front_run):
    """Another connection, as a search has it: it adds the evaluations that the copy lacks, one at a time."""
    connection = sqlite3.connect(growing / "study.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    whole = sqlite3.connect(front_run / "study.sqlite")

    def add(number):
        row = whole.execute("SELECT * FROM evaluations WHERE id = ?", (number,)).fetchone()
        values = whole.execute("SELECT * FROM objective_values WHERE evaluation = ?", (number,)).fetchall()
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.executemany("INSERT INTO objective_values VALUES (?, ?, ?)", values)
        connection.execute("COMMIT")
        return time.perf_counter() - started

    yield add
    connection.close()
    whole.close()


def test_the_page_follows_a_search_and_never_holds_it_up(growing, writer, monkeypatch):
    monkeypatch.setattr(server_module, "_FRESH", 0.0)
    ended = threading.Event()
    asked = []

    def look(server):
        while not ended.is_set():
            asked.append(ask(server, "/data.json")[0])

    with served(growing) as server:
        readers = [threading.Thread(target=look, args=(server,)) for _ in range(3)]
        for reader in readers:
            reader.start()
        seen = []
        for number in range(11, 21):
            # A writer that met a reader's lock would wait for seconds, or fail.
            assert writer(number) < 2
            seen.append(json.loads(ask(server, "/data.json")[2])["runs"][0]["evaluations"])
        ended.set()
        for reader in readers:
            reader.join(20)
    assert seen == list(range(11, 21))
    assert set(asked) == {200}


def test_a_store_that_cannot_be_read_for_a_moment_leaves_the_page_as_it_was(growing, monkeypatch):
    monkeypatch.setattr(server_module, "_FRESH", 0.0)
    with served(growing) as server:
        before = json.loads(ask(server, "/data.json")[2])
        (growing / "study.sqlite").write_bytes(b"nothing of the kind")
        status, _, text = ask(server, "/data.json")
        assert status == 200
        assert json.loads(text)["runs"] == before["runs"]


def test_seeds_that_begin_later_are_added(growing, front_run, tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "_FRESH", 0.0)
    folders = [growing]
    with PageServer(lambda: folders) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        assert len(json.loads(ask(server, "/data.json")[2])["runs"]) == 1
        folders.append(front_run)
        assert len(json.loads(ask(server, "/data.json")[2])["runs"]) == 2
        server.close()


def test_reading_leaves_a_finished_run_as_it_is(front_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(front_run, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with served(folder) as server:
        ask(server)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
