"""Training and scoring many models at once, on subsets and seeds of their own: the function f(S, .) of the paper
(section 2), as `Trainer` computes it one by one.

The models of a stack hold their weights in common tensors and step together, each on its own batch: a few large
products take the place of many small ones, which spend most of their time on being started.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, measure
from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import made_ready, spent_flops
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split, TaskSuite
from gradtag_core.training.metrics import score_logits
from gradtag_core.training.one_by_one import fit_each
from gradtag_core.training.stacked_data import StackedData
from gradtag_core.training.stacked_model import StackedModel, Tasks, Weights
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer, entry_weights

LARGEST_STACK = 8  # on a CPU more models share no more overhead and leave the cache
STACK_BYTES = 2**27  # weights, gradients, moments and activations of a stack in training
SCORED_ROWS = 512  # examples per model and pass, few enough that activations stay in the cache

Work = Sequence[tuple[Tasks, int]]
_building = Lock()  # building a model borrows torch's global generator


class _Job(NamedTuple):
    position: int
    tasks: Tasks
    seed: int
    n_examples: int


def fit_many(
    trainer: Trainer, work: Work, recipe: Recipe, reporter: Reporter | None = None,
    stack_size: int | None = None, advance: Callable[[float], None] | None = None,
) -> Generator[dict[int, BaseModel], None, None]:  # fmt: skip
    """Train from scratch on each (tasks, seed) of `work`; yield each stack as it ends: position in `work` -> model.

    A model starts, sees its batches and steps as in `Trainer.fit`, so it differs from that one by rounding only, and
    the same `work` gives the same numbers. One thread does best: products of this size gain nothing from a second.
    FLOPs are exact for each model; elapsed seconds are shared among models in proportion to them. Cancelling stops
    between two steps and loses only stacks not yet yielded. `stack_size` None: as many models as `STACK_BYTES` hold, on
    a CPU at most `LARGEST_STACK`; an architecture that has no stacked form is trained one by one. `advance` hears after
    each step how many trainings' worth of work it was. Raises `InvalidInput` for tasks that the suite does not have.
    """
    if stack_size is not None and stack_size < 1:
        raise InvalidInput(
            f"`stack_size` must be at least 1, or None to fit the memory budget; found {stack_size}."
        )
    if not trainer.stackable:
        yield from fit_each(trainer, work, recipe, reporter, advance)
        return
    stacks = _stacks(trainer.suite, work, stack_size or _stack_size(trainer, recipe.batch_size))
    with _building:
        fresh = {seed: trainer.architecture.build(seed).state_dict() for seed in {seed for _, seed in work}}
        encoder = _encoder(trainer)
    check = (reporter or Reporter()).check
    for jobs in stacks:
        weights, tasks = [fresh[job.seed] for job in jobs], [job.tasks for job in jobs]
        stack = StackedModel(encoder, weights, tasks, trainer.device)
        yield _fit_stack(trainer, stack, jobs, recipe, fresh, check, advance or (lambda trainings: None))


def score_many(
    trainer: Trainer, models: Sequence[BaseModel], subsets: Sequence[Tasks], split: Split
) -> list[np.ndarray]:
    """Every metric of each model on a split of its own tasks, as `Trainer.score` does: (tasks, metrics) each."""
    if len(models) != len(subsets):
        raise InvalidInput(
            f"`subsets` must name the tasks of each model; found {len(subsets)} for {len(models)} models."
        )
    if not trainer.stackable:
        return [trainer.score(model, tasks, split) for model, tasks in zip(models, subsets, strict=True)]
    with _building:
        encoder = _encoder(trainer)
    work = [(tasks, 0) for tasks in subsets]
    scores: dict[int, np.ndarray] = {}
    for jobs in _stacks(trainer.suite, work, _stack_size(trainer, SCORED_ROWS), split):
        positions, tasks = [job.position for job in jobs], [job.tasks for job in jobs]
        weights = [models[position].weights for position in positions]
        stack = StackedModel(encoder, weights, tasks, trainer.device)
        scores |= zip(positions, _score_stack(trainer, stack, tasks, split), strict=True)
    return [scores[position] for position in range(len(models))]


def _encoder(trainer: Trainer) -> nn.Module:
    return trainer.architecture.build(0).get_submodule("encoder")


def _stacks(suite: TaskSuite, work: Work, size: int, split: Split = "train") -> list[list[_Job]]:
    """Models with equally many tasks and about equally many examples, at most `size` together, the longest first."""
    jobs = [
        _Job(position, tasks, seed, len(suite.subset(split, tasks).examples))
        for position, (tasks, seed) in enumerate(work)
    ]
    jobs.sort(key=lambda job: (len(job.tasks), job.n_examples), reverse=True)
    stacks: list[list[_Job]] = []
    for _, members in groupby(jobs, key=lambda job: len(job.tasks)):
        alike = list(members)
        stacks += [alike[start : start + size] for start in range(0, len(alike), size)]
    return stacks


class _Adam:
    """Adam as `Trainer` uses it. `torch.optim.Adam` itself would sort its parameters anew at each step."""

    def __init__(self, stack: StackedModel, learning_rate: float):
        self._stack = stack
        self._learning_rate = learning_rate
        # Mean and mean square of each gradient, and the number of steps.
        self._state: list[tuple[Tensor, Tensor, Tensor]] = [
            (
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
                torch.zeros((), device=parameter.device),
            )
            for parameter in stack.parameters.values()
        ]

    def step(self) -> None:
        parameters = list(self._stack.parameters.values())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        means, squares, steps = (list(part) for part in zip(*self._state, strict=True))
        adam(
            parameters, gradients, means, squares, [], steps, fused=True, amsgrad=False, beta1=0.9, beta2=0.999,
            lr=self._learning_rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip

    def keep_first(self, n_models: int) -> None:
        """Drop all but the first models of the stack."""

        def first(stacked: Tensor) -> Tensor:
            return stacked[:, :n_models].contiguous()

        self._state = [(first(mean), first(square), steps) for mean, square, steps in self._state]
        self._stack.set_parameters({name: first(value) for name, value in self._stack.parameters.items()})


def _fit_stack(
    trainer: Trainer, stack: StackedModel, jobs: Sequence[_Job], recipe: Recipe, fresh: Mapping[int, Weights],
    check: Callable[[], None], advance: Callable[[float], None],
) -> dict[int, BaseModel]:  # fmt: skip
    """One stack; `jobs` are sorted by number of examples, the largest first, so that the last models end first."""
    architecture = trainer.architecture
    finished: dict[int, Weights] = {}
    with measure() as meter:
        data = [trainer.suite.subset("train", job.tasks) for job in jobs]
        entries = [entry_weights(part.mask, recipe.weighting) for part in data]
        before = spent_flops(trainer.inputs)
        made_ready(trainer.inputs, np.concatenate([part.examples for part in data]), check)
        table = StackedData.of(trainer.inputs, data, entries, stack.branches, trainer.device)
        made = spent_flops(trainer.inputs) - before
        optimiser = _Adam(stack, recipe.learning_rate)
        batches = [_batches(job, recipe) for job in jobs]
        n_steps = [recipe.epochs * ceil(job.n_examples / recipe.batch_size) for job in jobs]
        # Padded to one width, so that no batch that is cut short changes the shapes, and so the rounding, of others.
        width = min(recipe.batch_size, jobs[0].n_examples)
        for step in range(1, n_steps[0] + 1):
            check()
            _step(stack, optimiser, table, [next(each) for each in batches], width)
            advance(sum(1 / n_steps[model] for model in range(len(stack))))
            active = sum(count > step for count in n_steps)
            for model in range(active, len(stack)):
                job = jobs[model]
                finished[job.position] = stack.weights_of(model, job.tasks, fresh[job.seed])
            if active < len(stack):
                del batches[active:]
                optimiser.keep_first(active)
    flops = [
        recipe.epochs * job.n_examples * architecture.step_flops(len(job.tasks)) + made / len(jobs)
        for job in jobs
    ]
    pace = meter.seconds / sum(flops)
    return {
        job.position: BaseModel(
            architecture, finished[job.position], job.seed, Cost(own, own * pace, meter.cost.peak_bytes)
        )
        for job, own in zip(jobs, flops, strict=True)
    }


def _step(
    stack: StackedModel, optimiser: _Adam, table: StackedData, own: Sequence[Tensor], width: int
) -> None:
    """One step of every model on its own batch; none touches another's weights, so each gets its own gradient."""
    sizes = zip(table.offsets[1:], table.offsets, own, strict=False)
    scale = torch.tensor([(stop - start) / len(batch) for stop, start, batch in sizes])
    rows = table.rows(own, width)
    logits = stack.logits(table.inputs_of(rows))
    stack.backward(table.logit_gradients(logits, rows, scale.to(logits.device)))
    optimiser.step()


