"""Scripts that measure; each prints a table, and JSON with `--json`. None is part of the test suite."""
