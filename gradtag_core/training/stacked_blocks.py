"""Blocks of trainings in parallel: each thread trains one block at a time as stacks, and scores it."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import torch

from gradtag_core.cost import Cost
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split
from gradtag_core.training.stacked import Work, fit_many, score_many
from gradtag_core.training.trainer import Recipe, Trainer

POLL_SECONDS = 0.1

Scored = list[tuple[np.ndarray, Cost]]  # of each training: (tasks, metrics), and what it cost


@dataclass(frozen=True)
class Advance:
    """How many trainings' worth of work is done so far, and the blocks that ended since the last report."""

    trainings: float
    ended: dict[int, Scored]


def fit_and_score(
    trainer: Trainer, blocks: Sequence[Work], recipe: Recipe, split: Split, reporter: Reporter | None = None
) -> Generator[Advance, None, None]:
    """Train from scratch, and score on `split`, each (tasks, seed) of each block; report several times a second.

    A block's numbers follow from the block alone, not from its neighbours or the number of threads: on a CPU each of
    torch's threads works on a block of its own, which scales better than threads inside a product; where models have no
    stacked form, one block is worked on at a time. Cancelling stops
    between two steps and loses only blocks not yet reported. Seconds are elapsed ones: blocks that are trained at the
    same time share them.
    """
    reporter = reporter or Reporter()
    stopped = Event()
    threads = torch.get_num_threads()
    alone = trainer.device.type != "cpu" or not trainer.stackable
    workers = 1 if alone else max(1, min(threads, len(blocks)))
    advanced = [0.0] * len(blocks)  # each entry is written by one thread

    def fit_and_score_block(index: int) -> Scored:
        def advance(trainings: float) -> None:
            # Shares of trainings that make up the whole may round to a little more than it.
            advanced[index] = min(advanced[index] + trainings, float(len(blocks[index])))

        scored = _fit_and_score_block(
            trainer, blocks[index], recipe, split, Reporter(cancel=stopped), advance
        )
        advanced[index] = float(len(scored))
        return [(scores, replace(cost, seconds=cost.seconds / workers)) for scores, cost in scored]

    with limited_threads(threads if alone else 1), ThreadPoolExecutor(workers) as pool:
        running: dict[Future[Scored], int] = {
            pool.submit(fit_and_score_block, index): index for index in range(len(blocks))
        }
        try:
            while running:
                done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                reporter.check()
                ended = {running.pop(future): future.result() for future in done}
                yield Advance(sum(advanced), ended)
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def _fit_and_score_block(
    trainer: Trainer, work: Work, recipe: Recipe, split: Split, reporter: Reporter,
    advance: Callable[[float], None],
) -> Scored:  # fmt: skip
    scored: dict[int, tuple[np.ndarray, Cost]] = {}
    for stack in fit_many(trainer, work, recipe, reporter, advance=advance):
        models = list(stack.values())
        scores = score_many(trainer, models, [work[position][0] for position in stack], split)
        costs = [model.cost for model in models]
        scored |= zip(stack, zip(scores, costs, strict=True), strict=True)
    return [scored[position] for position in range(len(work))]
