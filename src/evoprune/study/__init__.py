"""The study: the loop and the store of evaluations."""

from evoprune.study._loop import Callback, Interrupted, Progress, search
from evoprune.study._sqlite import verify
from evoprune.study._store import Evaluation, Store, StudyKey

__all__ = ["Callback", "Evaluation", "Interrupted", "Progress", "Store", "StudyKey", "search", "verify"]
