"""The guard itself sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

READERS = {
    "read": ("(inside / 'a').write_text('x')", "None"),
    "sentence": ("raise ConfigError('a sentence')", "None"),
    "traceback": ("raise KeyError('x')", "KeyError at"),
    "silence": ("raise ConfigError('')", "without a sentence"),
    "escape": ("(outside / 'b').write_text('x')", "did open"),
    "rename": ("(inside / 'c').write_text('x'), (inside / 'c').rename(outside / 'c')", "did os.rename"),
    "program": ("__import__('subprocess').run(['true'])", "did subprocess.Popen"),
    "network": ("__import__('socket').create_connection(('127.0.0.1', 9), 1)", "did socket."),
    "pickle": ("pickle.loads(pickle.dumps(print))", "did pickle.find_class"),
    "endless": ("while True: pass", "s of processor time"),
    "swallowed": ("endless()", "s of processor time"),
    "memory": ("b'x' * (3 << 29)", "of memory"),
}


@pytest.mark.parametrize("name", READERS)
def test_what_a_reader_must_not_do_is_seen(tmp_path, name):
    code, expected = READERS[name]
    program = f"""
        import pickle, subprocess, socket
        from pathlib import Path
        from evoprune.errors import ConfigError
        from tests.fuzz import guard
        guard.SECONDS = {2.0 if name in ("endless", "swallowed") else 20.0}
        inside, outside = Path({str(tmp_path)!r}) / "in", Path({str(tmp_path)!r}) / "out"
        inside.mkdir(), outside.mkdir()

        def endless():
            while True:
                try:
                    raise ValueError
                except Exception:
                    pass

        def read():
            {code}

        print(guard.Guard(inside).fault(read))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout, done.stdout
