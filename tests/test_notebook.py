"""The example notebook: its cells run in their order, and it holds what they gave."""

from __future__ import annotations

import json
import re

import pytest
from matplotlib import pyplot

from tests.documents import ROOT

PATH = ROOT / "examples" / "notebook.ipynb"
CELLS = json.loads(PATH.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def texts(cell):
    """What a cell printed or returned, as text."""
    for output in cell["outputs"]:
        for kind, content in output.get("data", {"text/plain": output.get("text", "")}).items():
            if kind.startswith("text/"):
                yield kind, "".join(content)


def test_it_was_run_from_top_to_bottom_without_an_error():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert all(cell["outputs"] for cell in CODE)
    assert {output["output_type"] for cell in CODE for output in cell["outputs"]} <= {"execute_result", "display_data"}
    assert sum("image/png" in output.get("data", {}) for cell in CODE for output in cell["outputs"]) == 2


def test_it_is_small_and_knows_no_machine():
    assert PATH.stat().st_size < 500_000
    for cell in CODE:
        for kind, text in texts(cell):
            assert not re.search(r"(?<![\w<])/(home|root|tmp|work|Users|usr)\b|[A-Z]:\\", text), text
            assert kind != "text/html" or "<script" not in text


def test_its_tables_agree_with_each_other():
    html = ["".join(text) for cell in CODE for kind, text in texts(cell) if kind == "text/html"]
    study, result, front, chosen, run = html
    assert "runs/notebook" in study
    members = re.findall(r">●?(\d+)</td>", front)
    assert len(members) > 1
    (evaluations,) = re.findall(r"(\d+) evaluations in", result)
    assert f"evaluations={evaluations}" in "".join(CODE[2]["source"])
    assert re.search(r"384 → 128 → 10", study)
    for model in (chosen, run):
        read = int(re.search(r">(\d+) of 384<", model)[1])
        assert f">{read}</td>" in front


def test_its_cells_run(tmp_path, monkeypatch):
    """With fewer evaluations."""
    monkeypatch.chdir(tmp_path)
    pyplot.switch_backend("agg")
    names: dict[str, object] = {}
    for cell in CODE:
        source = "".join(cell["source"]).replace("evaluations=60", "evaluations=12")
        exec(compile(source, str(PATH), "exec"), names)  # noqa: S102
    assert len(pyplot.get_fignums()) == 2
    assert (tmp_path / "runs" / "notebook" / "model" / "model.json").is_file()
    assert names["result"].evaluations == 12
    pyplot.close("all")


@pytest.mark.slow
def test_jupyter_runs_it(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, after in zip(CODE, (c for c in notebook.cells if c.cell_type == "code"), strict=True):
        kinds = [sorted(output.get("data", {})) for output in before["outputs"]]
        assert [sorted(output.get("data", {})) for output in after["outputs"]] == kinds
