"""Fuzzing of feature files, matrices and out-of-distribution sources."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import strategies as st

from evoprune.data import load_ood_features
from evoprune.features import from_feature_file

from .material import Material
from .mutations import NAMES, ZIP_WORDS, mutated
from .target import Target, or_sentence

_KINDS = (
    "'<f4'", "'>f8'", "'|O'", "'<U4'", "'<U1000000000'", "[('a','<f4')]", "[('a','|O')]", "'|V0'", "'<M8[ns]'",
    "'<i8'", "'<c8'", "{}", "1e999", "'<f4'*9", "(" * 150, "'" + "x" * 9000 + "'", "lambda: 0", "'|b1'", "'<f2'",
)  # fmt: skip
_SHAPES = (
    "(28, 6)", "(28,)", "(4611686018427387904, 4)", "(-1, 6)", "(0, 6)", "()", "(2,)*70", "(1000000, 1000000)",
    "(True, 6)", "('a',)", "(2.5,)", "(99999999999999999999,)", "[28, 6]", "28", "None", "(28, 6", "(10000000000,)",
)  # fmt: skip


def features(whole: Material) -> Iterator[Target]:
    def read(data: bytes, folder: Path) -> None:
        path = folder / "f.npz"
        path.write_bytes(data)
        or_sentence(lambda: load_ood_features(path))
        from_feature_file(path)

    def read_matrix(data: bytes, folder: Path) -> None:
        path = folder / "f.npy"
        path.write_bytes(data)
        load_ood_features(path)

    def read_sources(given: list[str], folder: Path) -> None:
        (folder / "there").mkdir(exist_ok=True)
        shutil.copy(whole.feature_file, folder / "there.npz")
        with mock.patch.object(os, "getcwd", return_value=str(folder)):
            from_feature_file(whole.feature_file, ood=given)

    header = st.tuples(
        st.sampled_from(_KINDS), st.sampled_from(("True", "False", "1", "'x'", "None")), st.sampled_from(_SHAPES)
    ).map(lambda parts: _npy("{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format(*parts)))
    headers = mutated([_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (28, 6), }")], ZIP_WORDS)
    names = st.sampled_from(
        ("X_train", "y_train", "X_test", "y_test", "class_names", "X", "y", "../X", "/X", "X\x00a", "a/../b")
    )
    members = st.lists(st.tuples(names, st.one_of(header, headers), st.booleans()), min_size=1, max_size=3)
    sources = st.lists(
        st.one_of(
            st.sampled_from(
                (*NAMES, "there", "there.npz", "/", ".", "/dev/null", "/proc/self/mem", "class:cat", "class:dög")
            ),
            st.text(max_size=20),
            st.sampled_from(NAMES).map("class:".__add__),
        ),
        min_size=1,
        max_size=4,
    )
    yield Target("feature files (npz), bytes", mutated(whole.archives, ZIP_WORDS), read, 12)
    yield Target("feature files (npz), members", members.map(lambda m: _npz(whole.archives[0], m)), read, 8)
    yield Target("matrices (npy)", st.one_of(mutated(whole.matrices, ZIP_WORDS), header, headers), read_matrix, 10)
    yield Target("out-of-distribution sources", sources, read_sources, 4)


def _npy(header: str) -> bytes:
    text = header.encode("utf-8", "replace") + b"\n"
    return b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + bytes(28 * 6 * 4)


def _npz(seed: bytes, members: list[tuple[str, bytes, bool]]) -> bytes:
    """A feature file with members of another's making, under checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(seed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files |= {f"{name}.npy": data for name, data, _ in members}
    buffer = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if members[0][2] else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
