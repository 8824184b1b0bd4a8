"""Training many models one after another, for those that have no stacked form."""

from collections.abc import Callable, Generator, Sequence
from math import ceil

from gradtag_core.progress import Reporter
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer

Work = Sequence[tuple[Sequence[int], int]]


def fit_each(
    trainer: Trainer, work: Work, recipe: Recipe, reporter: Reporter | None = None,
    advance: Callable[[float], None] | None = None,
) -> Generator[dict[int, BaseModel], None, None]:  # fmt: skip
    """Train from scratch on each (tasks, seed) of `work`; yield each as it ends: position in `work` -> model.

    `advance` hears after each step what share of a training it was.
    """
    for position, (tasks, seed) in enumerate(work):
        n_steps = recipe.epochs * ceil(len(trainer.suite.subset("train", tasks).examples) / recipe.batch_size)
        step = (lambda done, share=1 / n_steps: advance(done * share)) if advance else None
        yield {position: trainer.fit(tasks, recipe, seed, reporter=reporter, advance=step)}