def _batches(job: _Job, recipe: Recipe) -> Iterator[Tensor]:
    """The batches of a training, in the order of `Trainer.fit`."""
    generator = torch.Generator().manual_seed(job.seed)
    for _ in range(recipe.epochs):
        yield from torch.randperm(job.n_examples, generator=generator).split(recipe.batch_size)


def _stack_size(trainer: Trainer, batch_size: int) -> int:
    """How many models fit `STACK_BYTES`: weights, gradients and two moments; inputs, and five arrays of each layer's
    outputs."""
    with _building:
        model = trainer.architecture.build(0)
    outputs = sum(layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear))
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    per_example = trainer.inputs.nbytes // (4 * len(trainer.inputs)) + 5 * outputs
    fitting = STACK_BYTES // (4 * (4 * n_parameters + batch_size * per_example))
    return max(1, min(fitting, LARGEST_STACK) if trainer.device.type == "cpu" else fitting)


def _score_stack(
    trainer: Trainer, stack: StackedModel, subsets: Sequence[Tasks], split: Split
) -> list[np.ndarray]:
    suite, device = trainer.suite, trainer.device
    data = [suite.subset(split, tasks) for tasks in subsets]
    table = StackedData.of(trainer.inputs, data, [part.labels for part in data], stack.branches, device)
    rows = table.rows([torch.arange(len(part.examples)) for part in data], max(len(p.examples) for p in data))
    parts = [stack.logits(table.inputs_of(part)) for part in rows.split(SCORED_ROWS, dim=1)]
    logits = torch.cat(parts, dim=2).double()

    # The models that have a task share its rows and labels there, so they are scored in one go.
    columns: dict[int, list[tuple[int, int]]] = {}
    for model, tasks in enumerate(subsets):
        for column, task in enumerate(tasks):
            columns.setdefault(task, []).append((model, column))
    scores = [np.empty((len(tasks), len(METRICS))) for tasks in subsets]
    for task, places in columns.items():
        own = [logits[model, column, np.flatnonzero(data[model].mask[:, column])] for model, column in places]
        labels = torch.from_numpy(suite.labels[suite.indices(split, task), task]).double().to(device)
        found = score_logits(torch.stack(own, dim=1), labels).cpu().numpy()
        for (model, column), row in zip(places, found, strict=True):
            scores[model][column] = row
    return scores
