"""Synthetic task suites whose true affinities and groups are known."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.suite import UNLABELLED, TaskSuite

Structure = Literal["groups", "chain", "conflict", "independent"]
Network = Literal["linear", "random"]
NETWORK_GAIN = 1.0


@dataclass(frozen=True)
class PlantedSuite:
    """A suite with its answer: `affinity` (n, n), cosines of the true parameters, and `groups` (n,)."""

    suite: TaskSuite
    affinity: np.ndarray
    groups: np.ndarray


def planted_groups(n_tasks: int, n_groups: int, structure: Structure) -> np.ndarray:
    """The true group of each task: equal runs of neighbours; every task is its own group if independent."""
    if structure == "independent":
        return np.arange(n_tasks)
    return np.arange(n_tasks) * n_groups // n_tasks


def planted_affinity(n_tasks: int, n_groups: int, structure: Structure, cosine: float) -> np.ndarray:
    """The cosines (n, n) between the true parameters of tasks.

    Inside a group `cosine`; between groups 0 ("groups"), or as negative as centres of groups can be
    ("conflict": -`cosine` / (`n_groups` - 1), a simplex). A "chain" has `cosine`^|i - j|, with no sharp
    groups; "independent" tasks have 0 and ignore the other arguments. A model with one head per task can use
    opposed parameters too, by the sign of the head, so "conflict" hurts it less than the cosines suggest.
    """
    _require_structure(n_tasks, n_groups, structure, cosine)
    if structure == "independent":
        return np.eye(n_tasks)
    if structure == "chain":
        task = np.arange(n_tasks)
        return cosine ** np.abs(task[:, None] - task).astype(np.float64)
    group = planted_groups(n_tasks, n_groups, structure)
    between = -1 / (n_groups - 1) if structure == "conflict" else 0.0
    affinity = cosine * np.where(group[:, None] == group, 1.0, between)
    np.fill_diagonal(affinity, 1)
    return affinity


def parameters_with_gram(gram: np.ndarray, n_features: int, seed: int) -> np.ndarray:
    """Vectors (n, n_features) with exactly the inner products `gram`, in random directions.

    The symmetric square root of `gram`, which is unique, times a random orthonormal basis.
    """
    values, vectors = np.linalg.eigh(gram)
    if values.min() < -1e-10 * max(values.max(), 1):
        raise InvalidInput(f"`gram` must be positive semi-definite; found the eigenvalue {values.min():.3g}.")
    if len(gram) > n_features:
        raise InvalidInput(
            f"`n_features` must be at least the number of tasks, {len(gram)}; found {n_features}."
        )
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    basis, upper = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_features, len(gram))))
    return root @ (basis * np.sign(np.diag(upper))).T


def planted_suite(
    n_tasks: int = 12,
    n_groups: int = 3,
    structure: Structure = "groups",
    *,
    cosine: float = 0.95,
    n_labelled: int = 800,
    overlap: float = 0.0,
    n_features: int | None = None,
    label_noise: float = 0.0,
    network: Network = "linear",
    seed: int = 0,
) -> PlantedSuite:
    """Binary tasks y = [h(x) · w > 0] whose parameters w have the cosines of `planted_affinity`.

    x is standard normal; h(x) is x ("linear") or the whitened features of a fixed random two-layer tanh
    network ("random"). Every task has `n_labelled` labelled examples; of these the share `overlap` is common
    to all tasks and no other task sees the rest. `label_noise` is the chance that a label is flipped.
    `n_features` defaults to the number of tasks, at least 32.
    """
    affinity = planted_affinity(n_tasks, n_groups, structure, cosine)
    n_features = max(32, n_tasks) if n_features is None else n_features
    _require_sampling(n_labelled, overlap, label_noise, network)
    n_shared = round(overlap * n_labelled)
    n_own = n_labelled - n_shared
    n_examples = n_shared + n_tasks * n_own
    parameters = parameters_with_gram(affinity, n_features, seed)
    rng = np.random.default_rng([seed, 1])
    inputs = standardise(rng.standard_normal((n_examples, n_features)))
    hidden = inputs.astype(np.float64) if network == "linear" else _network_features(inputs, rng)
    truth = hidden @ parameters.T > 0
    flipped = rng.random(truth.shape) < label_noise
    owner = np.repeat(np.arange(-1, n_tasks), [n_shared, *[n_own] * n_tasks])
    labelled = (owner[:, None] == -1) | (owner[:, None] == np.arange(n_tasks))
    labels = np.where(labelled, truth ^ flipped, UNLABELLED).astype(np.int8)
    groups = planted_groups(n_tasks, n_groups, structure)
    names = tuple(f"task {task + 1} (group {group + 1})" for task, group in enumerate(groups))
    suite = TaskSuite("planted", names, inputs, labels, rng.permutation(n_examples))
    return PlantedSuite(suite, affinity, groups)


def _network_features(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features of a random two-layer tanh network, whitened: cosines of parameters are then correlations."""
    n_examples, width = inputs.shape
    if n_examples <= width:
        raise InvalidInput(
            f"`n_labelled` must give more examples than the {width} features of the random network; "
            f"found {n_examples}."
        )
    hidden = inputs.astype(np.float64)
    for _ in range(2):
        hidden = np.tanh(NETWORK_GAIN / np.sqrt(width) * (hidden @ rng.standard_normal((width, width))))
    hidden -= hidden.mean(axis=0)
    lower = np.linalg.cholesky(hidden.T @ hidden / n_examples)
    return np.linalg.solve(lower, hidden.T).T


def _require_structure(n_tasks: int, n_groups: int, structure: str, cosine: float) -> None:
    if structure not in get_args(Structure):
        raise InvalidInput(f"`structure` must be one of {quoted(get_args(Structure))}; found `{structure}`.")
    if n_tasks < 1:
        raise InvalidInput(f"`n_tasks` must be 1 or more; found {n_tasks}.")
    least = 2 if structure == "conflict" else 1
    if structure != "independent" and not least <= n_groups <= n_tasks:
        raise InvalidInput(
            f"`n_groups` must be between {least} and the {n_tasks} tasks for the structure `{structure}`; "
            f"found {n_groups}."
        )
    if not 0 <= cosine <= 1:
        raise InvalidInput(f"`cosine` must be between 0 and 1; found {cosine}.")


def _require_sampling(n_labelled: int, overlap: float, label_noise: float, network: str) -> None:
    if network not in get_args(Network):
        raise InvalidInput(f"`network` must be one of {quoted(get_args(Network))}; found `{network}`.")
    if n_labelled < 20:
        raise InvalidInput(
            f"`n_labelled` must be at least 20, so that every split can hold both classes; "
            f"found {n_labelled}."
        )
    if not 0 <= overlap <= 1:
        raise InvalidInput(f"`overlap` must be between 0 and 1; found {overlap}.")
    if not 0 <= label_noise < 0.5:
        raise InvalidInput(f"`label_noise` must be from 0 to below 0.5; found {label_noise}.")
