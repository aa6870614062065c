"""`front`, `select`, `merge` and `--runs`, and out-of-distribution images on the command line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from evoprune.workflow import read_config

from .conftest import SMALL, refused, save_image

FRONT = ("--objectives", "accuracy,active", *SMALL)


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """A folder of images that belong to no class, nested and flat."""
    root = tmp_path_factory.mktemp("others") / "strangers"
    for i in range(6):
        save_image(root / "yellow" / f"{i}.png", 500 + i, (150, 150, 0))
        save_image(root / "deep" / "white" / f"{i}.png", 600 + i, (150, 150, 150))
    return root


def front(evoprune, run):
    outcome = evoprune("front", run, "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def test_three_objectives_from_images_to_a_chosen_model(evoprune, pictures, others):
    settings = ("--objectives", "accuracy,active,ood", "--ood", others, *SMALL)
    run = evoprune("run", pictures, *settings)
    assert run.status == 0, run.err
    assert "out of distribution: strangers, 12 rows (6 for the search, 6 for the report)" in run.err
    assert "test OOD AUROC" in run.out
    found = front(evoprune, "runs/pictures")
    assert [o["name"] for o in found["objectives"]] == ["accuracy", "active", "ood"]
    for member in found["members"]:
        assert {"accuracy", "active", "ood"} <= member["validation"].keys() & member["test"].keys()
        assert member["active_share"] == pytest.approx(member["active_neurons"] / 384)
    table = evoprune("front", "runs/pictures").out
    assert all(len(line) <= 80 for line in table.splitlines())
    assert "Hypervolume" in table
    smallest = min(found["members"], key=lambda m: m["active_neurons"])
    chosen = evoprune("select", "runs/pictures", "--min", "active")
    assert chosen.status == 0, chosen.err
    assert f"Model of evaluation {smallest['id']}: " in chosen.out
    assert front(evoprune, "runs/pictures")["chosen"] == smallest["id"]
    shown = json.loads(evoprune("show", "runs/pictures", "--json").out)
    assert (shown["best"]["id"], shown["chosen_by"]) == (smallest["id"], "lowest active")
    assert evoprune("predict", "runs/pictures", pictures / "red" / "0.png").status == 0
    again = evoprune("run", pictures, *settings)
    assert "12 of 12 evaluations stored already" in again.err
    assert "chosen: lowest active." in again.out


def test_a_class_held_out_is_the_out_of_distribution_set(evoprune, pictures):
    run = evoprune("run", pictures, "--objectives", "accuracy,ood", "--ood", "class:green", *SMALL)
    assert run.status == 0, run.err
    assert "2 classes" in run.err
    assert "out of distribution: class:green, 10 rows" in run.err


@pytest.mark.parametrize("objective", ["corruption", "f1", "balanced_accuracy", "calibration"])
def test_every_objective_of_images_can_be_searched_for(evoprune, pictures, objective):
    run = evoprune("run", pictures, "--objectives", f"accuracy,{objective}", *SMALL)
    assert run.status == 0, run.err
    assert all(0 <= m["test"][objective] <= 1 for m in front(evoprune, "runs/pictures")["members"])


def test_corruption_goes_with_inner_folds(evoprune, pictures):
    run = evoprune("run", pictures, "--objectives", "corruption,active", "--folds", "2", *SMALL)
    assert run.status == 0, run.err


@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3", "spea2", "random"])
def test_every_algorithm_gives_a_front(evoprune, blobs, algorithm):
    assert evoprune("run", "--features", blobs, *FRONT, "-a", algorithm).status == 0
    assert front(evoprune, "runs/blobs")["members"]


def test_several_seeds_share_their_splits_and_are_merged(evoprune, tmp_path, blobs):
    run = evoprune("run", "--features", blobs, *FRONT, "--runs", "3", "--seed", "4")
    assert run.status == 0, run.err
    assert "Mean ± standard deviation over 3 runs." in run.out
    configs = [read_config(tmp_path / "runs" / "blobs" / f"seed-{s}" / "config.toml") for s in (4, 5, 6)]
    assert [(c.seed, c.split_seed) for c in configs] == [(4, 4), (5, 4), (6, 4)]
    merged = front(evoprune, "runs/blobs/merged")
    points = np.array([[m["values"]["accuracy"], -m["values"]["active"]] for m in merged["members"]])
    for seed in (4, 5, 6):
        for member in front(evoprune, f"runs/blobs/seed-{seed}")["members"]:
            own = [member["values"]["accuracy"], -member["values"]["active"]]
            assert (points >= own).all(axis=1).any()
    by_hand = evoprune("merge", "runs/blobs", "-o", "mine", "--json")
    assert (
        json.loads(by_hand.out)["front"]
        == json.loads((tmp_path / "runs/blobs/merged/merged.json").read_text())["front"]
    )
    assert evoprune("list").out.count("seed-") == 3
    longer = evoprune("resume", "runs/blobs", "-n", "14", "--json")
    assert [r["evaluations"] for r in json.loads(longer.out)["runs"]] == [14, 14, 14]


def test_connections_are_searched_from_initial_weights_of_the_runs_own(evoprune, tmp_path, blobs):
    quick = ("--head", "8", "--epochs", "3", "-n", "12", "--report-seeds", "2", "--seed", "4")
    run = evoprune("run", "--features", blobs, "--encoding", "connections", *quick, "--runs", "2")
    assert run.status == 0, run.err
    configs = [read_config(tmp_path / "runs" / "blobs" / f"seed-{s}" / "config.toml") for s in (4, 5)]
    assert [(c.recipe.initial_seed, c.folds) for c in configs] == [(4, 1), (5, 1)]
    assert evoprune("resume", "runs/blobs", "-n", "14").status == 0
    # The same command goes on; another first seed is no other setting.
    again = evoprune("run", "--features", blobs, "--encoding", "connections", *quick, "--runs", "3")
    assert again.status == 0, again.err
    assert evoprune("run", "--features", blobs, *quick, "-o", "features").status == 0
    config = read_config(tmp_path / "features" / "config.toml")
    assert (config.recipe.initial_seed, config.folds) == (None, 3)


def test_several_seeds_of_one_objective_have_no_front(evoprune, blobs):
    run = evoprune("run", "--features", blobs, *SMALL, "--runs", "2")
    assert run.status == 0, run.err
    assert "Mean ± standard deviation over 2 runs." in run.out
    assert "Hypervolume" not in run.out


def test_runs_with_other_splits_are_merged_with_a_warning(evoprune, blobs):
    for seed in ("0", "1"):
        assert evoprune("run", "--features", blobs, *FRONT, "--seed", seed, "-o", f"r{seed}").status == 0
    merged = evoprune("merge", "r0", "r1", "-o", "merged")
    assert merged.status == 0
    assert "different validation images" in merged.err


def test_what_cannot_be_chosen_or_merged_is_refused(evoprune, blobs, tmp_path):
    assert evoprune("run", "--features", blobs, *FRONT, "-o", "two").status == 0
    assert evoprune("run", "--features", blobs, *SMALL, "-o", "one").status == 0
    assert "searched for one objective (accuracy)" in refused(evoprune("front", "one"))
    assert "nothing says which member" in refused(evoprune("select", "two"))
    assert "less is better; give --min active" in refused(evoprune("select", "two", "--max", "active"))
    assert "give --min active_neurons" in refused(evoprune("select", "two", "--max", "active_neurons"))
    assert "cannot be read; give it like" in refused(evoprune("select", "two", "--weights", "accuracy"))
    assert "cannot be merged with" in refused(evoprune("merge", "two", "one", "-o", "m"))
    assert "holds no run" in refused(evoprune("merge", "two", "three", "-o", "m"))
    assert evoprune("merge", "two", "-o", "m").status == 0
    assert "select in the run that the member comes from" in refused(evoprune("select", "m", "--knee"))
    assert "two holds a run; give another --output folder" in refused(
        evoprune("run", "--features", blobs, *FRONT, "--runs", "2", "-o", "two")
    )
    assert "needs out-of-distribution images; give --ood" in refused(
        evoprune("run", "--features", blobs, "--objectives", "accuracy,ood", "-o", "x")
    )
    assert "odin" in refused(evoprune("run", "--features", blobs, *FRONT, "--ood-score", "odi", "-o", "x"))
    assert not (tmp_path / "x").exists()
    assert "did you mean 25%?" in refused(evoprune("select", "two", "--max", "accuracy", "--where", "active<25"))
    assert "two holds a run" in refused(evoprune("merge", "two", "-o", "two"))
    assert "two holds a run" in refused(
        evoprune("experiment", "sparsity", "--features", blobs, "--methods", "random", "--head", "8", "-o", "two")
    )
    assert evoprune("run", "--features", blobs, *FRONT, "--runs", "1", "-o", "several").status == 0
    assert "several holds several runs" in refused(evoprune("run", "--features", blobs, *FRONT, "-o", "several"))
    assert "such as seed-0 or merged" in refused(evoprune("show", "several"))
    assert "`evoprune front` shows it" in refused(evoprune("show", "several/merged"))
    shutil.copytree("two", "copy")
    assert "so it adds nothing" in refused(evoprune("merge", "two", "copy", "-o", "n"))


def test_foreign_images_within_the_data_folder_are_refused(evoprune, pictures):
    outcome = evoprune("run", pictures, "--objectives", "accuracy,ood", "--ood", pictures / "red", *SMALL)
    assert "hold the class out with class:NAME" in refused(outcome)
