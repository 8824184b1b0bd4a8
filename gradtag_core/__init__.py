"""Which tasks should be learned together: task affinity by Grad-TAG (arXiv 2409.06091), and groups from it.

The public names are imported on first use, so that a page or a command pays only for what it needs.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "AffinityMatrix": "affinity.matrix",
    "Comparison": "evaluation.comparison",
    "Cost": "cost",
    "GradTagError": "errors",
    "Grouping": "grouping.result",
    "InvalidInput": "errors",
    "RunConfig": "config",
    "RunRecord": "runs.record",
    "RunStore": "runs.store",
    "SubsetScores": "affinity.scores",
    "TaskSuite": "tasks.suite",
    "average": "affinity.matrix",
    "cluster": "grouping.cluster",
    "compare": "evaluation.comparison",
    "load_suite": "tasks.registry",
    "make_config": "config",
    "open_store": "runs.start",
    "own_model": "models.custom",
    "run": "runs.start",
    "suite_infos": "tasks.registry",
    "suite_of": "tasks.arrays",
    "tabular_suite": "tasks.tabular",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
