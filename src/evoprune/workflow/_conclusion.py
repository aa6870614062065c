"""After the search: measure the front, choose a member, keep its model, write the run's files."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.errors import EvoPruneError
from evoprune.features import Features
from evoprune.model import Model, stored_model
from evoprune.objectives import Objective
from evoprune.problem import AT_A_TIME, Problem
from evoprune.search import best_index, hypervolume, hypervolume_trace, non_dominated, ranking
from evoprune.study import Evaluation, Store
from evoprune.training import shifted
from evoprune.workflow._config import RunConfig
from evoprune.workflow._kept import keep_facts, keep_predictions
from evoprune.workflow._rejection import with_threshold
from evoprune.workflow._result import DENSE, DENSE_SOFT, Hypervolume, Overfitting, Result, Scores, Solution
from evoprune.workflow._run_files import write_files
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._scorer import Scorer, genome_digest

logger = logging.getLogger(__name__)

RANDOM_MASKS = 5
"""Beside the chosen head, to see what choosing it on its own rows has gained."""


class Conclusion:
    """What is concluded from the evaluations of a study.

    Args:
        features: of the study.
        config: the run's settings.
        problem: what the search evaluated.
        scorer: retrains and measures.
        folder: of the run, or None.
    """

    def __init__(
        self, features: Features, config: RunConfig, problem: Problem, scorer: Scorer, folder: RunFolder | None
    ) -> None:
        self.features = features
        self.config = config
        self.problem = problem
        self.scorer = scorer
        self.folder = folder

    def draw(self, store: Store, on_report: Callable[[int, int], None] | None) -> Result:
        """Measure the front, choose, keep the chosen model, and write the run's files."""
        evaluations = store.evaluations()
        complete = [e for e in evaluations if e.state == "complete"]
        if not complete:
            raise EvoPruneError(
                f"none of the {len(evaluations)} evaluations succeeded; the first: {evaluations[0].error}"
            )
        failed = len(evaluations) - len(complete)
        logger.info("search: %d evaluations, %d of them failed, %.1f s", len(evaluations), failed, store.seconds())
        known = self._stored_scores(store)
        whole = self._dense(store, known)
        controls = [replace(whole, id=DENSE_SOFT)] if self.scorer.soft else []
        dense, *others = self._measured(store, [whole, *controls, *self._front(complete)], known, on_report)
        soft, front = others[: len(controls)], others[len(controls) :]
        best, chosen_by = self._chosen(store, front)
        self._keep_model(best)
        result = Result(
            run=self.features.name if self.folder is None else str(self.folder.path),
            protocol=self.config.protocol,
            encoding=self.config.encoding,
            best=best,
            dense=dense,
            dense_soft=soft[0] if soft else None,
            exposed=self.scorer.exposed,
            groups=self.scorer.groups(best.genome),
            dense_groups=self.scorer.groups(dense.genome),
            front=tuple(front),
            evaluations=len(evaluations),
            failed=failed,
            seconds=store.seconds(),
            history=tuple(evaluations),
            objectives=self.problem.objectives,
            data_digest=data_digest(self.features),
            folds_digest=self._folds_digest(),
            chosen_by=chosen_by,
            hypervolume=self._hypervolume(evaluations, dense, front),
            overfitting=self._overfitting(store, best),
            broken=len(self.features.broken),
            duplicates=self.features.duplicates,
        )
        if self.folder is not None:
            write_files(self.folder, result)
            keep_facts(store, self.features, self.scorer.partition)
            keep_predictions(store, self.features, self.scorer, dense.genome, best.genome)
        # Last, because a run with a summary is complete.
        store.set_result("summary", result.summary())
        if best.scores is not None and dense.scores is not None:
            logger.info(
                "result: test accuracy %.4f with %d active neurons, %.4f with all %d (%s protocol)",
                best.scores.test_accuracy,
                best.active_neurons,
                dense.scores.test_accuracy,
                dense.active_neurons,
                self.config.protocol,
            )
        return result

    def _dense(self, store: Store, known: Mapping[int, Scores]) -> Solution:
        """The head that is not pruned, with its values in the search's terms."""
        genome = self.problem.encoding.dense_genome()
        if DENSE in known:
            return Solution(DENSE, genome, known[DENSE].values, None, self._build)
        stored = store.values(genome)
        return self._solution(DENSE, genome, self.problem.evaluate(genome[None])[0] if stored is None else stored)

    def _solution(self, number: int, genome: BoolArray, values: FloatArray) -> Solution:
        by_name = dict(zip(self.config.objectives, map(float, values), strict=True))
        return Solution(number, genome, by_name, None, self._build)

    def _front(self, complete: list[Evaluation]) -> list[Solution]:
        """The front, from the first objective's best on, ties by fewer active neurons."""
        genomes = np.stack([e.genome for e in complete])
        values = np.stack([e.values for e in complete])
        maximize = self.problem.maximize
        if len(maximize) == 1:
            best = best_index(genomes, values, maximize)
            members = [complete[best]] if best is not None else []
        else:
            rows = np.flatnonzero(non_dominated(values, maximize))
            order = ranking(genomes[rows], values[rows, :1], maximize[:1])
            members = [complete[i] for i in rows[order]]
        return [self._solution(e.id, e.genome, e.values) for e in members]

    def _measured(
        self,
        store: Store,
        solutions: Sequence[Solution],
        known: dict[int, Scores],
        on_report: Callable[[int, int], None] | None,
    ) -> list[Solution]:
        """The solutions with their scores: those known, and the others measured, each batch committed."""
        missing = [s for s in solutions if s.id not in known]
        if missing:
            logger.info("report: %d head(s) are retrained with %d seed(s)", len(missing), self.config.report_seeds)
        total = self.scorer.trainings(len(missing))
        # Workers are not started to find that nothing is left to do.
        batch = self.config.batch or (self.problem.at_a_time if missing else AT_A_TIME)
        for start in range(0, len(missing), batch):
            chunk = missing[start : start + batch]
            scores = self.scorer.measure(chunk, shifted(on_report, self.scorer.trainings(start), total))
            known.update(zip((s.id for s in chunk), scores, strict=True))
            store.set_result(
                "scores",
                {
                    "seeds": self.config.report_seeds,
                    **self.scorer.training,
                    "of": {str(i): asdict(s) for i, s in known.items()},
                },
            )
        return [replace(s, scores=known[s.id]) for s in solutions]

    def _stored_scores(self, store: Store) -> dict[int, Scores]:
        """Scores that an earlier session measured, by the number of the evaluation."""
        stored = store.result("scores")
        try:
            # What was measured before there were soft targets was trained by labels.
            asked = {"seeds": self.config.report_seeds, **self.scorer.training}
            if stored is None or not asked.items() <= {"targets": "labels", **stored}.items():
                return {}
            return {int(number): Scores(**scores) for number, scores in stored["of"].items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            logger.warning("the stored scores cannot be read and are measured again")
            return {}

    def _chosen(self, store: Store, front: list[Solution]) -> tuple[Solution, str]:
        """The member that the user selected, else the first objective's best; and how it was chosen."""
        selected = store.result("selected")
        if isinstance(selected, dict):
            for member in front:
                if member.id == selected.get("id"):
                    return member, str(selected.get("by"))
            logger.warning("the selected member %s is no longer on the front", selected.get("id"))
        first = self.problem.objectives[0]
        return front[0], f"{'highest' if first.maximize else 'lowest'} {first.title} in the search"

    def _keep_model(self, best: Solution) -> None:
        """Train and save the chosen model with its threshold, unless it lies there already."""
        if self.folder is None:
            return
        stored = stored_model(self.folder.model)
        about = {"genome": genome_digest(best.genome), **self.scorer.training}
        # A model of an earlier version has no threshold.
        if stored is None or stored.rejection is None or not about.items() <= stored.about.items():
            self._build(best.genome).save(self.folder.model)

    def _build(self, genome: BoolArray) -> Model:
        """The model of a genome `[L]`, with the threshold from which on an image is unknown."""
        return with_threshold(self.scorer, self.scorer.build(genome), ((genome, 1),))

    def _folds_digest(self) -> str:
        rows = [rows for fold in self.problem.data.folds for rows in (fold.train, fold.evaluate)]
        return hashlib.sha256(b"".join(np.int64(len(r)).tobytes() + r.tobytes() for r in rows)).hexdigest()

    def _overfitting(self, store: Store, best: Solution) -> Overfitting | None:
        """Validation minus test accuracy of the chosen head, and of random masks of its size."""
        size = best.active_neurons
        if best.scores is None or self.config.protocol == "paper" or not 0 < size < best.genome.size:
            return None
        name = random_masks(size)
        gaps = store.result(name)
        if not isinstance(gaps, list):
            drawn = np.random.default_rng([self.config.seed, size]).random((RANDOM_MASKS, best.genome.size))
            masks = drawn.argsort(axis=1, kind="stable") < size
            gaps = self.scorer.gaps(masks).tolist()
            store.set_result(name, gaps)
        return Overfitting(best.scores.validation_accuracy - self._accuracy_by_labels(store, best), tuple(gaps))

    def _accuracy_by_labels(self, store: Store, best: Solution) -> float:
        """Test accuracy of the chosen head trained by labels, as on the validation side and for the random masks."""
        if best.scores is not None and not self.scorer.soft:
            return best.scores.test_accuracy
        name = f"test accuracy by labels/{best.id}/{self.config.report_seeds}"
        accuracy = store.result(name)
        if not isinstance(accuracy, float):
            accuracy = self.scorer.test_accuracy_by_labels(best.genome)
            store.set_result(name, accuracy)
        return accuracy

    def _hypervolume(self, evaluations: list[Evaluation], dense: Solution, front: list[Solution]) -> Hypervolume | None:
        names, maximize = self.config.objectives, self.problem.maximize
        if len(names) == 1:
            return None
        values = np.stack([e.values for e in evaluations])
        reference = reference_point(
            self.problem.objectives,
            self.features.classes,
            np.array([dense.values[name] for name in names]),
            values[: self.config.search.population],
        )
        test = np.array([[s.scores.test[name] for name in names] for s in front if s.scores is not None])
        return Hypervolume(
            dict(zip(names, reference.tolist(), strict=True)),
            hypervolume_trace(values, maximize, reference),
            hypervolume(test, maximize, reference),
        )


def random_masks(size: int) -> str:
    """The name under which a store keeps what random masks with so many active neurons gave."""
    return f"random masks/{size}"


def data_digest(features: Features) -> str:
    """SHA-256 of all rows of a study: features, labels, divisions, out-of-distribution and corrupted rows."""
    parts = [features.digest, *(ood.digest for ood in features.ood)]
    if features.corrupted is not None:
        parts.append(features.corrupted.digest)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def reference_point(objectives: Sequence[Objective], classes: int, dense: FloatArray, first: FloatArray) -> FloatArray:
    """The value of each objective that counts as worthless, from which hypervolume is measured.

    The objective's own worst bound; for the cross entropy that of guessing, ln C; for sizes without a
    bound that of the dense head; for others the worst value of the first individuals.

    Args:
        objectives: M of them.
        classes: C.
        dense: values of the dense head `[M]`.
        first: values of the first individuals `[P, M]`, NaN where one failed.
    """
    reference = np.empty(len(objectives))
    for index, objective in enumerate(objectives):
        worst = objective.lower if objective.maximize else objective.upper
        if np.isfinite(worst):
            reference[index] = worst
        elif objective.name in ("loss", "calibrated_loss"):
            reference[index] = np.log(classes)
        elif objective.name in ("parameters", "flops"):
            reference[index] = dense[index]
        else:
            seen = first[np.isfinite(first).all(axis=1), index]
            seen = seen if len(seen) else dense[index : index + 1]
            reference[index] = seen.min() if objective.maximize else seen.max()
    return reference
