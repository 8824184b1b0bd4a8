"""What a study will do, before it does it: its methods, its seeds, and what bounds them.

Needs no torch, so that a page can ask on every change of a knob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.methods.protocol import METHODS, MethodInfo, find_method
from gradtag_core.models.encoder import ENCODERS, EncoderArchitecture
from gradtag_core.models.families import model_kind
from gradtag_core.study_config import REFERENCES, StudyConfig
from gradtag_core.tasks.kind_checks import require_metric
from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class StudyPlan:
    """A configuration made definite for its suite. `left_out` says, by name, why a method does not apply."""

    config: StudyConfig
    suite: TaskSuite
    architecture: EncoderArchitecture
    n_groups: int
    methods: tuple[MethodInfo, ...]
    left_out: Mapping[str, str]

    @property
    def search_flops(self) -> float | None:
        """The search limit in FLOPs; None for no limit."""
        limit = self.config.search_limit
        return None if limit is None else limit * self.naive_flops

    @property
    def naive_flops(self) -> float:
        """FLOPs of training one model on all tasks."""
        return self.training_flops(tuple(range(self.suite.n_tasks)))

    @property
    def cheapest_flops(self) -> float:
        """What the cheaper of naive multitask and single-task training costs: no budget can be below it."""
        alone = sum(self.training_flops((task,)) for task in range(self.suite.n_tasks))
        return min(self.naive_flops, alone)

    def training_flops(self, tasks: Sequence[int]) -> float:
        """FLOPs of training one model on some tasks."""
        examples = len(self.suite.subset("train", tasks).examples)
        return (
            self.config.epochs * examples * self.architecture.step_flops(self.architecture.n_outputs(tasks))
        )


def make_study_plan(config: StudyConfig, suite: TaskSuite) -> StudyPlan:
    """Check the configuration against the suite (already cut to its tasks) and choose the methods.

    Raises `InvalidInput` for an unknown method, one asked for that does not apply (saying why), more groups than tasks,
    and a metric that some task does not have.
    """
    require_metric(config.metric, suite.kinds, suite.task_names)
    kind = model_kind(config.model, suite)
    if kind not in ENCODERS:
        raise InvalidInput(
            f"`model` must be one of {quoted(tuple(ENCODERS))} in a study, whose methods train every model from "
            f"scratch; `{suite.name}` needs a {kind}. `run` estimates its affinities."
        )
    definite = make_config(n_groups=config.n_groups, subset_size=2).for_tasks(suite.n_tasks)
    asked = [find_method(name) for name in config.methods or ()]
    left_out = {info.name: reason for info in asked or METHODS if (reason := info.why_not(suite))}
    if asked and left_out:
        raise InvalidInput(f"`methods` must apply to the data set: {next(iter(left_out.values()))}")
    names = dict.fromkeys([*REFERENCES, *(info.name for info in asked or METHODS)])
    methods = tuple(find_method(name) for name in names if name not in left_out)
    return StudyPlan(
        config.model_copy(update={"model": kind, "n_groups": definite.n_groups}),
        suite,
        EncoderArchitecture.of(kind, suite, config.width),
        definite.n_groups or 1,
        methods,
        left_out,
    )
