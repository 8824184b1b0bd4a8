"""What an affinity says, in words."""

from math import isfinite

from gradtag_core.affinity.pair_evidence import PairEffect
from pages.parts.quantities import plain

CLEAR = 2.0  # standard errors: a smaller effect says little
TELLING = 1.0  # standard errors: real training is dear, and each cell has few subsets


def pair_sentence(task: str, co_task: str, estimate: PairEffect, truth: PairEffect | None) -> str:
    """What the co-task does for the task, how sure that is, and whether real training agrees; in Markdown."""
    first, second = f"**{plain(task)}**", f"**{plain(co_task)}**"
    if estimate.rank is None:
        return f"No subset holds both, so nothing is known of what {second} does for {first}."
    distance = estimate.errors_from_mean
    verb = "gains from" if estimate.effect > 0 else "loses with"
    if not abs(distance) >= CLEAR:
        verb = "may gain from" if estimate.effect > 0 else "may lose with"
    parts = [f"{first} {verb} {second}: rank {estimate.rank} of {estimate.n_ranked} co-tasks"]
    if isfinite(distance):
        parts.append(f"the estimate is {_from_mean(distance)} the mean of all co-tasks")
    else:
        parts.append("how sure the estimate is cannot be told")
    if truth is not None:
        parts.append(_verdict(estimate, truth))
    return "; ".join(parts) + "."


def _verdict(estimate: PairEffect, truth: PairEffect) -> str:
    if truth.rank is None:
        return "no really trained subset holds both"
    distance = truth.errors_from_mean
    if not isfinite(distance):
        return "too few subsets were really trained to judge it"
    if abs(distance) < TELLING:
        verdict = "cannot tell"
    else:
        verdict = "agrees" if (truth.effect > 0) == (estimate.effect > 0) else "disagrees"
    return f"real training {verdict} ({_from_mean(distance)})"


def _from_mean(distance: float) -> str:
    return f"{abs(distance):.1f} standard errors {'above' if distance > 0 else 'below'}"
