"""Peak memory of featurising at the paper's size: SIGN of width 256 over 128 features and 4 hops, 100 tasks
(p = 683,370), d = 200, 170,000 training rows. Each projection runs in a process of its own.

`OMP_NUM_THREADS=1 python -m benchmarks.memory [--memory 3GiB] [--json]`. The data are synthetic and the weights
untrained: neither changes what is held. Dense random projections are timed on a stated share of the rows.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import publish

N_EXAMPLES, N_TASKS, TASKS_PER_EXAMPLE = 42_500, 100, 5
TRAIN_SHARE = 0.8  # of the examples of a class: 170,000 rows
SHARES = {"pca": 1.0, "factored": 1.0, "sjlt": 0.05, "gaussian": 0.05}
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be a number and KiB, MiB or GiB; found {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


def synthetic_suite() -> Any:
    """Examples of normal features, each with random labels of a few tasks."""
    from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskSuite

    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((N_EXAMPLES, 4, 128), dtype=np.float32)
    labels = np.full((N_EXAMPLES, N_TASKS), UNLABELLED, dtype=np.int8)
    for example in labels:
        tasks = generator.choice(N_TASKS, TASKS_PER_EXAMPLE, replace=False)
        example[tasks] = generator.integers(0, 2, TASKS_PER_EXAMPLE)
    names = tuple(f"task {index}" for index in range(N_TASKS))
    order = generator.permutation(N_EXAMPLES)
    return TaskSuite("synthetic", names, inputs, labels, order, SplitRule(TRAIN_SHARE, 0.1))


def measure(kind: Any, share: float, budget: int) -> dict[str, Any]:
    """Featurise the training rows (of a share of the examples) in this process."""
    import torch

    from gradtag_core.cost import Cost, peak_resident_bytes
    from gradtag_core.gradients.features import Featurizer
    from gradtag_core.gradients.projection import make_projection
    from gradtag_core.models.encoder import EncoderArchitecture
    from gradtag_core.tasks.suite import Rows
    from gradtag_core.training.trainer import BaseModel

    suite = synthetic_suite()
    architecture = EncoderArchitecture("sign", (4, 128), 256, N_TASKS)
    base = BaseModel(architecture, architecture.build(0).state_dict(), 0, Cost())
    rows = suite.rows("train")
    kept = rows.example < share * N_EXAMPLES
    rows = Rows(rows.example[kept], rows.task[kept], rows.label[kept])
    before = peak_resident_bytes()
    with tempfile.TemporaryDirectory() as folder:
        featurizer = Featurizer(
            suite, base, make_projection(kind, 200, 0), torch.device("cpu"),
            memory_budget=budget, folder=Path(folder),
        )  # fmt: skip
        fit = featurizer.fit(rows, 0)
        features = featurizer.featurize(rows)
        cost = fit + features.cost
    one_pass = architecture.step_flops(N_TASKS) * len(rows)  # forward and backward, as in training
    return {
        "projection": kind,
        "p": architecture.n_parameters,
        "rows": len(rows),
        "share of rows": share,
        "seconds": cost.seconds,
        "GFLOPs": cost.flops / 1e9,
        "passes": cost.flops / one_pass,
        "captured energy": features.captured_energy,
        "budget bytes": budget,
        "peak bytes before": before,
        "peak bytes": peak_resident_bytes(),
    }


def measure_apart(kind: str, share: float, budget: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.memory",
        "--alone",
        kind,
        str(share),
        "--memory",
        f"{budget / 2**20}MiB",
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--memory", type=parse_bytes, default="3GiB", help="the budget, such as 3GiB or 900MiB"
    )
    parser.add_argument("--projections", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--alone", nargs=2, metavar=("PROJECTION", "SHARE"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.alone:
        kind, share = options.alone
        print(json.dumps(measure(kind, float(share), options.memory)))
        return
    publish([measure_apart(kind, SHARES[kind], options.memory) for kind in options.projections], options.json)


if __name__ == "__main__":
    main()
