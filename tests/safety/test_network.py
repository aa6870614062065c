"""No telemetry, and nothing is downloaded: whole commands with a network that is not there."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_NETWORK = """
import socket, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        print(f"the network was asked: {event} {arguments}", file=sys.stderr)
        raise OSError("there is no network")

sys.addaudithook(refuse)
from evoprune.cli import main
sys.argv = ["evoprune", *sys.argv[1:]]
main()
"""


def test_a_run_a_report_and_a_prediction_ask_no_network(tmp_path):
    def done(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_NETWORK, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    small = ("-n", "4", "--epochs", "1", "--head", "4", "--report-seeds", "1", "--population", "4")
    for words in (
        ("run", "digits", *small, "-o", "run"),
        ("report", "run"),
        ("export", "run", "-o", "model.onnx"),
        ("doctor",),
    ):
        outcome = done(*words)
        assert outcome.returncode == 0, outcome.stderr
        assert "the network was asked" not in outcome.stderr
    image = tmp_path / "image.png"
    from PIL import Image

    Image.new("RGB", (20, 20), "red").save(image)
    outcome = done("predict", "model.onnx", str(image))
    assert outcome.returncode == 0, outcome.stderr
    assert "the network was asked" not in outcome.stderr
