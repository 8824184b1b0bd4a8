"""Make the stored runs: `python -m sample_data.build_runs` (some minutes on two cores).

Each is what the command below leaves in a run's folder, under an id that stays the same when it is made again; its
run.json names the command.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gradtag_core.runs.files import read_json, write_json

RUNS = Path(__file__).parent / "runs"
COMMANDS = {
    "yeast": ["--suite", "yeast", "--subset-size", "4", "--truth", "200", "--name", "Yeast genes: 14 functions"],
    "debian": [
        "--suite", "debian", "--n-tasks", "30", "--n-subsets", "300", "--truth", "300",
        "--name", "Debian packages: 30 tags",
    ],
}  # fmt: skip


def main() -> None:
    """Run every command in an empty store and keep its result."""
    for name, options in COMMANDS.items():
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "GRADTAG_HOME": home}
            subprocess.run(
                [sys.executable, "-m", "gradtag_core", "run", *options], check=True, env=environment
            )
            (folder,) = (Path(home) / "runs").iterdir()
            shutil.rmtree(RUNS / name, ignore_errors=True)
            shutil.copytree(folder, RUNS / name)
            summary = read_json(RUNS / name / "run.json")
            write_json(RUNS / name / "run.json", {**summary, "id": f"sample-{name}"})


if __name__ == "__main__":
    main()
