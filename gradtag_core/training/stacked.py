"""Training and scoring many models at once, on subsets and seeds of their own: the function f(S, .) of the paper
(section 2), as `Trainer` computes it one by one.

The models of a stack hold their weights in common tensors and step together, each on its own batch: a few large
products take the place of many small ones, which spend most of their time on being started.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from math import ceil, prod
from threading import Event
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, measure
from gradtag_core.errors import InvalidInput
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split, SubsetData, TaskSuite
from gradtag_core.training.metrics import score_logits
from gradtag_core.training.stacked_model import StackedModel, Tasks, Weights
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer, entry_weights

LARGEST_STACK = 16  # on a CPU more models share no more overhead and leave the cache
STACK_BYTES = 2**28  # weights, gradients, moments and activations of all stacks in training
SCORED_ROWS = 512  # examples per model and pass, few enough that activations stay in the cache


class _Job(NamedTuple):
    position: int
    tasks: Tasks
    seed: int
    n_examples: int


def fit_many(
    trainer: Trainer, work: Sequence[tuple[Tasks, int]], recipe: Recipe,
    reporter: Reporter | None = None, stack_size: int | None = None,
) -> Generator[dict[int, BaseModel], None, None]:  # fmt: skip
    """Train from scratch on each (tasks, seed) of `work`; yield each stack as it ends: position in `work` -> model.

    A model starts, sees its batches and steps as in `Trainer.fit`, so it differs from that one by rounding only.
    On a CPU each of torch's threads trains a stack of its own, which scales better than threads inside a product.
    FLOPs are exact for each model; elapsed seconds are shared among models in proportion to them. Cancelling stops
    between two steps and loses only stacks not yet yielded. `stack_size` None: as many models as `STACK_BYTES` hold, at
    most `LARGEST_STACK`. Raises `InvalidInput` for tasks that the suite does not have and for an encoder that has
    no stacked form.
    """
    if stack_size is not None and stack_size < 1:
        raise InvalidInput(
            f"`stack_size` must be at least 1, or None to fit the memory budget; found {stack_size}."
        )
    workers = torch.get_num_threads() if trainer.device.type == "cpu" else 1
    size = stack_size or _stack_size(trainer, recipe.batch_size, workers, len(work))
    stacks = _stacks(trainer.suite, work, size)
    # Building draws from torch's global generator, so it stays out of the threads.
    fresh = {seed: trainer.architecture.build(seed).state_dict() for seed in {seed for _, seed in work}}
    encoder = trainer.architecture.build(0).encoder
    stopped = Event()
    reporters = (reporter or Reporter(), Reporter(cancel=stopped))

    def check() -> None:
        for each in reporters:
            each.check()

    def fit(jobs: Sequence[_Job]) -> dict[int, BaseModel]:
        stack = StackedModel(
            encoder, [fresh[job.seed] for job in jobs], [job.tasks for job in jobs], trainer.device
        )
        return _fit_stack(trainer, stack, jobs, recipe, fresh, workers, check)

    with limited_threads(1), ThreadPoolExecutor(workers) as pool:
        try:
            for running in [pool.submit(fit, jobs) for jobs in stacks]:
                yield running.result()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def score_many(
    trainer: Trainer, models: Sequence[BaseModel], subsets: Sequence[Tasks], split: Split
) -> list[np.ndarray]:
    """Every metric of each model on a split of its own tasks, as `Trainer.score` does: (tasks, metrics) each."""
    if len(models) != len(subsets):
        raise InvalidInput(
            f"`subsets` must name the tasks of each model; found {len(subsets)} for {len(models)} models."
        )
    encoder = trainer.architecture.build(0).encoder
    size = _stack_size(trainer, SCORED_ROWS, 1, len(models))
    work = [(tasks, 0) for tasks in subsets]
    scores: dict[int, np.ndarray] = {}
    for jobs in _stacks(trainer.suite, work, size, split):
        positions, tasks = [job.position for job in jobs], [job.tasks for job in jobs]
        weights = [models[position].weights for position in positions]
        stack = StackedModel(encoder, weights, tasks, trainer.device)
        scores |= zip(positions, _score_stack(trainer, stack, tasks, split), strict=True)
    return [scores[position] for position in range(len(models))]


def _stacks(
    suite: TaskSuite, work: Sequence[tuple[Tasks, int]], size: int, split: Split = "train"
) -> list[list[_Job]]:
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


@dataclass(frozen=True)
class _StackedData:
    """The subsets of a stack, rows one after another and a last row that pads: it weighs nothing.

    `inputs` (U, features) holds each example once; `examples` (R + 1,) index it; `labels`, `weights` (R + 1, s);
    the rows of model i start at `offsets[i]`.
    """

    inputs: Tensor
    examples: Tensor
    labels: Tensor
    weights: Tensor
    offsets: list[int]
    input_shape: tuple[int, ...]

    @classmethod
    def of(
        cls, suite: TaskSuite, data: Sequence[SubsetData], weights: Sequence[np.ndarray], device: torch.device
    ) -> "_StackedData":
        used, places = np.unique(np.concatenate([part.examples for part in data]), return_inverse=True)
        offsets = np.cumsum([0, *(len(part.examples) for part in data)]).tolist()
        padding = np.zeros((1, data[0].labels.shape[1]), dtype=np.float32)
        labels = np.concatenate([*(part.labels for part in data), padding])
        return cls(
            torch.from_numpy(suite.inputs[used]).flatten(1).to(device),
            torch.from_numpy(np.append(places, 0)).to(device),
            torch.from_numpy(labels).to(device),
            torch.from_numpy(np.concatenate([*weights, padding])).to(device),
            offsets,
            suite.inputs.shape[1:],
        )

    def rows(self, own: Sequence[Tensor], width: int) -> Tensor:
        """Rows of this table from each model's own row numbers, padded: (models, width)."""
        rows = torch.full((len(own), width), self.offsets[-1])
        for model, batch in enumerate(own):
            rows[model, : len(batch)] = batch + self.offsets[model]
        return rows.to(self.inputs.device)

    def inputs_of(self, rows: Int[Tensor, "models batch"]) -> Float[Tensor, "models batch ..."]:
        taken = self.inputs.index_select(0, self.examples[rows].flatten())
        return taken.view(*rows.shape, *self.input_shape)

    def loss(self, logits: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        """The sum of the models' losses: none touches another's weights, so each gets its own gradient."""
        labels, weights = (
            table.index_select(0, rows.flatten()).view_as(logits) for table in (self.labels, self.weights)
        )
        return nn.functional.binary_cross_entropy_with_logits(
            logits, labels, weight=weights.mul_(scale), reduction="sum"
        )


def _fit_stack(
    trainer: Trainer, stack: StackedModel, jobs: Sequence[_Job], recipe: Recipe, fresh: Mapping[int, Weights],
    workers: int, check: Callable[[], None],
) -> dict[int, BaseModel]:  # fmt: skip
    """One stack; `jobs` are sorted by number of examples, the largest first, so that the last models end first."""
    architecture = trainer.architecture
    finished: dict[int, Weights] = {}
    with measure() as meter:
        data = [trainer.suite.subset("train", job.tasks) for job in jobs]
        entries = [entry_weights(part.mask, recipe.weighting) for part in data]
        table = _StackedData.of(trainer.suite, data, entries, trainer.device)
        optimiser = torch.optim.Adam(stack.parameters.values(), lr=recipe.learning_rate, fused=True)
        batches = [_batches(job, recipe) for job in jobs]
        for step in range(1, _n_steps(jobs[0], recipe) + 1):
            check()
            _step(stack, optimiser, table, [next(each) for each in batches], recipe.batch_size)
            active = sum(_n_steps(job, recipe) > step for job in jobs)
            for model in range(active, len(stack)):
                job = jobs[model]
                finished[job.position] = stack.weights_of(model, job.tasks, fresh[job.seed])
            if active < len(stack):
                del batches[active:]
                optimiser = _keep_first(stack, optimiser, active)
    flops = [recipe.epochs * job.n_examples * architecture.step_flops(len(job.tasks)) for job in jobs]
    pace = meter.seconds / workers / sum(flops)  # as many stacks as workers share the time that passes
    return {
        job.position: BaseModel(
            architecture, finished[job.position], job.seed, Cost(own, own * pace, meter.cost.peak_bytes)
        )
        for job, own in zip(jobs, flops, strict=True)
    }


def _step(
    stack: StackedModel, optimiser: torch.optim.Adam, table: _StackedData, own: Sequence[Tensor], width: int
) -> None:
    """One step of every model on its own batch, all padded to one width: shapes, and so rounding, do not depend on
    which models share the stack."""
    sizes = zip(table.offsets[1:], table.offsets, own, strict=False)
    scale = torch.tensor([(stop - start) / len(batch) for stop, start, batch in sizes])
    rows = table.rows(own, width)
    logits = stack.logits(table.inputs_of(rows))
    optimiser.zero_grad(set_to_none=True)
    table.loss(logits, rows, scale[:, None, None].to(logits.device)).backward()
    optimiser.step()


def _batches(job: _Job, recipe: Recipe) -> Iterator[Tensor]:
    """The batches of a training, in the order of `Trainer.fit`."""
    generator = torch.Generator().manual_seed(job.seed)
    for _ in range(recipe.epochs):
        yield from torch.randperm(job.n_examples, generator=generator).split(recipe.batch_size)


def _n_steps(job: _Job, recipe: Recipe) -> int:
    return recipe.epochs * ceil(job.n_examples / recipe.batch_size)


def _keep_first(stack: StackedModel, optimiser: torch.optim.Adam, n_models: int) -> torch.optim.Adam:
    """Drop all but the first models of a stack; the optimiser returned goes on with these from where it was."""
    moments = {name: optimiser.state[parameter] for name, parameter in stack.parameters.items()}
    stack.parameters = {
        name: parameter.detach()[:n_models].requires_grad_() for name, parameter in stack.parameters.items()
    }
    rest = torch.optim.Adam(stack.parameters.values(), lr=optimiser.defaults["lr"], fused=True)
    for name, parameter in stack.parameters.items():
        rest.state[parameter] = {
            key: value[:n_models] if value.ndim else value for key, value in moments[name].items()
        }
    return rest


def _stack_size(trainer: Trainer, batch_size: int, workers: int, n_models: int) -> int:
    """How many models fit a worker's share of `STACK_BYTES` (weights, gradients and two moments; inputs, and five
    arrays of each layer's outputs), but no more than leave every worker some."""
    architecture = trainer.architecture
    model = architecture.build(0)
    outputs = sum(layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear))
    per_example = prod(architecture.input_shape) + 5 * outputs
    fitting = STACK_BYTES // workers // (4 * (4 * architecture.n_parameters + batch_size * per_example))
    largest = LARGEST_STACK if trainer.device.type == "cpu" else fitting
    return max(1, min(largest, fitting, ceil(n_models / workers)))


