"""Fuzzing of configurations: TOML files of run folders, and the published programs' lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evoprune.data import parse_dataset_csv, parse_search_csv
from evoprune.errors import ConfigError
from evoprune.workflow import RunConfig, RunFolder, read_config, read_settings, read_status

from .material import Material
from .mutations import changed, mutated
from .target import Target, or_sentence

_TOML_WORDS = (
    b"[", b"]", b"[[", b'"', b"'''", b"=", b"\n", b"#", b"{", b"}", b"1e999", b"nan", b"-inf", b"0x", b"9" * 5000,
    b"[" * 5000, b"1979-05-27", b"true", b"\\u0000", b"\xff", b"\xef\xbb\xbf", b"a.b.c", b"[recipe]\n",
)  # fmt: skip


def configurations(whole: Material) -> Iterator[Target]:
    config = read_config(whole.run / "config.toml")
    texts = [(whole.run / "config.toml").read_bytes(), RunConfig(data="d", kind="images").to_toml().encode()]

    def read_text(data: bytes, folder: Path) -> None:
        path = folder / "config.toml"
        path.write_bytes(data)
        for read in (lambda: read_settings(RunFolder(folder)), lambda: _written_again(read_config(path), folder)):
            or_sentence(read)
        read_status(RunFolder(folder))

    def read_settings_of(text: str, folder: Path) -> None:
        try:
            settings = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError("no settings") from error
        if not isinstance(settings, dict):
            raise ConfigError("no settings")
        import tomli_w

        try:
            written = tomli_w.dumps(_without_none(settings))
        except (TypeError, ValueError, UnicodeEncodeError) as error:
            raise ConfigError(f"what TOML cannot hold: {error}") from error
        path = folder / "config.toml"
        path.write_bytes(written.encode("utf-8", "surrogatepass"))
        read_again = read_config(path)
        _written_again(read_again, folder)
        config.differences(read_again)

    yield Target("configuration (TOML), bytes", mutated(texts, _TOML_WORDS), read_text, 10)
    seeds = [config.model_dump(mode="json"), {**config.model_dump(mode="json"), "early_stopping": None}]
    yield Target("configuration, fields", changed(seeds), read_settings_of, 10)


def _written_again(config: RunConfig, folder: Path) -> None:
    """What was read can be written, and is then the same."""
    path = folder / "again.toml"
    config.write(path)
    again = read_config(path)
    if again != config or again.identity() != config.identity():
        raise AssertionError(f"{config!r} came back as {again!r}")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value if item is not None] if isinstance(value, list) else value


DATASETS = (
    b"SPAIN,train/,test/,1,224,224,3", b"NAME,data/train/fold,data/test/fold,5,32,32,10\n\nB,a,b,1,1,1,2",
    b"name,train_dir,test_dir,folds,height,width,classes\nX,./a,../b,1,8,8,2\n",
)  # fmt: skip
SEARCHES = (
    b"30,first,2048,512,0.07,200,1,1,7,0", b"30,2048,512,512,0.07,200,0,0,1,0", b"100,first,2048,512,-1,200,0,1,1,0",
    b"100,second,2048,512,512,200,0,2,1,1", b"30,second,512,512,0.07,200,1,1,7,1\n",
)  # fmt: skip
_CSV_WORDS = (
    b",", b'"', b"\n", b"\r", b"\x00", b"-1", b"1e999", b"nan", b"9" * 5000, b"\xff", b"\xef\xbb\xbf", b" ", b"first",
    b"second", b"0", b"\xe2\x91\xa0", b"x" * 140_000, b"../..", b"/", b"a" * 300,
)  # fmt: skip


def published() -> Iterator[Target]:
    def read_datasets(data: bytes, folder: Path) -> None:
        path = folder / "data.csv"
        path.write_bytes(data)
        for found in parse_dataset_csv(path):
            if found.folds < 1000:
                or_sentence(found.load)
                or_sentence(found.test_folder)

    def read_search(data: bytes, folder: Path) -> None:
        path = folder / "search.csv"
        path.write_bytes(data)
        line = parse_search_csv(path)
        for width in (1, 512, 2048):
            or_sentence(lambda w=width: line.encoding_for(w))
            or_sentence(lambda w=width: line.hidden_for(w))

    yield Target("published data set lines", mutated(DATASETS, _CSV_WORDS), read_datasets, 8)
    yield Target("published search lines", mutated(SEARCHES, _CSV_WORDS), read_search, 12)
