"""Every published form of a configuration line, and every refusal with its sentence."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import (
    BothLayersSearch,
    GeneticSettings,
    MultiObjectiveSearch,
    OneLayerSearch,
    PublishedDataset,
    parse_dataset_csv,
    parse_search_csv,
)
from evoprune.errors import ConfigError, DataError

NAM = GeneticSettings(30, 0.07, 200, "nam", "uniform", (0.0, 1.0), connections=False)


@pytest.fixture
def write(tmp_path):
    def to_file(text, name="config.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return to_file


def test_data_set_line(write):
    assert parse_dataset_csv(write("RPS,rps/train/,rps/test/,1,300,300,3")) == [
        PublishedDataset("RPS", "rps/train/", "rps/test/", 1, 300, 300, 3)
    ]


def test_several_lines_with_header_blanks_spaces_and_mark(write):
    header = "\ufeffname,train,test,folds,height,width,classes\r\n"
    text = f"{header}\r\n A , a/ , b/ ,5, 10,20 ,2\r\n , ,\nB,c,d,1,1,2,3\n"
    assert parse_dataset_csv(write(text)) == [
        PublishedDataset("A", "a/", "b/", 5, 10, 20, 2),
        PublishedDataset("B", "c", "d", 1, 1, 2, 3),
    ]


def test_folders_beside_the_file_go_first(write, tmp_path):
    for folder in ("one/train", "one/test", "five/train/0", "five/test0"):
        (tmp_path / folder).mkdir(parents=True)
    text = "A,one/train/,nowhere/,1,1,1,2\nB,five/train/,five/test,5,1,1,2\nC,/absolute/,one/test/,1,1,1,2"
    one, five, absolute = parse_dataset_csv(write(text))
    assert (one.train_dir, one.test_dir) == (f"{tmp_path}/one/train/", "nowhere/")
    assert (five.train_dir, five.test_dir) == (f"{tmp_path}/five/train/", f"{tmp_path}/five/test")
    assert (absolute.train_dir, absolute.test_dir) == ("/absolute/", f"{tmp_path}/one/test/")


@pytest.mark.parametrize("folds", [1, 3])
def test_a_line_is_loaded(write, make_folder, folds):
    inner = [""] if folds == 1 else [f"{n}/" for n in range(folds)]
    make_folder({f"{part}/{fold}{c}": 2 for part in ("train", "test") for fold in inner for c in "ab"})
    (data_set,) = parse_dataset_csv(write(f"MINE,data/train/,data/test/,{folds},8,8,2"))
    image_set = data_set.load()
    assert image_set.name == "MINE"
    assert image_set.class_names == ("a", "b")
    assert len(image_set.divisions) == folds
    assert all(len(division.test) == 4 for division in image_set.divisions)
    assert np.bincount(image_set.labels).tolist() == [4 * folds, 4 * folds]


def test_another_number_of_classes_is_refused(write, make_folder):
    make_folder({f"{part}/{c}": 1 for part in ("train", "test") for c in "ab"})
    (data_set,) = parse_dataset_csv(write("MINE,data/train/,data/test/,1,8,8,3"))
    with pytest.raises(
        DataError, match=r"MINE has 2 classes in .*data/train/ \(a, b\), but its configuration line says 3"
    ):
        data_set.load()


def test_one_layer_line(write):
    assert parse_search_csv(write("30,first,512,512,0.07,200,1,1,7,0")) == OneLayerSearch("first", 512, 512, NAM)


def test_both_layers_line(write):
    expected = BothLayersSearch(2048, 512, 512, GeneticSettings(30, 0.07, 300, "nam", "uniform", (0.0, 1.0), False))
    search = parse_search_csv(write("30,2048,512,512,0.07,300,1,1,7,0"))
    assert search == expected
    assert search.encoding_for(1280) == "both"
    assert search.hidden_for(1280) == (512, 512)


def test_multi_objective_line(write):
    assert parse_search_csv(write("30,first,2048,512,-1,200,0,1,1,0")) == MultiObjectiveSearch(
        population=30, kind="features", input_width=2048, first=512, second=None, evaluations=200,
        connections=False, hidden_layers=1, which_sparse=1, both_sparse=False,
    )  # fmt: skip


def test_multi_objective_line_of_two_layers(write):
    assert parse_search_csv(write("30,second,2048,512,256,200,1,2,2,1")) == MultiObjectiveSearch(
        population=30, kind="pruning", input_width=2048, first=512, second=256, evaluations=200,
        connections=True, hidden_layers=2, which_sparse=2, both_sparse=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "share"),
    [
        (1, (0.3, 0.3)),
        (2, (0.4, 0.4)),
        (3, (0.5, 0.5)),
        (4, (0.6, 0.6)),
        (5, (0.7, 0.7)),
        (6, (0.3, 0.7)),
        (7, (0.0, 1.0)),
    ],
)
def test_initial_shares(write, number, share):
    assert parse_search_csv(write(f"30,second,512,512,1,200,0,0,{number},1")).genetic == GeneticSettings(
        30, 1.0, 200, "roulette", "one-point", share, connections=True
    )


@pytest.mark.parametrize(
    ("line", "width", "encoding", "hidden"),
    [
        ("30,first,512,512,0.07,200,1,1,7,0", 2048, "first", (512, 512)),
        ("30,second,512,512,0.07,200,1,1,7,0", 2048, "second", (512, 512)),
        ("30,first,2048,512,0.07,200,1,1,7,0", 2048, "features", (512,)),
        # The published line on another backbone, and a line written for another backbone.
        ("30,first,2048,512,0.07,200,1,1,7,0", 1280, "features", (512,)),
        ("30,first,1280,512,0.07,200,1,1,7,0", 1280, "features", (512,)),
        # VGG-19: nothing tells feature selection from the first layer.
        ("30,first,512,512,0.07,200,1,1,7,0", 512, "first", (512, 512)),
        ("30,first,256,128,0.07,200,1,1,7,0", 2048, "first", (256, 128)),
        ("30,second,256,128,0.07,200,1,1,7,0", 2048, "second", (128, 256)),
        ("30,first,512,512,0.07,200,1,1,7,1", 2048, "connections", (512, 512)),
        ("30,first,2048,512,0.07,200,1,1,7,1", 2048, "connections", (512,)),
    ],
)
def test_encoding_and_head_of_one_layer(write, line, width, encoding, hidden):
    search = parse_search_csv(write(line))
    assert search.encoding_for(width) == encoding
    assert search.hidden_for(width) == hidden


def test_connections_of_both_layers_have_no_encoding(write):
    search = parse_search_csv(write("30,2048,512,512,0.07,300,1,1,7,1"))
    with pytest.raises(ConfigError, match=r"type 1 \(connections\) of both layers, on 2048 features, is not supported"):
        search.encoding_for(2048)


def test_header_of_a_search_file(write):
    header = "population,layer,chromosome,next_layer,p_mutation,max_evaluations,selection,crossover,init,type"
    assert isinstance(parse_search_csv(write(f"{header}\n30, FIRST ,512,512,0.07,200,1,1,7,0\n\n")), OneLayerSearch)


ONE = "population,layer,chromosome,next_layer,p_mutation,max_evaluations,selection,crossover,init,type"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1,first,512,512,0.07,200,1,1,7,0", r"population is '1'; it must be an integer, 2 or more"),
        ("x,first,512,512,0.07,200,1,1,7,0", r"population is 'x'; it must be an integer"),
        ("30,third,512,512,0.07,200,1,1,7,0", r"layer is 'third'; it must be 'first' or 'second'"),
        ("30,,512,512,0.07,200,1,1,7,0", r"layer is ''; it must be a value"),
        ("30,first,5.5,512,0.07,200,1,1,7,0", r"chromosome is '5\.5'; it must be an integer, 1 or more"),
        ("30,first,512,0,0.07,200,1,1,7,0", r"next_layer is '0'"),
        ("30,first,512,512,often,200,1,1,7,0", r"p_mutation is 'often'; it must be a number, 0 to 1"),
        ("30,first,512,512,nan,200,1,1,7,0", r"p_mutation is 'nan'"),
        ("30,first,512,512,0.07,0,1,1,7,0", r"max_evaluations is '0'"),
        ("30,first,512,512,0.07,200,2,1,7,0", r"selection is '2'; it must be an integer, 0 to 1"),
        ("30,first,512,512,0.07,200,1,2,7,0", r"crossover is '2'"),
        ("30,first,512,512,0.07,200,1,1,8,0", r"init is '8'; it must be an integer, 1 to 7"),
        ("30,first,512,512,0.07,200,1,1,7,2", r"type is '2'"),
        ("30,2048,512,512,1.5,300,1,1,7,0", r"p_mutation is '1\.5'; it must be a number, 0 to 1"),
        ("30,0,512,512,0.07,300,1,1,7,0", r"input_width is '0'"),
        ("30,first,2048,512,1.5,200,0,1,1,0", r"second is '1\.5'; it must be an integer, -1 or more"),
        ("30,first,2048,512,-1,200,0,3,1,0", r"hidden_layers is '3'; it must be an integer, 1 to 2"),
        ("30,first,2048,512,-1,200,2,1,1,0", r"neurons\|connections is '2'"),
        ("30,first,512,512", r"4 value\(s\), but 10 are expected, separated by commas: population,layer"),
        ("30;first;512", r"1 value\(s\), but 10 are expected"),
    ],
)
def test_bad_search_lines(write, line, sentence):
    with pytest.raises(ConfigError, match=rf"config\.csv, line 2: {sentence}") as caught:
        parse_search_csv(write(f"{ONE}\n{line}\n"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("A,,b,1,1,1,2", r"train_dir is ''; it must be a value"),
        ("A,a,b,0,1,1,2", r"folds is '0'; it must be an integer, 1 or more"),
        ("A,a,b,1,-3,1,2", r"height is '-3'"),
        ("A,a,b,1,1,1,1", r"classes is '1'; it must be an integer, 2 or more"),
        ("A,a,b,1,1,1", r"6 value\(s\), but 7 are expected, separated by commas: name,train_dir"),
        ("A,a,b,one,1,1,2", r"folds is 'one'"),
    ],
)
def test_bad_data_set_lines(write, line, sentence):
    with pytest.raises(ConfigError, match=rf"config\.csv, line 3: {sentence}"):
        parse_dataset_csv(write(f"\nB,a,b,1,1,1,2\n{line}"))


def test_two_search_lines(write):
    line = "30,first,512,512,0.07,200,1,1,7,0\n"
    with pytest.raises(ConfigError, match=r"config\.csv has 2 configuration lines, but a search has one"):
        parse_search_csv(write(line * 2))


@pytest.mark.parametrize("text", ["", "\n\n", "name,train,test,folds,height,width,classes\n"])
def test_files_without_a_line(write, text):
    with pytest.raises(ConfigError, match=r"config\.csv holds no configuration line; expected name,train_dir"):
        parse_dataset_csv(write(text))


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv cannot be read: no such file or directory"):
        parse_search_csv(tmp_path / "none.csv")


def test_not_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match=r"a\.csv is not a CSV file in UTF-8"):
        parse_dataset_csv(tmp_path / "a.csv")


def test_a_value_of_any_length_is_named_in_a_short_sentence(tmp_path):
    path = tmp_path / "search.csv"
    path.write_text(f"30,first,{'9' * 100_000}x,512,0.07,200,1,1,7,0\n")
    with pytest.raises(ConfigError) as raised:
        parse_search_csv(path)
    assert len(str(raised.value)) < 500 + len(str(path))
