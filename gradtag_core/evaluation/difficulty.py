"""How hard each task is before any training: what a linear probe on the inputs scores, beside a constant answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradtag_core.config import METRICS, Metric
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split, TaskSuite

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 4096  # of a split of a task, and to learn the features' scale from
MOST_COLUMNS = 128  # principal components, where the inputs have more columns
HASHED_WORDS = 2**14
PENALTY_PER_ROW = 0.1  # of standardised columns; about the best of 0.001 to 0.1 on the data sets that ship
WORD_PENALTY = 1.0  # of word counts, whose rows have length 1


@dataclass(frozen=True, eq=False)
class Difficulty:
    """Validation scores (n,) in `metric` (higher is easier) of a linear probe per task, and of the best constant answer
    by the training labels; NaN where the metric does not apply to a kind of task. `description`: what the probe is."""

    task_names: tuple[str, ...]
    metric: Metric
    scores: np.ndarray
    constant: np.ndarray
    description: str

    def table(self) -> DataFrame:
        """One row per task: task, score, constant."""
        from pandas import DataFrame

        return DataFrame({"task": self.task_names, "score": self.scores, "constant": self.constant})


def difficulty(suite: TaskSuite, metric: Metric = "auc", reporter: Reporter | None = None) -> Difficulty:
    """Fit a probe per task on its training rows and score it on its validation rows; no draw, so no seed.

    Of each split of a task at most 4,096 rows, evenly spread over its examples, count. Takes a second or two for 130
    tasks of 1,200 training rows.
    """
    import torch

    from gradtag_core.training.metrics import score_outputs

    reporter = reporter or Reporter()
    train, validation = (
        [_spread(suite, split, task) for task in range(suite.n_tasks)] for split in ("train", "validation")
    )
    used = np.unique(np.concatenate(train + validation))
    features, description = _features(suite, used, np.unique(np.concatenate(train)))
    scores = np.empty((suite.n_tasks, 2))
    for task in reporter.track("Fitting probes", range(suite.n_tasks), suite.n_tasks):
        labels = suite.labels[:, task]
        fitted, scored = (np.searchsorted(used, part[task]) for part in (train, validation))
        outputs = np.stack(
            [
                _probe(suite, task, features[fitted], labels[train[task]], features[scored]),
                np.tile(_constant(suite, task), (len(scored), 1)),
            ],
            axis=-1,
        )
        truth = torch.from_numpy(labels[validation[task]].astype(np.float64))
        found = score_outputs(torch.from_numpy(outputs), truth, suite.kinds[task])
        scores[task] = found[:, METRICS.index(metric)].numpy()
    return Difficulty(suite.task_names, metric, scores[:, 0], scores[:, 1], description)


def _spread(suite: TaskSuite, split: Split, task: int) -> np.ndarray:
    """At most about `MOST_ROWS` examples of a split of a task, ascending, some of every class among them."""
    rows = suite.indices(split, task)
    if len(rows) <= MOST_ROWS:
        return rows
    chosen = [np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
    if suite.kinds[task] != "regression":
        chosen.append(np.unique(suite.labels[rows, task], return_index=True)[1])
    return rows[np.unique(np.concatenate(chosen))]


def _features(suite: TaskSuite, used: np.ndarray, train: np.ndarray) -> tuple[Any, str]:
    """(used, columns) features of the examples that count, dense or sparse, and what they are and are fitted with."""
    if suite.modality == "text":
        from sklearn.feature_extraction.text import HashingVectorizer

        words = HashingVectorizer(n_features=HASHED_WORDS, ngram_range=(1, 2), alternate_sign=False)
        return words.transform(
            suite.inputs[used].tolist()
        ), "A linear model of each text's words and pairs of words"
    flat = suite.inputs.reshape(suite.n_examples, -1)
    learned = flat[train[np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.int64)]]
    mean, deviation = learned.mean(axis=0, dtype=np.float64), learned.std(axis=0, dtype=np.float64)
    varies = deviation > 1e-6 * np.abs(learned).max(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    scaled = ((flat[used] - mean) * scale).astype(np.float32)
    if scaled.shape[1] <= MOST_COLUMNS:
        return scaled.astype(np.float64), "A linear model of the standardised inputs"
    from sklearn.decomposition import PCA

    components = PCA(min(MOST_COLUMNS, len(learned)), svd_solver="randomized", random_state=0)
    components.fit(((learned - mean) * scale).astype(np.float32))
    return (
        components.transform(scaled).astype(np.float64),
        f"A linear model of the inputs' first {components.n_components} principal components",
    )


def _probe(suite: TaskSuite, task: int, features: Any, labels: np.ndarray, scored: Any) -> np.ndarray:
    """(scored rows, outputs of the task): of a ridge or a logistic regression."""
    from sklearn.linear_model import LogisticRegression, Ridge

    is_text, kind = suite.modality == "text", suite.kinds[task]
    penalty = WORD_PENALTY if is_text else PENALTY_PER_ROW * features.shape[0]
    if kind == "regression":
        return Ridge(penalty).fit(features, labels.astype(np.float64)).predict(scored)[:, None]
    solver = "lbfgs" if is_text or kind == "multiclass" else "newton-cholesky"
    model = LogisticRegression(C=1 / penalty, solver=solver, max_iter=1000).fit(features, labels)
    outputs = model.decision_function(scored)
    if outputs.ndim == 2:
        return outputs
    return outputs[:, None] if kind == "binary" else np.stack([np.zeros_like(outputs), outputs], axis=1)


def _constant(suite: TaskSuite, task: int) -> np.ndarray:
    """The outputs of a task that do best on its training labels whatever the input."""
    labels = suite.labels[suite.indices("train", task), task]
    if suite.kinds[task] == "regression":
        return np.array([labels.mean(dtype=np.float64)])
    logs = np.log(np.bincount(labels.astype(np.int64), minlength=suite.classes[task]) / len(labels))
    return logs if suite.kinds[task] == "multiclass" else logs[1:] - logs[:1]
