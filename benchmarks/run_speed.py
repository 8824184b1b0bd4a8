"""Whole runs from the command line, in an empty store, the start of the process included.

`python -m benchmarks.run_speed [--json]`
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.report import publish
from gradtag_core.runs.stages import ESTIMATE_STAGES

RUNS = {
    "yeast, quick preset": ["--suite", "yeast", "--preset", "quick"],
    "debian, 30 tasks, M = 3, m = 300, α = 5": [
        "--suite", "debian", "--n-tasks", "30", "--n-inits", "3", "--n-subsets", "300", "--subset-size", "5",
    ],
}  # fmt: skip


def measure(name: str, options: list[str]) -> dict[str, float | str]:
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        finished = subprocess.run(
            [sys.executable, "-m", "gradtag_core", "run", *options, "--json"],
            env={**os.environ, "GRADTAG_HOME": home}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        wall = time.perf_counter() - started
    found = json.loads(finished.stdout)
    costs = found["costs"]
    return {
        "run": name,
        "wall seconds": wall,
        **{f"{stage} seconds": costs[stage]["seconds"] for stage in (*ESTIMATE_STAGES, "groups")},
        "estimate GFLOPs": sum(costs[stage]["flops"] for stage in ESTIMATE_STAGES) / 1e9,
        "full training GFLOPs": found["full_training_flops"] / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    publish([measure(name, options) for name, options in RUNS.items()], arguments.json)


if __name__ == "__main__":
    main()
