"""The table of the experiment `sparsity`, opened again."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from evoprune.errors import ConfigError, StorageError
from evoprune.experiments import load_sparsity
from evoprune.report import plot_sparsity

TABLE = """dataset,encoding,protocol,method,seed,share,active_share,validation_accuracy,test_accuracy
leaves,features,nested,guided,0,0.5,0.5,0.9,0.81
leaves,features,nested,guided,1,0.5,0.4,0.9,0.86
leaves,features,nested,guided,0,0.1,0.1,0.8,0.72
leaves,features,nested,guided,1,0.1,0.1,0.8,0.75
leaves,features,nested,random,0,0.1,0.1,0.5,0.55
leaves,features,nested,random,1,0.1,0.1,,nan
leaves,features,nested,weird,0,0.1,0.1,,
leaves,features,nested,dense,0,1.0,1.0,0.9,0.88
leaves,features,nested,dense,1,1.0,1.0,0.9,0.90
roots,features,nested,guided,0,0.1,0.1,0.3,0.31
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sparsity.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path


def test_curves_are_means_and_standard_deviations_over_seeds_as_pandas_has_them(folder):
    table = load_sparsity(folder)
    groups = pd.read_csv(StringIO(TABLE)).groupby(["dataset", "method", "share"])["test_accuracy"]
    for (dataset, method, share), values in groups:
        if method == "dense":
            assert table.dense(dataset) == pytest.approx((values.mean(), values.std()))
            continue
        curve = table.curve(dataset, method)
        (at,) = np.flatnonzero(curve.shares == share)
        assert curve.mean[at] == pytest.approx(values.mean(), nan_ok=True)
        assert curve.std[at] == pytest.approx(values.std(), nan_ok=True)
    assert table.curve("leaves", "guided").shares.tolist() == [0.1, 0.5]
    assert table.curve("leaves", "guided").seeds == 2


def test_shares_that_only_the_guided_search_is_read_at_are_in_no_curve(tmp_path):
    """They are there for the smallest share that is as good as all features, and no other method has them."""
    finer = "leaves,features,nested,guided,0,0.2,0.2,0.8,0.9\nleaves,features,nested,random,0,0.5,0.5,0.6,0.6\n"
    (tmp_path / "sparsity.csv").write_text(TABLE + finer, encoding="utf-8")
    table = load_sparsity(tmp_path)
    assert table.curve("leaves", "guided").shares.tolist() == [0.1, 0.5]
    assert len(table.rows) == len(TABLE.splitlines()) + 1
    alone = [line for line in (TABLE + finer).splitlines() if "random" not in line and "weird" not in line]
    (tmp_path / "sparsity.csv").write_text("\n".join(alone), encoding="utf-8")
    assert load_sparsity(tmp_path).curve("leaves", "guided").shares.tolist() == [0.1, 0.2, 0.5]


def test_it_says_what_it_holds(folder):
    table = load_sparsity(str(folder))
    assert table.datasets == ("leaves", "roots")
    assert (table.protocol, table.encoding) == ("nested", "features")
    assert table.methods("leaves") == ("guided", "random", "weird")
    assert list(table.curves("leaves")) == ["guided search", "random mask", "weird"]
    assert table.dense("roots") is None
    assert len(table.rows) == len(TABLE.splitlines()) - 1


def test_its_curves_are_what_the_figure_takes(folder):
    table = load_sparsity(folder)
    drawn = plot_sparsity(table.curves("leaves"), table.dense("leaves"), axes=Figure().subplots())
    lines = {line.get_label(): line for line in drawn.get_lines()}
    assert lines["guided search"].get_xdata().tolist() == [10, 50]
    assert lines["guided search"].get_ydata() == pytest.approx([73.5, 83.5])
    assert lines["not pruned"].get_ydata() == pytest.approx([89.0, 89.0])


def test_names_that_it_does_not_have_are_refused(folder):
    table = load_sparsity(folder)
    with pytest.raises(ConfigError, match=r"has no data set 'leafs'; choose among leaves, roots"):
        table.curves("leafs")
    with pytest.raises(ConfigError, match=r"has no method 'dense'; choose among guided, random, weird"):
        table.curve("leaves", "dense")


@pytest.mark.parametrize(
    "text",
    ["", TABLE.splitlines()[0], "dataset,method\na,b\n", TABLE + "roots,features,nested,guided,0,half,,,\n", "\xff"],
)
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path, text):
    (tmp_path / "sparsity.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"sparsity\.csv (cannot be read|has no rows).*; run the experiment again"):
        load_sparsity(tmp_path)


def test_a_folder_without_the_table_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"holds no sparsity\.csv; name a folder that"):
        load_sparsity(tmp_path / "nowhere")
