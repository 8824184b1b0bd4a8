"""How sure an answer is, in honest words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradtag_core.evaluation.comparison import Comparison, Line
from gradtag_core.figures.relative import without_diagonal
from gradtag_core.grouping.result import OPTIMAL_GAP
from gradtag_core.report.findings import CLEARLY, Findings
from gradtag_core.report.words import counted, listed, share

Level = Literal["good", "caution", "bad", "unknown"]
FREE_LINES = {
    "train_size": "comparing training-set sizes",
    "label_similarity": "comparing the labels of the tasks",
}
FIRM, SHAKY = 0.8, 0.5  # adjusted Rand index
LARGE_GAP = 0.1


@dataclass(frozen=True)
class Verdict:
    """One sentence or two on how sure the answer is."""

    level: Level
    text: str


def verdicts(found: Findings) -> tuple[Verdict, ...]:
    """Of the estimate, then of the groups."""
    estimate = (_without_truth(found),) if found.comparison is None else _of_estimate(found.comparison)
    return (*estimate, *_of_stability(found), *_of_gap(found))


def _without_truth(found: Findings) -> Verdict:
    effects, errors = found.relative, without_diagonal(found.estimated.standard_errors)
    known = np.isfinite(effects) & np.isfinite(errors)
    words = "No subset was trained for real, so nothing here tells how good the estimate is."
    if known.any():
        clear = float((np.abs(effects[known]) > CLEARLY * errors[known]).mean())
        words += (
            f" By its own standard errors, {share(clear)} of the pairs differ from the task's average co-task by more "
            "than noise (two standard errors)."
        )
    return Verdict("unknown", words)


def _of_estimate(comparison: Comparison) -> tuple[Verdict, ...]:
    line = comparison.estimate
    row, error = line.agreement.row_spearman, line.agreement.row_spearman_standard_error
    seeds = counted(len(comparison.truth_seeds), "seed")
    words = (
        f"Against real training of {counted(comparison.n_truth_subsets, 'subset')} on {seeds}, the estimate ranks the "
        f"co-tasks of a task with a correlation of {row:.2f} ± {error:.2f} (Spearman; 1: same order, 0: chance)."
    )
    verdict = _against_free_lines(comparison)
    repeats = comparison.repeat_spearman
    if repeats is None:
        words += " With one seed, nobody knows how much of the rest is noise of the training itself."
    elif comparison.ceiling is None:
        words += f" Real training with another seed does not even agree with itself ({repeats:.2f})."
        verdict = Verdict("bad", "This truth is too noisy to judge any estimate by.")
    elif line.row_spearman_fraction is not None:
        words += (
            f" That is {share(max(0.0, line.row_spearman_fraction))} of what is possible: the noise of real training "
            f"lets no estimate get beyond {comparison.ceiling:.2f}."
        )
    return (Verdict(verdict.level, f"{words} {verdict.text}"), *_against_equal_flops(comparison))


def _against_free_lines(comparison: Comparison) -> Verdict:
    """What costs nothing must be beaten, and beaten by more than the noise."""
    found = comparison.estimate.agreement
    row, error = found.row_spearman, found.row_spearman_standard_error
    if row <= CLEARLY * error:
        return Verdict("bad", "The estimate is no better than a random order.")
    rivals = {name: _row(comparison.lines[name]) for name in FREE_LINES if name in comparison.lines}
    ahead = [name for name, value in rivals.items() if value >= row]
    if ahead:
        best = max(ahead, key=lambda name: rivals[name])
        return Verdict(
            "bad",
            f"The estimate is no better than {FREE_LINES[best]} ({rivals[best]:.2f}), which costs nothing.",
        )
    near = [name for name, value in rivals.items() if value > row - CLEARLY * error]
    if near:
        best = max(near, key=lambda name: rivals[name])
        return Verdict(
            "caution",
            f"It is ahead of {FREE_LINES[best]} ({rivals[best]:.2f}), which costs nothing, by no more than the noise.",
        )
    beaten = listed([f"{FREE_LINES[name]} ({value:.2f})" for name, value in rivals.items()])
    better = f"what costs nothing: {beaten}" if beaten else "chance"
    return Verdict("good", f"It is better than {better}.")


def _against_equal_flops(comparison: Comparison) -> tuple[Verdict, ...]:
    line = comparison.lines.get("equal_flops")
    if line is None or comparison.repeat_spearman is None:
        return ()
    same = (
        f"Really training as many subsets as the same computing pays for ({comparison.equal_flops_subsets:,}) reaches "
        f"{_row(line):.2f} against another seed"
    )
    if _row(line) >= comparison.estimate.agreement.row_spearman:
        return (Verdict("caution", f"{same}, no less than the estimate."),)
    return (Verdict("good", f"{same}, less than the estimate."),)


def _row(line: Line) -> float:
    return line.agreement.row_spearman


def _of_stability(found: Findings) -> tuple[Verdict, ...]:
    if found.stability is None:
        return ()
    agreement = found.stability.agreement
    words = (
        f"When the affinities are drawn anew ({counted(found.stability.n_resamples, 'time')}), the groups agree with "
        f"these by {agreement:.2f} (adjusted Rand index; 1 is the same groups, 0 is chance)"
    )
    if agreement >= FIRM:
        return (Verdict("good", f"{words}: they hold firmly."),)
    if agreement >= SHAKY:
        return (Verdict("caution", f"{words}: most of them hold."),)
    return (Verdict("bad", f"{words}: which tasks stand together depends much on chance."),)


def _of_gap(found: Findings) -> tuple[Verdict, ...]:
    grouping = found.grouping
    if grouping is None or grouping.n_groups in (1, found.n_tasks):
        return ()
    groups = counted(grouping.n_groups, "group")
    if grouping.gap <= OPTIMAL_GAP:
        return (Verdict("good", f"Given these affinities, no other {groups} fit better: that is proven."),)
    words = (
        f"Given these affinities, the {groups} have at least {share(1 - grouping.gap)} of the best possible lead "
        "over a random grouping: that is proven."
    )
    return (Verdict("caution" if grouping.gap > LARGE_GAP else "good", words),)
