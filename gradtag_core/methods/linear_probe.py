"""Communities from node features that no label has shaped: one logistic regression per community."""

import numpy as np
from jaxtyping import Float

from gradtag_core.cost import Meter
from gradtag_core.methods.node_scores import NodeLogits
from gradtag_core.methods.protocol import Setting

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # tried, of standardised features


def fit_probe(setting: Setting, features: Float[np.ndarray, "nodes columns"], meter: Meter) -> NodeLogits:
    """Regressions on the training rows; the ridge penalty, one for all tasks, has the least log loss on validation.

    The setting's metric may be a ranking, which a penalty that keeps the logits of rare communities below 0 hardly
    hurts, while F1 falls. Minimised is the sum of log losses plus `l2` / 2 times the squared weights. Counted FLOPs:
    a Newton step on R rows of d columns costs 4Rd + 2Rd² + d³/3, and giving N nodes their logits 2Nd a task.
    """
    scaled = standardised(features)
    found = []
    for l2 in setting.reporter.track("Fitting logistic regressions", PENALTIES, len(PENALTIES)):
        logits, flops = _logits(setting, scaled, l2)
        meter.flops += flops
        found.append(NodeLogits.of(setting, logits, {"l2": l2}))
    return max(found, key=lambda each: each.mean_score("loss"))


def standardised(features: Float[np.ndarray, "nodes columns"]) -> Float[np.ndarray, "nodes columns"]:
    """Columns of mean 0 and variance 1; constant ones are 0."""
    centred = np.asarray(features, dtype=np.float64) - features.mean(axis=0, dtype=np.float64)
    deviation = np.sqrt((centred**2).mean(axis=0))
    size = np.abs(features).max(axis=0, initial=0)
    # A column that rounding alone makes vary is constant.
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-7 * size)


def _logits(setting: Setting, features: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    suite, (n_nodes, n_columns) = setting.suite, features.shape
    logits, flops = np.empty((n_nodes, suite.n_tasks)), 0.0
    for task in range(suite.n_tasks):
        setting.reporter.check()
        rows = suite.indices("train", task)
        model = LogisticRegression(C=1 / l2, solver="newton-cholesky")
        model.fit(features[rows], suite.labels[rows, task])
        logits[:, task] = model.decision_function(features)
        step = 4 * len(rows) * n_columns + 2 * len(rows) * n_columns**2 + n_columns**3 / 3
        flops += float(model.n_iter_[0]) * step + 2 * n_nodes * n_columns
    return logits, flops
