"""Make the stored runs: `python -m sample_data.build_runs` (some minutes on two cores).

Each is what the command below leaves in a run's folder, copied as it is; its run.json names the command again.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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


if __name__ == "__main__":
    main()
