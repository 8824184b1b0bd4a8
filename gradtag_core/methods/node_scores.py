"""Scores of methods that find communities in the graph and then give every node a logit for each task."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from gradtag_core.config import METRICS, Metric
from gradtag_core.cost import Cost
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.tasks.suite import Split, TaskSuite
from gradtag_core.training.metrics import score_logits


def graph_of(setting: Setting) -> np.ndarray:
    """The edges of the suite; `run_method` refuses a suite that has none."""
    if setting.suite.edges is None:
        raise ValueError(f"`{setting.suite.name}` has no graph; `MethodInfo.why_not` should have said so.")
    return setting.suite.edges


def score_nodes(
    suite: TaskSuite, logits: Float[np.ndarray, "nodes tasks"], split: Split
) -> Float[np.ndarray, "tasks metrics"]:
    """Every metric of each task on a split."""
    return torch.cat([
        score_logits(
            torch.from_numpy(logits[rows, task, None]).double(),
            torch.from_numpy(suite.labels[rows, task] == 1).double(),
        )
        for task in range(suite.n_tasks)
        for rows in [suite.indices(split, task)]
    ]).numpy()  # fmt: skip


@dataclass(frozen=True, eq=False)
class NodeLogits:
    """Logits (nodes, n), their scores on validation (n, metrics), and what was chosen by these."""

    logits: np.ndarray
    validation: np.ndarray
    choices: Mapping[str, float]

    @classmethod
    def of(cls, setting: Setting, logits: np.ndarray, choices: Mapping[str, float]) -> "NodeLogits":
        return cls(logits, score_nodes(setting.suite, logits, "validation"), choices)

    def mean_score(self, metric: Metric) -> float:
        """The mean over tasks on the validation split."""
        return float(self.validation[:, METRICS.index(metric)].mean())

    def result(self, setting: Setting, method: str, cost: Cost) -> MethodResult:
        """The only place where these methods read the test split."""
        test = score_nodes(setting.suite, self.logits, "test")
        return MethodResult(
            method, setting.suite.task_names, self.validation, test, cost, choices=self.choices
        )
