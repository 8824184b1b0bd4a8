"""The command line: `python -m gradtag_core COMMAND`; every command takes `--json` for scripts."""

from __future__ import annotations

import sys

import typer
import typer.exceptions

from gradtag_core.cli import diff, group, linearise, pareto, report, runs, suite, sweep
from gradtag_core.errors import GradTagError

app = typer.Typer(
    help="Which tasks should be learned together? Task affinity by Grad-TAG, and groups from it.",
    add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
for command in (
    runs.suites, runs.run, runs.resume, runs.cancel, runs.runs, runs.show, runs.compare, group.group, pareto.pareto,
    linearise.linearise, sweep.sweep, diff.diff,
    report.report, report.bundle,
):  # fmt: skip
    app.command()(command)
app.command("open")(report.open_bundle)
app.add_typer(suite.app, name="suite")


def main() -> None:
    """Run the command line; bad input is one sentence on standard error and exit code 2."""
    try:
        sys.exit(app(args=sys.argv[1:] or ["--help"], standalone_mode=False))
    except typer.exceptions.TyperException as error:
        print(f"Error: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(130)
    except GradTagError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
