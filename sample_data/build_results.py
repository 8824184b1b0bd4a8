"""Make the stored runs, studies and sweeps: `python -m sample_data.build_results [NAME …]` (an hour on two cores).

Each is what its command leaves in a run's folder, under an id that stays the same when it is made again; its run.json,
study.json or sweep.json names the command.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gradtag_core.runs.files import read_json, write_json
from gradtag_core.runs.row import KIND_FILES, RunKind

HERE = Path(__file__).parent
COMMANDS = {
    "runs/yeast": [
        "run", "--suite", "yeast", "--subset-size", "4", "--truth", "200", "--name", "Yeast genes: 14 functions",
    ],
    "runs/debian": [
        "run", "--suite", "debian", "--n-tasks", "30", "--n-subsets", "300", "--truth", "300",
        "--name", "Debian packages: 30 tags",
    ],
    "runs/debian-text": [
        "run", "--suite", "debian-text", "--n-tasks", "30", "--n-subsets", "500", "--truth", "60",
        "--proxies-per-task", "0", "--max-tokens", "32", "--trained-layers", "1", "--epochs", "3", "--base-epochs", "3",
        "--batch-size", "64", "--threads", "2", "--no-train-groups", "--name", "Debian packages as texts: 30 tags",
    ],
    "studies/yeast": ["pareto", "--suite", "yeast", "--name", "Yeast genes: all methods"],
    "studies/debian": [
        "pareto", "--suite", "debian", "--n-tasks", "30", "--name", "Debian packages, 30 tags: all methods",
    ],
    "sweeps/yeast": [
        "sweep", "--suite", "yeast", "--subset-size", "4", "--n-subsets", "40", "--truth", "40",
        "--proxies-per-task", "0", "--no-train-groups", "--vary", "proj_dim=10,50,200", "--vary", "n_inits=1,2",
        "--name", "Yeast genes: dimensions and initialisations",
    ],
}  # fmt: skip


def main(names: list[str]) -> None:
    """Run the commands in an empty store and keep what they leave."""
    for name in names or COMMANDS:
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "GRADTAG_HOME": home}
            command = [sys.executable, "-m", "gradtag_core", *COMMANDS[name]]
            subprocess.run(command, check=True, env=environment)
            (folder,) = (Path(home) / "runs").iterdir()
            keep(folder, HERE / name)


def keep(folder: Path, place: Path) -> None:
    """Store a finished folder as the sample that its place names: `studies/yeast` as sample-study-yeast."""
    kind: RunKind = next(kind for kind, name in KIND_FILES.items() if (folder / name).is_file())
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    summary = read_json(place / KIND_FILES[kind])
    sample_id = f"sample-{place.name}" if kind == "run" else f"sample-{kind}-{place.name}"
    write_json(place / KIND_FILES[kind], {**summary, "id": sample_id})


if __name__ == "__main__":
    main(sys.argv[1:])
