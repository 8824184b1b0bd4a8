"""How time, memory and bytes grow with tasks, nodes and rows, and what the paper's largest run would take.

`python -m benchmarks.scale [--quick] [--only tasks nodes rows goal orkut] [--folder DIR] [--gpu-teraflops X]
[--json FILE]` prints Markdown tables. Graphs are generated (`tasks.generated_graph`, 50 edges per node, power laws as
in SNAP's); each run is a process of its own with one thread and a fixed memory budget. "Anonymous" is RssAnon, sampled
every 10 ms: memory that the system cannot take back. "Resident" is VmHWM: it counts the pages of mapped files too,
which the system drops when it needs room. What is predicted, and not measured, stands in a table that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.report import machine
from benchmarks.scale_laws import PAPER_ROWS, Law, laws, predicted
from benchmarks.scale_work import EDGES, Work

Run = dict[str, Any]
PARTS = ("tasks", "nodes", "rows", "goal", "orkut")
COMMUNITIES_PER_NODE = 0.06
PAPER_NETWORK: dict[str, Any] = {"width": 256, "hops": 3, "dim": 128}
TASKS = (50, 100, 200, 500)
NODES = (10_000, 50_000, 100_000, 200_000, 400_000)
ROWS = (100, 300, 900, 2700)  # members of each community
GOAL_SECONDS, GOAL_BYTES = 30 * 60, 6 * 2**30


def works(part: str, quick: bool) -> list[Work]:
    """What a part measures; `graph` is filled in later."""
    nodes, tasks, subsets = (10, 5, 20) if quick else (1, 1, 1)
    work = Work("", 50_000 // nodes, 100 // tasks, 2000 // subsets, memory=1.0)
    if part == "tasks":
        return [replace(work, n_tasks=max(15, n // tasks)) for n in TASKS]
    if part == "nodes":
        return [replace(work, n_nodes=max(2000, n // nodes)) for n in NODES]
    if part == "rows":
        common = replace(work, n_nodes=400_000 // nodes, n_subsets=500 // subsets, groups=False)
        return [replace(common, members=members // nodes) for members in ROWS]
    paper = replace(work, n_tasks=500 // tasks, memory=2.0, **PAPER_NETWORK)
    if part == "goal":
        return [replace(paper, n_nodes=100_000 // nodes)]
    return [replace(paper, n_nodes=400_000 // nodes, n_pairs=4000 // subsets)]


class Bench:
    """Makes each graph once and measures each run in a process of its own."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.graphs: dict[int, float] = {}

    def run(self, work: Work) -> Run:
        graph = self._graph(work.n_nodes)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return _apart({"kind": "run", "folder": folder, **asdict(replace(work, graph=str(graph)))})

    def _graph(self, n_nodes: int) -> Path:
        folder = self._folder / f"graph-{n_nodes}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "done").exists():
            made = _apart(
                {
                    "kind": "graph", "folder": str(folder), "n_nodes": n_nodes,
                    "n_communities": max(60, round(COMMUNITIES_PER_NODE * n_nodes)),
                }
            )  # fmt: skip
            self.graphs[n_nodes] = made["seconds"]
            (folder / "done").touch()
        return folder

    def graph_bytes(self, n_nodes: int) -> int:
        return (self._folder / f"graph-{n_nodes}" / EDGES).stat().st_size


def _apart(asked: Mapping[str, Any]) -> Run:
    command = [sys.executable, "-m", "benchmarks.scale_work", json.dumps(asked)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ended.returncode:
        raise RuntimeError(f"{asked} ended with {ended.returncode}:\n{ended.stderr[-4000:]}")
    return json.loads(ended.stdout)


def row(run: Run) -> dict[str, str]:
    """One run as a line of a table."""
    work, stages = run["work"], run["stages"]
    return {
        "nodes": f"{work['n_nodes']:,}", "tasks": str(work["n_tasks"]), "training rows": f"{run['train rows']:,}",
        "subsets": f"{work['n_subsets']:,} of {work['subset_size']}",
        **{f"{name} (s)": f"{found['seconds']:.1f}" for name, found in stages.items()},
        "all (s)": f"{run['seconds']:.1f}",
        "anonymous (MiB)": f"{peak(run, 'anonymous') / 2**20:.0f}",
        "resident (MiB)": f"{peak(run, 'resident') / 2**20:.0f}",
        "on disk (MB)": f"{run['bytes on disk'] / 1e6:.0f}",
    }  # fmt: skip


def peak(run: Run, kind: str) -> float:
    return max(stage[kind] for stage in run["stages"].values())


def law_rows(found: Mapping[str, Law], size: str) -> list[dict[str, str]]:
    return [
        {
            "stage": stage, f"seconds grow with {size} to the power": f"{law.slope:.2f}",
            "fitted on": f"{law.least:,.0f} to {law.most:,.0f}",
        }
        for stage, law in found.items()
    ]  # fmt: skip


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    names = list(records[0])
    lines = [names, ["---"] * len(names), *([str(record[name]) for name in names] for record in records)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tell(title: str, *tables: Sequence[Mapping[str, Any]]) -> None:
    print(f"\n### {title}\n")
    print("\n\n".join(markdown(table) for table in tables), flush=True)


SIZES = {"tasks": "n_tasks", "nodes": "n_nodes", "rows": "train rows"}


def tell_part(part: str, runs: list[Run], quick: bool) -> None:
    budget = f"a budget of {runs[0]['work']['memory']:g} GiB"
    if part in SIZES:
        tell(
            f"Growth with {part}, at {budget}",
            [row(run) for run in runs],
            law_rows(laws(runs, SIZES[part]), part),
        )
        peaks = [peak(run, "anonymous") for run in runs if quick or run["work"]["n_nodes"] >= 50_000]
        mean = sum(peaks) / len(peaks)
        spread = max(abs(value / mean - 1) for value in peaks)
        print(f"\nPeak anonymous memory: {mean / 2**20:.0f} MiB, at most {100 * spread:.1f} % from it.")
        return
    run = runs[0]
    tell(
        f"{'The goal' if part == 'goal' else 'The size of Orkut'}, at {budget}, p = {run['parameters']:,}",
        [row(run)],
    )
    if part == "goal":
        met = run["seconds"] < GOAL_SECONDS and peak(run, "resident") < GOAL_BYTES
        print(f"\nBelow 30 minutes and 6 GiB: {'yes' if met else 'no'}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--folder", type=Path, help="where graphs are kept for the next call (none: nowhere)")
    parser.add_argument("--gpu-teraflops", type=float, help="a rate measured on a GPU, for hours of it")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options.folder or Path(temporary))
        for part in options.only:
            found[part] = [bench.run(work) for work in works(part, options.quick)]
            tell_part(part, found[part], options.quick)
        if bench.graphs:
            made = [
                {
                    "nodes": f"{n:,}",
                    "seconds": f"{s:.1f}",
                    "edges on disk (MB)": f"{bench.graph_bytes(n) / 1e6:.0f}",
                }
                for n, s in sorted(bench.graphs.items())
            ]
            tell("Graphs that were generated", made)
    if "orkut" in found:
        run = found["orkut"][0]
        lines = predicted(run, None, run["train rows"], options.gpu_teraflops)
        if "rows" in found:
            lines += predicted(run, laws(found["rows"], "train rows"), PAPER_ROWS, options.gpu_teraflops)
        tell("The paper's run on Orkut, predicted: 5 initialisations, d = 200", lines)
    print("\n" + ", ".join(f"{name}: {value}" for name, value in machine().items()))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "runs": found}, indent=2))


if __name__ == "__main__":
    main()
