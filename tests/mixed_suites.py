"""Suites with tasks of every kind."""

import numpy as np
import pandas as pd

from gradtag_core.tasks.suite import SplitRule, TaskKind, TaskSuite

FACTORS = ("a", "b")
KINDS: dict[str, TaskKind] = {"yes": "binary", "class": "multiclass", "number": "regression"}
LABELS = [f"{factor}_{what}" for factor in FACTORS for what in KINDS]
DECLARED: dict[str, TaskKind] = {
    name: KINDS[name.split("_")[1]] for name in LABELS if not name.endswith("_yes")
}


def mixed_suite(n_examples=120, seed=0, unlabelled=0.0):
    """A binary task, one of three classes, one of numbers, and a second binary task over six features."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n_examples, 6)).astype(np.float32)
    scores = inputs @ generator.normal(size=(6, 4)) + 0.3 * generator.normal(size=(n_examples, 4))
    labels = scores.astype(np.float32)
    labels[:, 0], labels[:, 3] = scores[:, 0] > 0, scores[:, 3] > 0.5
    labels[:, 1] = np.digitize(scores[:, 1], [-1, 1])
    labels[generator.random(labels.shape) < unlabelled] = np.nan
    return TaskSuite(
        "mixed", ("yes", "class", "number", "other"), inputs, labels, generator.permutation(n_examples),
        SplitRule(0.3, 0.3), kinds=("binary", "multiclass", "regression", "binary"),
    )  # fmt: skip


def two_factors(n_rows=600, n_features=20, noise=0.8, seed=0):
    """A table: two unrelated linear factors of the features, each seen through a task of every kind, `LABELS`."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n_rows, n_features))
    columns = {f"x{index}": column for index, column in enumerate(features.T)}
    for factor in FACTORS:
        truth = features @ generator.normal(size=n_features) / n_features**0.5
        seen = truth[:, None] + noise * generator.normal(size=(n_rows, len(KINDS)))
        columns[f"{factor}_yes"] = (seen[:, 0] > 0).astype(int)
        columns[f"{factor}_class"] = np.array(["low", "middle", "high"])[np.digitize(seen[:, 1], [-0.5, 0.5])]
        columns[f"{factor}_number"] = 100 + 30 * seen[:, 2]
    return pd.DataFrame(columns)
