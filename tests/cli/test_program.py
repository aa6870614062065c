"""What all commands have in common: shared options, exit statuses, colours, help, completion, doctor."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest
import typer

from evoprune.cli import _completion, _doctor, _names
from evoprune.cli._app import app

from .conftest import SMALL, command, environment, process, refused


def commands():
    """The words of every command, those of groups included."""
    root = typer.main.get_command(app)
    for name, found in root.commands.items():
        inner = getattr(found, "commands", None)
        yield from ([name, other] for other in inner) if inner else [[name]]


COMMANDS = [*commands()]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_examples_in_80_columns(evoprune, words):
    shown = evoprune(*words, "--help")
    assert shown.status == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    assert re.search(rf"\n  Examples?[^\n]*:\n    evoprune {' '.join(words)}", shown.out), shown.out
    for option in ("--quiet", "--debug", "--help"):
        assert shown.out.count(option) == 1


def test_examples_are_commands_that_exist(evoprune):
    """Every example names options that its command has."""
    for words in COMMANDS:
        shown = evoprune(*words, "--help").out
        examples, _, rest = shown.partition("Options:")
        for line in re.findall(r"^    (evoprune .*)$", examples, re.MULTILINE):
            for option in re.findall(r" (--?[a-z][\w-]*)", line.partition(">")[0]):
                assert re.search(rf"(^|[ ,]){option}\b", rest, re.MULTILINE), line


@pytest.mark.parametrize("place", ["before", "behind"])
def test_shared_options_stand_before_the_command_or_behind_it(evoprune, tmp_path, blobs, place):
    def run(option, *arguments):
        return evoprune(option, *arguments) if place == "before" else evoprune(*arguments, option)

    quiet = run("-q", "run", "--features", blobs, *SMALL)
    assert (quiet.status, quiet.err) == (0, "")
    # The setting is of one command alone.
    assert "stored already" in evoprune("run", "--features", blobs, *SMALL).err
    failed = run("--debug", "show", "nowhere")
    assert failed.status == 2
    assert "Traceback" in failed.err
    assert "Traceback" not in evoprune("show", "nowhere").err
    assert evoprune("cache", "list", "--quiet").status == 0


def test_exit_statuses(tmp_path, finished):
    """0 done, 2 usage or data, 3 a damaged store; 130 is tested with interrupts."""
    shutil.copytree(finished, tmp_path / "whole")
    shutil.copytree(finished, tmp_path / "cut")
    store = tmp_path / "cut" / "study.sqlite"
    store.write_bytes(store.read_bytes()[:3000])
    assert process("show", "whole", cwd=tmp_path).status == 0
    assert process("show", "whole", "--no-such-option", cwd=tmp_path).status == 2
    assert "nowhere" in refused(process("run", "nowhere", cwd=tmp_path))
    assert "damaged" in refused(process("show", "cut", cwd=tmp_path), status=3)


def test_a_mistake_is_said_before_torch_is_loaded(tmp_path, blobs):
    for arguments, words in (
        (["nowhere"], "nowhere does not exist"),
        (["--features", "nowhere.npz"], "nowhere.npz is not a file"),
        (["--features", blobs, "-b", "tiny"], "needs no backbone"),
        (["-e", "featurs"], "did you mean 'features'"),
        (["--head", "0"], "head (0,) is not possible"),
        (["--time", "soon"], "is no length of time"),
        (["--tracker", "tensorbord"], "did you mean 'tensorboard'"),
        (["-b", "resnt50"], "did you mean 'resnet50'"),
        (["-a", "gided"], "did you mean 'guided'"),
        (["--objectives", "accuracy,activ"], "did you mean 'active'"),
        (["--recipe", "papr"], "did you mean 'paper'"),
        (["--ood-score", "nks"], "OOD score 'nks' is unknown"),
    ):
        outcome = process("run", *arguments, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
        assert outcome.status == 2
        assert words in outcome.lines[-1]
        assert not re.search(r"\| +(torch|sklearn|pymoo)$", outcome.err, re.MULTILINE)


COLOUR = re.compile(r"\x1b\[[\d;]*(3\d|4\d|9\d|10\d)[\d;]*m")


def on_a_terminal(*arguments, cwd, **changes):
    """Standard output and error of a command, both of which are a terminal."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    variables = {k: v for k, v in environment(TERM="xterm-256color", **changes).items() if k != "FORCE_COLOR"}
    with subprocess.Popen(
        command(*arguments), cwd=cwd, env=variables, stdin=follower, stdout=follower, stderr=follower
    ):
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(leader)
    return shown.decode()


def test_colour_is_for_terminals_alone_and_can_be_turned_off(tmp_path, finished):
    (tmp_path / "runs" / "bad").mkdir(parents=True)
    (tmp_path / "runs" / "bad" / "config.toml").write_text("protocol =")
    coloured = on_a_terminal("list", cwd=tmp_path)
    assert "warning:" in coloured
    assert COLOUR.search(coloured)
    assert not COLOUR.search(on_a_terminal("list", cwd=tmp_path, NO_COLOR="1"))
    piped = process("list", cwd=tmp_path)
    assert "warning:" in piped.err
    assert "\x1b" not in piped.err + piped.out
    assert "\x1b" not in process("show", finished).out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_understood_by_it(evoprune, tmp_path, shell):
    script = evoprune("completion", shell)
    assert script.status == 0
    assert "_EVOPRUNE_COMPLETE" in script.out
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "script").write_text(script.out)
    assert subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=False).returncode == 0


