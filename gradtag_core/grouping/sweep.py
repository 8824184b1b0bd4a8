"""How many groups, from the affinities alone: what the groups have over those of shuffled affinities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.density import Array, centre, density, expected_density
from gradtag_core.grouping.local import local_grouping
from gradtag_core.grouping.result import Grouping
from gradtag_core.grouping.validation import check_affinity, check_n_groups
from gradtag_core.progress import Reporter

MOST_TRIED = 12
SHUFFLES = 5
CLEAR = 3.0  # standard deviations of the shuffled leads
TOLERANCE = 9e-4


@dataclass(frozen=True, eq=False)
class AffinitySweep:
    """One grouping per number of groups tried; (numbers,) the lead of its density over a random grouping's, and
    mean and standard deviation of the lead that the same search finds in shuffled affinities."""

    groupings: tuple[Grouping, ...]
    leads: Array
    shuffled: Array
    deviations: Array
    suggested: int
    reason: str

    def to_rows(self) -> list[dict[str, float]]:
        """Per k: density, gap to the bound, lead over a random grouping, and that of shuffled affinities."""
        return [
            {
                "n_groups": found.n_groups, "density": found.density, "gap": found.gap, "lead": float(lead),
                "shuffled_lead": float(shuffled),
            }
            for found, lead, shuffled in zip(self.groupings, self.leads, self.shuffled, strict=True)
        ]  # fmt: skip


def numbers_to_try(n_tasks: int, near: int) -> tuple[int, ...]:
    """Up to about `MOST_TRIED` numbers of groups, evenly from 2 to twice `near`, and `near` itself."""
    last = max(1, min(n_tasks - 1, max(2 * near, 6)))
    spread = np.unique(np.linspace(min(2, last), last, MOST_TRIED).round().astype(int)).tolist()
    return tuple(sorted({*spread, *({near} if 1 < near < n_tasks else set())}))


def sweep_affinity(
    affinity: Any,
    n_groups: Sequence[int],
    *,
    task_names: Sequence[str] | None = None,
    method: Any = "auto",
    seed: int = 0,
    reporter: Reporter | None = None,
) -> AffinitySweep:
    """Group for each k, and suggest the k whose lead exceeds that of shuffled affinities most.

    In the manner of the gap statistic (Tibshirani et al. 2001): any search finds groups in noise, and more of
    them for some k than for others, so what counts is the lead beyond that. A shuffle permutes the pairs of the
    centred affinity, so that how hard a task is does not turn into noise, and keeps the diagonal. `method`: as
    in `cluster`. Raises `InvalidInput` as it does.
    """
    values, names = check_affinity(affinity, task_names)
    if not n_groups:
        raise InvalidInput("`n_groups` must hold at least one number of groups to try; found none.")
    asked = sorted({check_n_groups(number, len(values)) for number in n_groups})
    generator = np.random.default_rng(seed)
    noise = [_shuffled(centre(values), generator) for _ in range(SHUFFLES)]
    tolerance = TOLERANCE if method in ("auto", "sdp") else None
    groupings, leads, by_chance = [], [], []
    for number in (reporter or Reporter()).track("Trying numbers of groups", asked, len(asked)):
        found = cluster(values, number, method=method, task_names=names, tolerance=tolerance, seed=seed)
        groupings.append(found)
        leads.append(found.density - found.random_density)
        by_chance.append([_lead(matrix, number, seed) for matrix in noise])
    shuffled, deviations = np.mean(by_chance, axis=1), np.std(by_chance, axis=1, ddof=1)
    suggested, reason = _suggestion(asked, np.array(leads), shuffled, deviations, len(values))
    return AffinitySweep(tuple(groupings), np.array(leads), shuffled, deviations, suggested, reason)


def _shuffled(centred: Array, generator: np.random.Generator) -> Array:
    rows, columns = np.triu_indices(len(centred), 1)
    pairs = generator.permutation(centred[rows, columns])
    matrix = np.diag(np.diag(centred))
    matrix[rows, columns] = matrix[columns, rows] = pairs
    return matrix


def _lead(matrix: Array, n_groups: int, seed: int) -> float:
    return density(matrix, local_grouping(matrix, n_groups, seed)) - expected_density(matrix, n_groups)


def _suggestion(
    asked: Sequence[int], leads: Array, shuffled: Array, deviations: Array, n_tasks: int
) -> tuple[int, str]:
    """k = 1 and k = n, where there is one grouping only, do not count where others were tried."""
    choices = [at for at, number in enumerate(asked) if 1 < number < n_tasks]
    if not choices:
        return asked[0], f"k = {asked[0]}: no other number was tried that leaves a choice of groups."
    best = max(choices, key=lambda at: leads[at] - shuffled[at])
    words = (
        f"k = {asked[best]}: its groups lead random ones by {leads[best]:.3g} in density, where the same "
        f"affinities shuffled give {shuffled[best]:.3g} ± {deviations[best]:.2g}; no other number tried has "
        "as much beyond chance."
    )
    if leads[best] - shuffled[best] < CLEAR * deviations[best]:
        words += " That is no more than noise gives: the affinities show no clear groups."
    return asked[best], words
