"""What differs between runs: their parameters, their figures, their affinities and their groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import METRIC_TITLES, Metric, RunConfig, knob_facts
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.evaluation.affinity_difference import AffinityDifference, affinity_difference, shared_tasks
from gradtag_core.evaluation.group_changes import GroupChanges, group_changes
from gradtag_core.grouping.result import Grouping


@dataclass(frozen=True)
class RunFigures:
    """What a run found and cost, None where it has no such figure.

    `row_spearman` against its own real training, `ceiling_share` of the noise ceiling; `flops` of the estimate and
    `flops_share` of training every subset; `seconds` of all stages, with those of units that an earlier run
    left in the store; `density` and `gap` in the metric that the groups were formed by; `gain`: the mean over tasks of
    what the models of the groups score more than one model for all, on test data, with its standard error over tasks.
    """

    row_spearman: float | None = None
    row_spearman_standard_error: float | None = None
    ceiling_share: float | None = None
    flops: float | None = None
    flops_share: float | None = None
    seconds: float | None = None
    n_subsets: int | None = None
    n_groups: int | None = None
    density: float | None = None
    gap: float | None = None
    gain: float | None = None
    gain_standard_error: float | None = None

    def texts(self) -> dict[str, str]:
        """Each figure as a text, by its title."""
        return {
            "Row Spearman": with_error(self.row_spearman, self.row_spearman_standard_error, "{:.3f}"),
            "Of the ceiling": _text(self.ceiling_share, "{:.0%}"),
            "FLOPs": _text(self.flops, "{:.3g}"),
            "Of full training": _text(self.flops_share, "{:.1%}"),
            "Computing time": _text(self.seconds, "{:.1f} s"),
            "Subsets": _text(self.n_subsets, "{:,}"),
            "Groups": _text(self.n_groups, "{}"),
            "Density": _text(self.density, "{:.5g}"),
            "Gap": _text(self.gap, "{:.2%}"),
            "Mean test gain": with_error(self.gain, self.gain_standard_error, "{:+.4f}"),
        }


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One of the runs to compare; `affinity` of all of them must be in one metric."""

    name: str
    config: RunConfig
    fingerprint: str
    affinity: AffinityMatrix
    grouping: Grouping | None
    figures: RunFigures


@dataclass(frozen=True)
class Parameter:
    """One knob with its value in each run."""

    name: str
    title: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        return any(value != self.values[0] for value in self.values)


@dataclass(frozen=True, eq=False)
class RunDifference:
    """What changes from a reference to another run; `groups` is None where a run has none or no task is shared."""

    affinity: AffinityDifference
    groups: GroupChanges | None
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "affinity": self.affinity.to_json(),
            "groups": self.groups.to_json() if self.groups else None,
            "remarks": list(self.remarks),
        }


def compare_runs(reference: ComparedRun, other: ComparedRun) -> RunDifference:
    """Compare two runs on the tasks that both have; `remarks` say what is not comparable, a sentence each."""
    ours, theirs = reference.grouping, other.grouping
    groups = group_changes(ours, theirs) if ours and theirs else None
    return RunDifference(
        affinity_difference(reference.affinity, other.affinity), groups, tuple(_remarks(reference, other))
    )


def shared_metrics(metrics: Sequence[tuple[Metric, ...]]) -> tuple[Metric, ...]:
    """The metrics that every run has, in the order of the first; `InvalidInput` where there is none."""
    shared: tuple[Metric, ...] = tuple(
        metric for metric in metrics[0] if all(metric in own for own in metrics)
    )
    if not shared:
        raise InvalidInput("The runs have no metric in common: they cannot be compared.")
    return shared


def parameters(configs: Sequence[RunConfig], *, everything: bool = False) -> list[Parameter]:
    """The knobs whose values differ between runs, in the order of `config.py`; all of them with `everything`."""
    listed = [
        Parameter(name, _title(name), tuple(getattr(config, name) for config in configs))
        for name in RunConfig.model_fields
    ]
    return [parameter for parameter in listed if everything or parameter.differs]


def with_error(value: float | None, error: float | None, form: str) -> str:
    """A number with its standard error, both in one format; a dash for None."""
    return (
        _text(value, form)
        if error is None
        else f"{_text(value, form)} ± {form.replace('+', '').format(error)}"
    )


def _text(value: int | float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _title(name: str) -> str:
    symbol = knob_facts(RunConfig, name)["symbol"]
    title = RunConfig.model_fields[name].title or name
    return f"{title} ({symbol})" if symbol else title


def _remarks(reference: ComparedRun, other: ComparedRun) -> list[str]:
    """What a reader must know before trusting the comparison."""
    ours, theirs = reference.affinity.task_names, other.affinity.task_names
    shared = shared_tasks(ours, theirs)
    suites = (reference.config.suite, other.config.suite)
    found = []
    if not shared:
        return [
            "The two runs have no task of the same name: only their parameters and figures can be compared."
        ]
    if suites[0] != suites[1]:
        found.append(
            f"They ran on two data sets, {quoted(suites)}: tasks are matched by name and may not be the same."
        )
    elif reference.fingerprint != other.fingerprint and ours == theirs:
        found.append(
            f"The data called `{suites[0]}` is not the same in both (its content differs): differences are due to "
            "the data too."
        )
    if len(shared) < max(len(ours), len(theirs)):
        found.append(
            f"Compared are the {len(shared)} tasks of both; {len(ours) - len(shared)} are only in the reference and "
            f"{len(theirs) - len(shared)} only in the other. Affinities are means over the sets that tasks were "
            "trained in, so other tasks change them a little."
        )
    metrics = (reference.config.metric, other.config.metric)
    if metrics[0] != metrics[1]:
        first, second = (METRIC_TITLES[metric] for metric in metrics)
        found.append(
            f"The reference was grouped by {first}, the other by {second}: tasks may have moved for that alone, and "
            "the densities cannot be compared."
        )
    return found
