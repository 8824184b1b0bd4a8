"""Numbers and names in sentences."""

from collections.abc import Sequence

MOST_NAMES = 12
LONGEST_NAME = 60


def counted(number: int, thing: str, many: str | None = None) -> str:
    """ "1 task", "1,200 tasks", "2 passes"."""
    return f"{number:,} {thing if number == 1 else many or thing + 's'}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def short(name: str) -> str:
    """A name that fits into a sentence, on one line."""
    name = " ".join(name.split()) or "(no name)"
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def some_of(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Up to `most` names, and how many others there are."""
    left = len(names) - most
    if left <= 1:  # "and 1 other" is no shorter than its name
        return listed([short(name) for name in names])
    return ", ".join(short(name) for name in names[:most]) + f" and {left:,} others"


def share(ratio: float) -> str:
    """A ratio in per cent with the digits that matter: "43 %", "2.5 %", "0.03 %"."""
    per_cent = 100 * ratio
    if per_cent and abs(per_cent) < 0.01:
        return "less than 0.01 %"
    digits = 0 if abs(per_cent) >= 9.95 else 1 if abs(per_cent) >= 0.95 else 2
    return f"{per_cent:,.{digits}f} %"


def times(ratio: float) -> str:
    """ "23 times", "1.3 times"."""
    return f"{ratio:,.0f} times" if ratio >= 9.95 else f"{ratio:.1f} times"


def signed(value: float) -> str:
    """A difference with its sign and three digits that count: "+0.0123", "−0.4"."""
    text = f"{abs(value):.4f}" if abs(value) < 1 else f"{abs(value):.3g}"
    return ("−" if value < 0 else "+") + text


def spread(value: float) -> str:
    """A standard error in the form of `signed`, never shown as 0 where it is not."""
    if 0 < value < 0.00005:
        return "below 0.0001"
    return f"{value:.4f}" if value < 1 else f"{value:.3g}"
