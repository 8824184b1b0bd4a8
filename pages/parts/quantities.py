"""Numbers with a unit that a person can read."""

import re

PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def flops_text(flops: float) -> str:
    """3.2e12 is "3.2 TFLOP"."""
    return _scaled(flops, "FLOP", 1000.0)


def bytes_text(size: float) -> str:
    return _scaled(size, "B", 1000.0)


def seconds_text(seconds: float | None) -> str:
    """ "0.4 s", "12 s", "3 min 20 s", "2 h 5 min" or "4 days"; "unknown" for None."""
    if seconds is None:
        return "unknown"
    if 0 < seconds < 0.05:
        return "below 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{round(minutes / 1440):,} days"


def times_text(ratio: float) -> str:
    """How many times as much: "32 ×", "0.4 ×"."""
    return f"{ratio:,.0f} ×" if ratio >= 9.95 else f"{ratio:.2g} ×"


def task_chips(names: list[str]) -> str:
    """Task names as Markdown that shows them as they are."""
    return " ".join(f"`{name.replace('`', '´')}`" for name in names)


def plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]$<>#~:])", r"\\\1", text)


def _scaled(value: float, unit: str, base: float) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / base, power + 1
    digits = 0 if abs(value) >= 99.5 or (power == 0 and value == int(value)) else 1
    return f"{value:,.{digits}f} {PREFIXES[power]}{unit}"
