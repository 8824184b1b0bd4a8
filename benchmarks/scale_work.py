"""What `benchmarks.scale` measures, in a process of its own: `python -m benchmarks.scale_work JSON` prints JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_SECONDS = 0.01
EDGES_PER_NODE = 50  # as of the Orkut graph of the paper
EDGES, MEMBERS, ENDS = "edges.npy", "members.npy", "ends.npy"


@dataclass(frozen=True)
class Work:
    """One measured run: a generated graph in `graph`, its tasks, the model, and what is estimated.

    `n_pairs` of tasks are estimated beside the `n_subsets` of `subset_size`; `memory` in GiB; `groups`: whether the
    affinities are grouped too.
    """

    graph: str
    n_nodes: int
    n_tasks: int
    n_subsets: int = 2000
    subset_size: int = 10
    n_pairs: int = 0
    n_inits: int = 1
    members: int = 100
    hops: int = 2
    dim: int = 64
    width: int = 64
    base_epochs: int = 5
    proj_dim: int = 200
    memory: float = 2.0
    groups: bool = True


@dataclass
class Memory:
    """The peaks of this process in each stage, in bytes: `anonymous` memory (RssAnon, sampled), which the system cannot
    take back, and `resident` (VmHWM), which counts the pages of mapped files too."""

    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    _peak: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._peak = status_bytes("RssAnon")
        wall, busy = time.perf_counter(), time.process_time()
        yield
        self._peak = max(self._peak, status_bytes("RssAnon"))
        self.stages[name] = {
            "seconds": time.perf_counter() - wall, "cpu seconds": time.process_time() - busy,
            "anonymous": self._peak, "resident": status_bytes("VmHWM"),
        }  # fmt: skip

    @contextmanager
    def watched(self) -> Iterator[None]:
        def look() -> None:
            while not self._ended.wait(SAMPLE_SECONDS):
                self._peak = max(self._peak, status_bytes("RssAnon"))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()


def status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def make_graph(folder: Path, n_nodes: int, n_communities: int, seed: int = 0) -> None:
    """A generated graph of that size, as arrays that can be mapped."""
    from gradtag_core.tasks.generated_graph import generate_graph

    graph = generate_graph(n_nodes, n_nodes * EDGES_PER_NODE, n_communities, seed)
    np.save(folder / EDGES, graph.edges)
    np.save(folder / MEMBERS, np.concatenate(graph.communities).astype(np.int32))
    np.save(folder / ENDS, np.cumsum([len(own) for own in graph.communities]))


def communities_of(folder: Path, n_wanted: int) -> list[np.ndarray]:
    """The first communities, which are the largest, mapped from their file."""
    members = np.load(folder / MEMBERS, mmap_mode="r", allow_pickle=False)
    ends = np.load(folder / ENDS, allow_pickle=False)[:n_wanted]
    return np.split(members[: ends[-1]], ends[:-1])


def measure(work: Work, folder: Path) -> dict[str, Any]:
    """The stages of a run on this graph, one after the other in this process."""
    from gradtag_core.affinity.label_similarity import label_similarity
    from gradtag_core.config import make_config
    from gradtag_core.models.device import limited_threads
    from gradtag_core.runs.plan import make_plan
    from gradtag_core.tasks.sampled_graph import sampled_community_suite

    graph, memory, facts, flops = Path(work.graph), Memory(), {}, {}
    with memory.watched(), limited_threads(1):
        with memory.stage("start"):
            _warm_up(folder)
        with memory.stage("inputs"):
            edges = np.load(graph / EDGES, mmap_mode="r", allow_pickle=False)
            suite = sampled_community_suite(
                edges, work.n_nodes, communities_of(graph, work.n_tasks), work.n_tasks, members=work.members,
                hops=work.hops, dim=work.dim, folder=folder,
            )  # fmt: skip
            del edges
        config = make_config(
            None, suite=suite.name, pairwise=True, n_inits=work.n_inits, proj_dim=work.proj_dim, width=work.width,
            base_epochs=work.base_epochs, proxies_per_task=0, train_groups=False, memory=work.memory, device="cpu",
        )  # fmt: skip
        # Few subsets leave pairs of tasks that never meet, which a plan refuses: they are set past its check.
        plan = replace(make_plan(config, suite), subsets=_subsets(work, work.n_subsets, work.subset_size))
        units = _units(plan, folder)
        with memory.stage("base models"):
            flops["base models"] = sum(units.base_model(seed).cost.flops for seed in config.init_seeds)
        with memory.stage("features"):
            found = [units.features_facts(seed) for seed in config.init_seeds]
            flops["features"] = sum(cost.flops for cost, *_ in found)
            facts["captured energy"] = float(np.mean([captured for _, captured, _ in found]))
        with memory.stage("regressions"):
            scores = [units.estimated(seed) for seed in config.init_seeds]
            flops["regressions"] = sum(part.cost.flops for part in scores)
        if work.n_pairs:
            pairs = _units(replace(plan, subsets=_subsets(work, work.n_pairs, 2)), folder)
            with memory.stage("pairs"):
                flops["pairs"] = sum(pairs.estimated(seed).cost.flops for seed in config.init_seeds)
        if work.groups:
            with memory.stage("groups"):
                label_similarity(suite)
                facts |= _grouped(scores)
    for name, spent in flops.items():
        memory.stages[name]["flops"] = spent
    return {"work": asdict(work), "stages": memory.stages, **facts, **_sizes(plan, units, folder)}


def _sizes(plan: Any, units: Any, folder: Path) -> dict[str, int]:
    return {
        "examples": plan.suite.n_examples,
        "train rows": len(plan.suite.rows("train")),
        "validation rows": len(plan.suite.rows("validation")),
        "parameters": sum(part.numel() for part in units.base_model(0).weights.values()),
        "shards": len(units.feature_shards(0)),
        "bytes on disk": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _warm_up(folder: Path) -> None:
    """Import and allocate once what every stage needs, so that no stage is charged for it."""
    from gradtag_core.config import make_config
    from gradtag_core.runs.plan import make_plan
    from gradtag_core.tasks.planted import planted_suite

    suite = planted_suite(6, 2, n_labelled=60).suite
    config = make_config(
        None, suite=suite.name, subset_size=2, n_subsets=15, base_epochs=1, proj_dim=8, device="cpu"
    )
    with tempfile.TemporaryDirectory(dir=folder) as own:
        units = _units(make_plan(config, suite), Path(own))
        units.features_facts(0)
        _grouped([units.estimated(0)])


def _subsets(work: Work, n_subsets: int, size: int) -> tuple[tuple[int, ...], ...]:
    from gradtag_core.affinity.subsets import random_subsets

    return tuple(random_subsets(work.n_tasks, size, n_subsets, 0))


def _units(plan: Any, folder: Path) -> Any:
    from gradtag_core.progress import Reporter
    from gradtag_core.runs.files import UnitCache
    from gradtag_core.runs.units import Units

    return Units(plan, UnitCache(folder / "cache"), Reporter(), lambda stage, key: None)


def _grouped(scores: list[Any]) -> dict[str, float]:
    """Average and group; pairs of tasks that no subset holds, where few subsets are drawn, get their task's mean."""
    from gradtag_core.affinity.matrix import average
    from gradtag_core.grouping.cluster import cluster

    values = average(reduce(lambda one, other: one.join(other), scores), "auc").values
    empty = np.isnan(values)
    values = np.where(empty, np.nanmean(values, axis=1, keepdims=True), values)
    grouping = cluster(values, max(2, round(len(values) / 5)))
    return {"empty cells": float(empty.mean()), "gap": float(grouping.gap)}


def main() -> None:
    asked = json.loads(sys.argv[1])
    folder = Path(asked.pop("folder"))
    started = time.perf_counter()
    kinds: dict[str, Callable[[], Any]] = {
        "graph": lambda: make_graph(folder, asked["n_nodes"], asked["n_communities"]),
        "run": lambda: measure(Work(**asked), folder),
    }
    found = kinds[asked.pop("kind")]() or {}
    print(json.dumps({**found, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
