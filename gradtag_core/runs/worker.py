"""The process of one run: `python -m gradtag_core.runs.worker RUN_ID`."""

import sys

from gradtag_core.runs.start import execute, open_store


def main(run_id: str) -> int:
    """Carry out the run; 0 when it is done, 1 otherwise (the store says why)."""
    return 0 if execute(open_store(), run_id).state == "done" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
