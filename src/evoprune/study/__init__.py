"""The study: the loop and the store of evaluations."""

from evoprune.study._asynchronous import search_asynchronously
from evoprune.study._loop import Callback, Evaluate, Interrupted, Progress, search
from evoprune.study._sqlite import connect, damaged, faults, transaction, verify
from evoprune.study._store import Evaluation, Store, StudyKey

__all__ = [
    "Callback",
    "Evaluate",
    "Evaluation",
    "Interrupted",
    "Progress",
    "Store",
    "StudyKey",
    "connect",
    "damaged",
    "faults",
    "search",
    "search_asynchronously",
    "transaction",
    "verify",
]