def _score_stack(
    trainer: Trainer, stack: StackedModel, subsets: Sequence[Tasks], split: Split
) -> list[np.ndarray]:
    suite, device = trainer.suite, trainer.device
    data = [suite.subset(split, tasks) for tasks in subsets]
    table = _StackedData.of(suite, data, [part.labels for part in data], device)
    rows = table.rows([torch.arange(len(part.examples)) for part in data], max(len(p.examples) for p in data))
    with torch.no_grad():
        parts = [stack.logits(table.inputs_of(part)) for part in rows.split(SCORED_ROWS, dim=1)]
    logits = torch.cat(parts, dim=1).double()

    # The models that have a task share its rows and labels there, so they are scored in one go.
    columns: dict[int, list[tuple[int, int]]] = {}
    for model, tasks in enumerate(subsets):
        for column, task in enumerate(tasks):
            columns.setdefault(task, []).append((model, column))
    scores = [np.empty((len(tasks), len(METRICS))) for tasks in subsets]
    for task, places in columns.items():
        own = [logits[model, np.flatnonzero(data[model].mask[:, column]), column] for model, column in places]
        labels = torch.from_numpy(suite.labels[suite.indices(split, task), task]).double().to(device)
        found = score_logits(torch.stack(own, dim=1), labels).cpu().numpy()
        for (model, column), row in zip(places, found, strict=True):
            scores[model][column] = row
    return scores