def test_bash_completes_commands_options_and_values(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    program = tmp_path / "evoprune"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m evoprune "$@"\n')
    program.chmod(0o755)

    def completed(*words):
        line = " ".join(f"'{word}'" for word in words)
        script = (
            'eval "$(evoprune completion bash)"\n'
            f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
            '_evoprune_completion evoprune\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [bash, "-c", script], env=environment(PATH=path), capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert completed("evoprune", "me") == ["merge"]
    assert completed("evoprune", "run", "--enc") == ["--encoding"]
    assert completed("evoprune", "run", "--encoding", "f") == ["features", "first"]
    assert completed("evoprune", "run", "--objectives", "active,acc") == ["active,accuracy"]
    assert completed("evoprune", "completion", "z") == ["zsh"]


def test_offered_values_are_those_that_are_understood(monkeypatch):
    from evoprune.backbones import backbone_names
    from evoprune.errors import ConfigError
    from evoprune.experiments import get_experiment
    from evoprune.heads._encodings import ENCODINGS
    from evoprune.objectives import OBJECTIVES, OOD_SCORES
    from evoprune.search import ALGORITHMS
    from evoprune.trackers import check_tracker
    from evoprune.training import RECIPES

    assert set(_completion.ALGORITHMS) == set(ALGORITHMS)
    assert set(_completion.ENCODINGS) == set(ENCODINGS)
    assert set(_completion.RECIPES) == set(RECIPES)
    assert set(_completion.OOD_SCORES) == set(OOD_SCORES)
    assert {*_completion.OBJECTIVES, *_names.OF_VALUES} == set(OBJECTIVES)
    with pytest.raises(ConfigError) as unknown:
        get_experiment("")
    assert all(get_experiment(name) for name in _completion.EXPERIMENTS)
    assert str(unknown.value).endswith(", ".join(_completion.EXPERIMENTS))
    assert [name.removesuffix("NAME").removesuffix("FILE") for name in backbone_names()] == [*_completion.BACKBONES]
    for name in _completion.TRACKERS:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ConfigError, match=rf'pip install "evoprune\[{name}\]"'):
            check_tracker(name)


def test_doctor_says_what_is_there(evoprune, tmp_path):
    import torch

    shown = evoprune("doctor", EVOPRUNE_CACHE=str(tmp_path / "cache"))
    assert shown.status == 0
    assert shown.out.rstrip().endswith("evoprune can be used here.")
    found = json.loads(evoprune("doctor", "--json", EVOPRUNE_CACHE=str(tmp_path / "cache")).out)
    assert (found["usable"], found["problems"]) == (True, [])
    assert found["found"]["torch"] == torch.__version__
    assert found["found"]["cache"].startswith(f"{tmp_path}/cache/features: 0 files, 0.0 MB")
    assert found["found"]["cache"].endswith(", writable")
    assert not any(name.startswith("weights of") for name in found["found"])


def test_doctor_names_what_is_missing_or_broken(evoprune, monkeypatch):
    monkeypatch.setitem(_doctor.NEEDED, "no-such-package", "no_such_package")
    monkeypatch.setitem(sys.modules, "pymoo", None)
    outcome = evoprune("doctor")
    assert outcome.status == 2
    assert re.search(r"^evoprune: evoprune cannot be used here: pymoo \S+ cannot be imported", outcome.err)
    assert "no-such-package is not installed (pip install no-such-package)" in outcome.err
    assert "can be used here." not in outcome.out
    assert json.loads(evoprune("doctor", "--json").out)["usable"] is False


class _Weights(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str, str]] = []  # noqa: RUF012

    def do_HEAD(self):
        self.asked.append((self.command, self.path))
        self.send_response(404 if "absent" in self.path else 200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_doctor_asks_for_weights_only_where_told_and_downloads_none(evoprune, monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), _Weights) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        there = f"http://127.0.0.1:{server.server_port}"
        sources = {"a": f"{there}/file", "b": f"{there}/absent", "c": f"http://127.0.0.1:{closed.getsockname()[1]}/"}
        monkeypatch.setattr(_doctor, "SOURCES", sources)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert evoprune("doctor").status == 0
        assert _Weights.asked == []
        outcome = evoprune("doctor", "--network", "--json")
        server.shutdown()
    assert outcome.status == 0
    found = json.loads(outcome.out)["found"]
    assert found["weights of a"] == f"can be reached ({there}/file)"
    assert "answers 404" in found["weights of b"]
    assert "cannot be reached" in found["weights of c"]
    assert {method for method, _ in _Weights.asked} == {"HEAD"}
