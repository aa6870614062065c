"""`legacy`: the published programs' own call, with their own files (PROTOCOL, section 7)."""

from __future__ import annotations

import pytest

from evoprune.workflow import read_config

from .conftest import COLORS, refused, save_image

QUICK = ("1", "-b", "tiny", "--epochs", "2", "-n", "6")


@pytest.fixture(scope="module")
def two_folders(tmp_path_factory):
    """Training and test folder with two folds, and the line that names them."""
    root = tmp_path_factory.mktemp("published")
    for part, count in (("train", 4), ("test", 2)):
        for fold in range(2):
            for number, (name, color) in enumerate(COLORS.items()):
                for i in range(count):
                    seed = 1000 * fold + 100 * number + 10 * (part == "test") + i
                    save_image(root / "corals" / part / str(fold) / name / f"{i}.png", seed, color)
    (root / "configDataset.csv").write_text("CORALS,corals/train/,corals/test/,2,300,300,3\n")
    return root / "configDataset.csv"


@pytest.mark.parametrize(
    ("line", "encoding", "head", "search"),
    [
        ("30,first,512,512,0.07,200,1,1,7,0", "first", (512, 512), ("nam", "uniform", (0.0, 1.0))),
        ("30,second,512,512,0.07,200,0,0,3,0", "second", (512, 512), ("roulette", "one-point", (0.5, 0.5))),
        ("30,2048,512,512,0.07,300,1,1,7,0", "both", (512, 512), ("nam", "uniform", (0.0, 1.0))),
        ("30,first,2048,512,0.07,200,1,1,6,0", "features", (512,), ("nam", "uniform", (0.3, 0.7))),
        ("30,first,512,512,0.07,200,1,1,7,1", "connections", (512, 512), ("nam", "uniform", (0.0, 1.0))),
    ],
)
def test_every_single_objective_line_runs_with_folds(evoprune, tmp_path, two_folders, line, encoding, head, search):
    (tmp_path / "configGA.csv").write_text(f"{line}\n")
    run = evoprune("legacy", two_folders, "configGA.csv", *QUICK)
    assert run.status == 0, run.err
    assert "2 folds" in run.err
    assert "(paper protocol)" in run.out
    assert ("active connections" if encoding == "connections" else "active neurons") in run.out
    config = read_config(tmp_path / "runs" / "CORALS-configGA-1" / "config.toml")
    assert (config.encoding, config.head, config.protocol, config.seed) == (encoding, head, "paper", 1)
    # With other epochs it is not the published recipe, and is not called so.
    assert (config.recipe.name, config.search.population) == ("paper, changed", 30)
    assert (config.search.selection, config.search.crossover, config.search.initial_density) == search


def test_the_numbers_of_the_files_are_the_default(evoprune, tmp_path, monkeypatch, two_folders):
    started = []
    monkeypatch.setattr("evoprune.cli._legacy.start", lambda config, output, as_json: started.append((config, output)))
    (tmp_path / "configGA.csv").write_text("30,2048,512,512,0.07,300,1,1,7,0\n")
    assert evoprune("legacy", two_folders, "configGA.csv", "3", "-b", "tiny").status == 0
    ((config, output),) = started
    assert (config.evaluations, config.seed, config.recipe.name, config.recipe.epochs) == (300, 3, "paper", 600)
    assert output.parts == ("runs", "CORALS-configGA-3")


def test_a_run_is_resumed_by_its_folder(evoprune, tmp_path, two_folders):
    (tmp_path / "ga.csv").write_text("30,first,2048,512,0.07,200,1,1,7,0\n")
    assert evoprune("legacy", two_folders, "ga.csv", *QUICK, "-o", "run").status == 0
    assert "6 of 8 evaluations stored already" in evoprune("resume", "run", "-n", "8").err


def test_what_cannot_be_run_is_refused(evoprune, tmp_path, two_folders):
    (tmp_path / "mo.csv").write_text("30,first,2048,512,-1,200,0,1,1,0\n")
    assert "add a line for each of the others" in refused(evoprune("legacy", two_folders, "mo.csv", *QUICK))
    (tmp_path / "bad.csv").write_text("30,third,512,512,0.07,200,1,1,7,0\n")
    assert "bad.csv, line 1: layer is 'third'" in refused(evoprune("legacy", two_folders, "bad.csv", *QUICK))
    assert "nowhere.csv cannot be read" in refused(evoprune("legacy", two_folders, "nowhere.csv", *QUICK))
    (tmp_path / "ga.csv").write_text("30,first,512,512,0.07,200,1,1,7,0\n")
    wrong = tmp_path / "data.csv"
    wrong.write_text(f"X,{two_folders.parent}/corals/train/,{two_folders.parent}/corals/test/,2,300,300,5\n")
    assert "has 3 classes" in refused(evoprune("legacy", wrong, "ga.csv", *QUICK))
    wrong.write_text("X,no/train/,no/test/,1,300,300,5\n")
    assert "does not exist" in refused(evoprune("legacy", wrong, "ga.csv", *QUICK))
    assert not list(tmp_path.glob("runs/*"))


def test_a_multi_objective_line_takes_the_other_data_sets_as_out_of_distribution(evoprune, tmp_path, two_folders):
    root = two_folders.parent
    for number, name in enumerate(("dark", "light")):
        for part, count in (("train", 2), ("test", 4)):
            for i in range(count):
                seed = 9000 + 100 * number + 10 * (part == "test") + i
                save_image(root / "walls" / part / name / f"{i}.png", seed, (70 * number, 70, 140))
    lines = two_folders.read_text() + "WALLS,walls/train/,walls/test/,1,300,300,2\n"
    (root / "configBoth.csv").write_text(lines)
    (tmp_path / "mo.csv").write_text("6,first,2048,512,-1,200,0,1,1,0\n")
    run = evoprune("legacy", root / "configBoth.csv", "mo.csv", *QUICK)
    assert run.status == 0, run.err
    assert "out of distribution: test, 8 rows" in run.err
    config = read_config(tmp_path / "runs" / "CORALS-mo-1" / "config.toml")
    assert (config.objectives, config.algorithm) == (("accuracy", "active", "ood"), "nsga2")
    assert (config.encoding, config.head, config.ood_score, config.protocol) == ("features", (512,), "odin", "paper")
    assert evoprune("front", "runs/CORALS-mo-1").status == 0
    other = evoprune("legacy", root / "configBoth.csv", "mo.csv", *QUICK, "--dataset", "WALLS")
    assert other.status == 0, other.err
    assert "out of distribution: 0, 6 rows" in other.err
