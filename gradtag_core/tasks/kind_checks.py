"""What the kinds of tasks allow: metrics that score all of them, and work that is for binary ones alone."""

from collections.abc import Sequence

from gradtag_core.config import METRICS, Metric
from gradtag_core.errors import InvalidInput, quoted

OF_TARGETS: tuple[Metric, ...] = (
    "loss",
    "auc",
)  # of a regression: its squared error and its concordance index


def metrics_of(kinds: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics that every one of the kinds has."""
    return OF_TARGETS if "regression" in kinds else METRICS


def require_metric(metric: Metric, kinds: Sequence[str], task_names: Sequence[str]) -> None:
    """Raise `InvalidInput` where a task has no such score."""
    if metric not in metrics_of(kinds):
        lacking = [name for name, kind in zip(task_names, kinds, strict=True) if kind == "regression"]
        raise InvalidInput(
            f"`metric` must be one that scores every task; found `{metric}`, which tasks with numeric targets do not "
            f"have ({quoted(lacking)}). Choose {' or '.join(f'`{each}`' for each in OF_TARGETS)}, or leave them out."
        )


def require_binary(kinds: Sequence[str], task_names: Sequence[str], needing: str) -> None:
    """Raise `InvalidInput`, for what is `needing` binary tasks, where some are not."""
    others = [name for name, kind in zip(task_names, kinds, strict=True) if kind != "binary"]
    if others:
        raise InvalidInput(
            f"{needing} needs binary tasks; {quoted(others)} {'is' if len(others) == 1 else 'are'} of another kind. "
            "Choose something else, or leave them out."
        )
