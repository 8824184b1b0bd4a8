"""What every multitask method is given and what it returns, and the list of the methods.

Needs no torch until a method runs, so that a page can list the methods and say which apply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from gradtag_core.affinity.scores import scores_to_json
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.validation import check_n_groups
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.progress import Reporter
from gradtag_core.tasks.kind_checks import require_metric
from gradtag_core.tasks.suite import TaskSuite

if TYPE_CHECKING:
    import torch

    from gradtag_core.training.trainer import Recipe, Trainer

SEARCH_SEED_STEP = 1_000_003  # far apart, so that no search shares a start with the models that are judged
FITTED = ("n_tasks", "outputs", "input_shape")  # what of an architecture follows from the suite
ANY_NUMBER_OF_BASE_MODELS = re.compile(r"grad_tag_m([1-9]\d{0,2})")


@dataclass(frozen=True, eq=False)
class Setting:
    """What a method is judged on: the same suite, model, recipe and number of groups for each.

    `metric` is what searches maximise and what hyperparameters are chosen by, on the validation split. A method whose
    search would train for more than `search_flops` (None: no limit) trains a sample and says so. `threads` as in
    `limited_threads`.
    """

    suite: TaskSuite
    architecture: EncoderArchitecture
    recipe: Recipe
    device: torch.device
    n_groups: int
    seed: int = 0
    metric: Metric = "auc"
    threads: int = 1
    search_flops: float | None = None
    reporter: Reporter = field(default_factory=Reporter)

    def __post_init__(self) -> None:
        n_tasks = self.suite.n_tasks
        check_n_groups(self.n_groups, n_tasks)
        if self.metric not in METRICS:
            raise InvalidInput(f"`metric` must be one of {quoted(METRICS)}; found `{self.metric}`.")
        architecture = self.architecture
        require_metric(self.metric, self.suite.kinds, self.suite.task_names)
        fitting = EncoderArchitecture.of(architecture.kind, self.suite, architecture.width)
        if any(getattr(architecture, name) != getattr(fitting, name) for name in FITTED):
            raise InvalidInput(
                f"`architecture` must be one for the {n_tasks} tasks and the inputs of `{self.suite.name}`; found one "
                f"for {architecture.n_tasks} tasks with {sum(architecture.outputs)} outputs and inputs of shape "
                f"{architecture.input_shape}."
            )
        if self.search_flops is not None and not self.search_flops > 0:
            raise InvalidInput(
                f"`search_flops` must be above 0, or None for no limit; found {self.search_flops}."
            )

    @cached_property
    def trainer(self) -> Trainer:
        from gradtag_core.training.trainer import Trainer

        return Trainer(self.suite, self.architecture, self.device)

    @property
    def everything(self) -> Subset:
        return tuple(range(self.suite.n_tasks))

    @property
    def search_seed(self) -> int:
        """The seed of what a method trains to find its groups; the models that are judged use `seed`."""
        return self.seed + SEARCH_SEED_STEP


@dataclass(frozen=True, eq=False)
class MethodResult:
    """How well a method does and everything it ran.

    `validation`, `test`: (n, metrics) in the order of `config.METRICS`, NaN for one that a task does not have. `groups`
    were trained (None: one model with no groups), `served_by` (n,) says which of them each task is scored with.
    `task_weights` (n,): of the losses, where a method learns them. `choices`: hyperparameters chosen on validation.
    `estimated`: the search was too dear and stands on `sample`, a sentence; `cost` is that of the full search all the
    same.
    """

    method: str
    task_names: tuple[str, ...]
    validation: np.ndarray
    test: np.ndarray
    cost: Cost
    groups: tuple[Subset, ...] | None = None
    served_by: np.ndarray | None = None
    task_weights: np.ndarray | None = None
    choices: Mapping[str, float] = field(default_factory=dict)
    estimated: bool = False
    sample: str | None = None

    def mean_score(self, metric: Metric) -> float:
        """The mean over tasks on the test split; higher is better."""
        return float(self.test[:, METRICS.index(metric)].mean())

    def to_json(self) -> dict[str, Any]:
        def listed(array: np.ndarray | None) -> list | None:
            return None if array is None else array.tolist()

        return {
            "method": self.method, "task_names": list(self.task_names),
            "validation": scores_to_json(self.validation), "test": scores_to_json(self.test),
            "cost": self.cost.to_json(),
            "groups": None if self.groups is None else [list(group) for group in self.groups],
            "served_by": listed(self.served_by), "task_weights": listed(self.task_weights),
            "choices": dict(self.choices), "estimated": self.estimated, "sample": self.sample,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MethodResult:
        """The inverse of `to_json`; `InvalidInput` for what it did not give."""
        try:
            return cls._from_json(values)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InvalidInput(
                f"A stored result of a method must be as it was written; found that {error!r}."
            ) from error

    @classmethod
    def _from_json(cls, values: Mapping[str, Any]) -> MethodResult:
        def array(name: str) -> np.ndarray | None:
            return None if values[name] is None else np.array(values[name])

        groups = values["groups"]
        scores = {split: np.array(values[split], dtype=np.float64) for split in ("validation", "test")}
        return cls(
            values["method"], tuple(values["task_names"]), scores["validation"], scores["test"],
            Cost(**values["cost"]), None if groups is None else tuple(tuple(group) for group in groups),
            array("served_by"), array("task_weights"), dict(values["choices"]), values["estimated"], values["sample"],
        )  # fmt: skip


@dataclass(frozen=True)
class MethodInfo:
    """One method: `module` of this room holds its `run(setting, **options)`."""

    name: str
    title: str
    description: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    least_tasks: int = 1
    needs_graph: bool = False
    needs_binary: bool = False

    def why_not(self, suite: TaskSuite) -> str | None:
        """Why the method does not apply to a suite, as a sentence; None where it does."""
        if suite.n_tasks < self.least_tasks:
            return (
                f"`{self.name}` needs at least {self.least_tasks} tasks; `{suite.name}` has {suite.n_tasks}."
            )
        if self.needs_graph and suite.edges is None:
            return f"`{self.name}` needs a graph; `{suite.name}` has none."
        if self.needs_binary and not suite.all_binary:
            return f"`{self.name}` needs binary tasks; `{suite.name}` has others too."
        return None


METHODS: tuple[MethodInfo, ...] = (
    MethodInfo("single_task", "Single-task", "One model per task.", "single_task"),
    MethodInfo("naive_mtl", "Naive multitask", "One model for all tasks.", "naive_mtl"),
    MethodInfo(
        "random_groups", "Random groups", "Groups of equal size drawn at random, one model each.", "random_groups"
    ),
    MethodInfo(
        "pcgrad", "PCGrad", "One model whose tasks' gradients lose what conflicts with another's.", "pcgrad"
    ),
    MethodInfo("mmoe", "MMoE", "One model of several experts, mixed for each task by a gate of its own.", "mmoe"),
    MethodInfo(
        "auto_lambda", "Auto-λ", "One model with loss weights that learn by looking one step ahead.", "auto_lambda"
    ),
    MethodInfo(
        "forward_selection", "Forward selection",
        "Each task in turn joins the group where really trained models end up best.", "stepwise",
        {"direction": "forward"}, 3,
    ),
    MethodInfo(
        "backward_selection", "Backward selection",
        "Tasks leave one common group for others while really trained models improve.", "stepwise",
        {"direction": "backward"}, 3,
    ),
    MethodInfo(
        "forward_selection_estimated", "Forward selection, estimated",
        "Forward selection by gradient estimates in place of training.", "stepwise",
        {"direction": "forward", "estimated": True}, 3,
    ),
    MethodInfo(
        "backward_selection_estimated", "Backward selection, estimated",
        "Backward selection by gradient estimates in place of training.", "stepwise",
        {"direction": "backward", "estimated": True}, 3,
    ),
    MethodInfo(
        "tag", "TAG", "Groups by how a step on one task's loss changes the others', probed in one training.", "tag",
        least_tasks=2,
    ),
    MethodInfo("hoa", "HOA", "Groups predicted from really trained pairs of tasks.", "hoa", least_tasks=2),
    MethodInfo(
        "boostmtl", "BoostMTL", "Spectral clustering of scores of really trained random subsets.", "boostmtl",
        least_tasks=3,
    ),
    MethodInfo(
        "principled_task_grouping", "Principled Task Grouping",
        "Densest groups by what tasks gain from stepping together, probed in one training.",
        "principled_task_grouping", least_tasks=2,
    ),
    MethodInfo(
        "etap", "ETAP", "Groups by gains predicted from gradient affinities and some really trained groups.", "etap",
        least_tasks=3,
    ),
    MethodInfo(
        "grad_tag", "Grad-TAG, M = 1", "Groups by gradient estimates at one model trained on all tasks.", "grad_tag",
        {"n_inits": 1}, 3,
    ),
    MethodInfo(
        "grad_tag_accurate", "Grad-TAG, accurate",
        "Groups by gradient estimates at three models, joined with many small trained models.", "grad_tag",
        {"preset": "accurate"}, 3,
    ),
    MethodInfo(
        "small_models", "Small models", "Groups by an additive model of many small trained models, without gradients.",
        "grad_tag", {"n_inits": 0, "proxies_per_task": 10}, 3,
    ),
    MethodInfo(
        "louvain", "Louvain", "Each task takes the cluster most like it among those of highest modularity.", "louvain",
        needs_graph=True, needs_binary=True,
    ),
    MethodInfo(
        "bigclam", "BigClam", "Each task takes the cluster most like it among overlapping ones, which share edges.",
        "bigclam", needs_graph=True, needs_binary=True,
    ),
    MethodInfo(
        "node2vec", "node2vec", "A logistic regression per task on vectors of nodes that meet on random walks.",
        "node2vec", needs_graph=True, needs_binary=True,
    ),
    MethodInfo(
        "verse", "VERSE", "A logistic regression per task on vectors that follow personalised PageRank.", "verse",
        needs_graph=True, needs_binary=True,
    ),
    MethodInfo(
        "mincut", "MinCutPool", "A logistic regression per task on soft clusters that cut few edges.", "mincut",
        least_tasks=2, needs_graph=True, needs_binary=True,
    ),
    MethodInfo(
        "dmon", "DMoN", "A logistic regression per task on soft clusters of high modularity.", "dmon",
        least_tasks=2, needs_graph=True, needs_binary=True,
    ),
)  # fmt: skip


def find_method(name: str) -> MethodInfo:
    """The method of that name, `grad_tag_m7` being Grad-TAG with seven base models; an unknown name is an
    `InvalidInput` with the nearest known one."""
    known = {info.name: info for info in METHODS}
    if name in known:
        return known[name]
    number = ANY_NUMBER_OF_BASE_MODELS.fullmatch(name)
    if number:
        n_inits = int(number[1])
        return replace(
            known["grad_tag"],
            name=name,
            title=f"Grad-TAG, M = {n_inits}",
            options={"n_inits": n_inits},
            description=f"Groups by gradient estimates at {n_inits} models trained on all tasks.",
        )
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    raise InvalidInput(f"`method` must be one of {quoted(tuple(known), 99)}; found `{name}`.{hint}")


def run_method(name: str, setting: Setting) -> MethodResult:
    """Run one method; the same name and setting give the same scores on the same machine.

    Raises `InvalidInput` for an unknown method and for one that does not apply, saying why.
    """
    from gradtag_core.models.device import limited_threads

    info = find_method(name)
    reason = info.why_not(setting.suite)
    if reason:
        raise InvalidInput(f"`method` must apply to the suite: {reason}")
    with limited_threads(setting.threads):
        result = import_module(f"gradtag_core.methods.{info.module}").run(setting, **info.options)
    return replace(result, method=name)
