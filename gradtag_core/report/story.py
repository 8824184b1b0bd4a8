"""One run in plain words, every one of which follows from its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradtag_core.config import Metric
from gradtag_core.grouping.stability import Stability
from gradtag_core.report.findings import CLEARLY, Findings, find
from gradtag_core.report.method import method_sentences, next_steps
from gradtag_core.report.trust import Verdict, verdicts
from gradtag_core.report.words import counted, share, short, signed, some_of, spread, times
from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.record import RunRecord

PAIRS = 3  # helping and hurting ones that are named


@dataclass(frozen=True)
class Fact:
    """A number that matters, and what it counts."""

    value: str
    meaning: str


@dataclass(frozen=True)
class Pair:
    """What training with `co_task` does to the score of `task`, against its average co-task, by the estimate."""

    task: str
    co_task: str
    effect: float
    standard_error: float | None
    sentence: str


@dataclass(frozen=True)
class Story:
    """What is told of a run: plain texts, with names as they are, to be escaped by whoever shows them.

    `answer` begins with its headline; `groups` holds all task names; `trust` says how sure the answer is, the gravest
    verdicts as they come; `method` is five sentences; `command` repeats the run, in code where `in_code`.
    """

    title: str
    suite: str
    metric: Metric
    metric_title: str
    question: str
    answer: tuple[str, ...]
    facts: tuple[Fact, ...]
    groups: tuple[tuple[str, ...], ...]
    trust: tuple[Verdict, ...]
    helping: tuple[Pair, ...]
    hurting: tuple[Pair, ...]
    method: tuple[str, ...]
    next_steps: tuple[str, ...]
    command: str
    in_code: bool


def story(record: RunRecord, metric: Metric | None = None, stability: Stability | None = None) -> Story:
    """The story of a run in its own metric or another; `stability` as `findings.stability_of` gives it.

    Raises `InvalidInput` for a run without an estimate, or a metric that it does not have.
    """
    return story_of(find(record, metric, stability))


def story_of(found: Findings) -> Story:
    """The story of what was found."""
    summary = found.record.summary
    trust = verdicts(found)
    tasks = "this task" if found.n_tasks == 1 else f"these {found.n_tasks:,} tasks"
    helping, hurting = strongest_pairs(found)
    return Story(
        title=summary.name, suite=summary.suite, metric=found.metric, metric_title=found.metric_title,
        question=f"Which of {tasks} should be learned together?", answer=_answer(found, trust), facts=_facts(found),
        groups=tuple(tuple(names) for names in found.grouping.groups) if found.grouping else (),
        trust=trust, helping=helping, hurting=hurting, method=method_sentences(found),
        next_steps=next_steps(found, trust), command=summary.command, in_code=is_call_in_code(summary.command),
    )  # fmt: skip


def _answer(found: Findings, trust: tuple[Verdict, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (_headline(found, trust), _gain_sentence(found), _saving_sentence(found))))


def _headline(found: Findings, trust: tuple[Verdict, ...]) -> str:
    if found.grouping is None:
        return "This run has formed no groups yet: it was stopped before."
    k, n, gains = found.grouping.n_groups, found.n_tasks, found.gains
    separate = f"in place of {n:,} separate ones"
    if k == 1:
        return (
            f"Train one model for all {n:,} tasks, {separate}."
            if n > 1
            else "There is one task: train it alone."
        )
    groups = f"{k:,} groups" if k < n else "separate models"
    if gains is not None and gains.is_clear and gains.mean < 0:
        return f"Train one model for all {n:,} tasks: it did better than the {groups} that were found."
    if gains is not None and gains.is_clear:
        return f"Train {_models(k, n)}" + ("." if k == n else f", {separate}.")
    if trust[0].level == "bad":
        return f"It is not clear yet: the estimate suggests {_models(k, n)}, but it cannot be trusted (see below)."
    if gains is not None:
        return (
            f"Train one model for all {n:,} tasks, or {_models(k, n)}: "
            "as far as this run can tell, they do equally well."
        )
    return f"By the estimate: train {_models(k, n)}" + ("." if k == n else f", {separate}.")


def _models(k: int, n: int) -> str:
    return f"each of the {n:,} tasks alone" if k == n else f"{k:,} models, one for each group below"


def _gain_sentence(found: Findings) -> str:
    gains = found.gains
    if gains is None or found.grouping is None:
        return ""
    if found.grouping.n_groups == 1:
        return "With one group, groups and one model for all tasks are the same thing."
    error, known = gains.standard_error, gains.by_task
    sure = "" if error is None else f" (standard error over tasks {spread(error)})"
    words = (
        f"On test data that no model has seen, the models of the groups score {signed(gains.mean)} in "
        f"{found.metric_title}{sure} against one model for all tasks, on average; "
        f"{int((known > 0).sum()):,} of {counted(len(known), 'task')} "
        f"{'gains' if len(known) == 1 else 'gain'}."
    )
    if error is None:
        return f"{words} With one task, nobody knows how much of that is noise."
    noise = "" if gains.is_clear else " The groups differ from one model for all by less than the noise."
    return f"{words}{noise} Each model was trained once."


def _saving_sentence(found: Findings) -> str:
    ratio = saved_ratio(found)
    if ratio is None or found.record.estimated is None:
        return ""
    subsets = counted(len(found.record.estimated.subsets), "subset")
    full = f"really training each of the {subsets} once"
    if ratio >= 1:
        return f"Finding out took {times(ratio)} as much computing as {full}: here the estimate saved none."
    return f"Finding out took {share(ratio)} of the computing that {full} would take."


def saved_ratio(found: Findings) -> float | None:
    """FLOPs of the estimate, relative to training every subset of the run once."""
    full, estimated = found.record.summary.full_training_flops, found.record.estimated
    return estimated.cost.flops / full if estimated is not None and full > 0 else None


def _facts(found: Findings) -> tuple[Fact, ...]:
    facts = []
    if found.grouping is not None:
        k = found.grouping.n_groups
        facts.append(Fact(f"{k:,}", f"{'model' if k == 1 else 'models'} in place of {found.n_tasks:,}"))
    ratio = saved_ratio(found)
    if ratio is not None:
        facts.append(Fact(share(ratio), "of the computing of training every subset"))
    if found.gains is not None and found.grouping is not None and found.grouping.n_groups > 1:
        facts.append(
            Fact(signed(found.gains.mean), f"{found.metric_title} by groups, against one model for all")
        )
    if found.comparison is not None:
        line = found.comparison.estimate
        facts.append(
            Fact(
                f"{line.agreement.row_spearman:.2f}", "agreement with real training (0 is chance, 1 the same)"
            )
        )
    return tuple(facts)


def strongest_pairs(found: Findings, most: int = PAIRS) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """The directed pairs with the largest gain and with the largest loss, strongest first; none counts as both."""
    told = np.isfinite(found.estimated.standard_errors) & np.isfinite(found.relative)
    if not told.any():  # else effects of a single subset, of which nothing tells the noise, would come first
        told = np.isfinite(found.relative)
    effects = np.where(told, found.relative, 0.0)
    order = np.argsort(effects, axis=None, kind="stable")
    cells = [divmod(int(cell), found.n_tasks) for cell in [*order[::-1][:most], *order[:most]]]
    helping = tuple(_pair(found, *cell) for cell in cells[:most] if effects[cell] > 0)
    hurting = tuple(_pair(found, *cell) for cell in cells[most:] if effects[cell] < 0)
    return helping, hurting


def _pair(found: Findings, i: int, j: int) -> Pair:
    effect, error = float(found.relative[i, j]), float(found.estimated.standard_errors[i, j])
    task, co_task = short(found.task_names[i]), short(found.task_names[j])
    verb = "gains from" if effect > 0 else "loses with"
    sentence = f"{task} {verb} {co_task}: {signed(effect)} {found.metric_title} against its average co-task"
    if np.isnan(error):
        sentence += ", from a single subset."
    elif abs(effect) > CLEARLY * error:
        sentence += f" (standard error {spread(error)})."
    else:
        sentence += f" (standard error {spread(error)}: it may be noise)."
    return Pair(task, co_task, effect, None if np.isnan(error) else error, sentence)


def group_lines(told: Story) -> tuple[str, ...]:
    """Each group in a line, long ones shortened."""
    return tuple(f"{counted(len(names), 'task')}: {some_of(names)}" for names in told.groups)
