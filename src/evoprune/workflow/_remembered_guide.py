"""A guide whose answers are kept in the run's store, so that a continued search does not work them out again."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import StorageError
from evoprune.guidance import Correction
from evoprune.search import Guide
from evoprune.study import Store


class GuideMemory:
    """Keeps guidance in a run's store; see `guidance.Memory`.

    Args:
        store: of the run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def guide(self, guide: Guide) -> RememberedGuide:
        """A guide that answers as this one does, from the store where it was asked before."""
        return RememberedGuide(guide, self._store)

    def correction(self, measure: Callable[[], Correction]) -> Correction:
        """The correction in the store, or else what is measured now, which is kept there."""
        return _remembered_correction(self._store, measure)


class RememberedGuide:
    """Answers from the store where the same was asked before, and otherwise from a guide.

    An answer is kept under the SHA-256 of its question. Guides are deterministic, so that an
    answer from the store is what the guide would say.

    Args:
        guide: who knows the answers; see `search.Guide`.
        store: of the run.
    """

    def __init__(self, guide: Guide, store: Store) -> None:
        self._guide = guide
        self._store = store

    def scores(self) -> FloatArray:
        """Importance of each bit by several sources `[S, L]`, higher is more important."""
        return self._asked("guide/scores", np.dtype(np.float64), self._guide.scores)

    def recombine(self, pools: BoolArray, count: int, seed: int) -> BoolArray:
        """Children `[K, L]` with `count` ones each, out of K pools `[K, L]` with equally many ones."""
        question = hashlib.sha256(f"{pools.shape} {count} {seed} ".encode() + np.packbits(pools).tobytes())
        name = f"guide/{question.hexdigest()}"
        return self._asked(name, np.dtype(np.bool_), lambda: self._guide.recombine(pools, count, seed), pools.shape)

    def _asked(
        self, name: str, dtype: np.dtype[Any], ask: Callable[[], NDArray[Any]], expected: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        stored = self._store.result(name)
        if stored is None:
            answer = ask()
            packed = np.packbits(answer) if dtype == np.bool_ else answer.astype(dtype)
            text = base64.b85encode(zlib.compress(packed.tobytes())).decode()
            self._store.set_result(name, {"shape": list(answer.shape), "data": text})
            return answer
        try:
            shape = tuple(int(size) for size in stored["shape"])
            if expected not in (None, shape):
                raise ValueError(f"its shape is {shape} in place of {expected}")
            data = zlib.decompress(base64.b85decode(stored["data"]))
            if dtype == np.bool_:
                bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=int(np.prod(shape)))
                return bits.reshape(shape).astype(np.bool_)
            return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise _unreadable(self._store, name, error) from error


def _remembered_correction(store: Store, measure: Callable[[], Correction]) -> Correction:
    stored = store.result("guide/correction")
    if stored is None:
        found = measure()
        kept = {"sizes": found.sizes.tolist(), "gaps": found.gaps.tolist(), "length": found.length}
        store.set_result("guide/correction", kept)
        return found
    try:
        sizes, gaps = np.array(stored["sizes"], dtype=np.int64), np.array(stored["gaps"], dtype=np.float64)
        if gaps.ndim != 2 or len(gaps) != len(sizes):
            raise ValueError("its arrays do not fit together")
        return Correction(sizes, gaps, int(stored["length"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(store, "guide/correction", error) from error


def _unreadable(store: Store, name: str, error: Exception) -> StorageError:
    return StorageError(
        f"{store.path} is damaged: its result {name!r} cannot be read ({error}); put a copy of the file in its "
        "place, or start the run anew in another folder"
    )
