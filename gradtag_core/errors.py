"""Every error that a user can cause or must be told of.

Pages and the command line show these as one sentence; any other exception is a bug.
"""


class GradTagError(Exception):
    """The root of the tree: catch this to catch everything the library raises on purpose."""


class InvalidInput(GradTagError, ValueError):
    """A parameter, a file or a table breaks a rule; the message names it, the rule and the value found."""


class StoreError(GradTagError):
    """The run store holds something that cannot be read, written or found."""


class Cancelled(GradTagError):
    """The work was stopped on request; everything finished before the request is kept."""


def quoted(names: list[str] | tuple[str, ...], limit: int = 5) -> str:
    """Up to `limit` names in backticks, then how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
