"""Communities from clusters that no label has shaped: each takes the cluster that is most like it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from gradtag_core.tasks.suite import TaskSuite

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NO_CLUSTER = -1
LEAST_LOGIT = 1e-3  # of a member; who is none has at most its negative
NEWTON_STEPS = 50


@dataclass(frozen=True, eq=False)
class Matches:
    """The cluster of each community and its F1 on the training rows: (n,); NO_CLUSTER and 0 where none holds a
    training member."""

    cluster: np.ndarray
    f1: np.ndarray


def match_clusters(suite: TaskSuite, members: "csr_array") -> Matches:
    """The cluster with the best F1 on the training rows of each task, the first of equals.

    `members` (nodes, clusters): 1 where a node is a member; clusters may overlap, and a node may be in none.
    """
    cluster, best = np.full(suite.n_tasks, NO_CLUSTER), np.zeros(suite.n_tasks)
    for task in range(suite.n_tasks):
        rows = suite.indices("train", task)
        positive = (suite.labels[rows, task] == 1).astype(np.float64)
        own = members[rows]
        hits, size = own.T @ positive, own.T @ np.ones(len(rows))
        f1 = 2 * hits / (size + positive.sum())
        if f1.size and f1.max() > 0:
            cluster[task], best[task] = f1.argmax(), f1.max()
    return Matches(cluster, best)


def member_logits(
    suite: TaskSuite, members: "csr_array", matches: Matches
) -> Float[np.ndarray, "nodes tasks"]:
    """Log odds of the smoothed share of positives among a task's training rows, inside its cluster and outside.

    Inside they are above 0 and outside below, whatever the shares: F1 is that of the cluster taken as the community.
    Without a cluster all nodes have the log odds of the task.
    """
    logits = np.empty((suite.n_examples, suite.n_tasks))
    columns = members.tocsc()
    for task, cluster in enumerate(matches.cluster):
        rows = suite.indices("train", task)
        positive = suite.labels[rows, task] == 1
        if cluster == NO_CLUSTER:
            logits[:, task] = log_odds(positive)
            continue
        inside = columns[:, [cluster]].toarray()[:, 0] > 0
        own = inside[rows]
        within = max(log_odds(positive[own]), LEAST_LOGIT)
        without = min(log_odds(positive[~own]), -LEAST_LOGIT)
        logits[:, task] = np.where(inside, within, without)
    return logits


def strength_logits(
    suite: TaskSuite, strengths: Float[np.ndarray, "nodes clusters"], threshold: float, matches: Matches
) -> Float[np.ndarray, "nodes tasks"]:
    """w log(strength / `threshold`) in the cluster of each task, with w > 0 fitted by logistic regression on the
    training rows.

    Above 0 where a node is a member, so that F1 is that of the cluster taken as the community, as in `member_logits`;
    nodes within and without are ranked by strength. `strengths` are above 0.
    """
    logits = np.empty((len(strengths), suite.n_tasks))
    for task, cluster in enumerate(matches.cluster):
        rows = suite.indices("train", task)
        positive = suite.labels[rows, task] == 1
        if cluster == NO_CLUSTER:
            logits[:, task] = log_odds(positive)
            continue
        relative = np.log(strengths[:, cluster] / threshold)
        logits[:, task] = slope(relative[rows], positive) * relative
    return logits


def log_odds(positive: np.ndarray) -> float:
    """Of the share of positives, with half a row of each class added."""
    hits = float(positive.sum())
    return float(np.log((hits + 0.5) / (len(positive) - hits + 0.5)))


def slope(values: Float[np.ndarray, "rows"], positive: np.ndarray) -> float:
    """w of the logistic regression w · value with the penalty w² / 2, at least LEAST_LOGIT, by Newton's method."""
    weight = 0.0
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(weight * values, -30, 30)))
        gradient = values @ (chance - positive) + weight
        step = gradient / (values**2 @ (chance * (1 - chance)) + 1)
        weight -= step
        if abs(step) < 1e-9:
            break
    return max(float(weight), LEAST_LOGIT)
