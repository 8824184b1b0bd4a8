"""The task suites that ship with the project, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class SuiteInfo:
    """What a page shows of a suite before its data is loaded; `default_model` suits its inputs."""

    name: str
    title: str
    description: str
    n_tasks: int
    n_examples: int
    default_model: Literal["sign", "mlp"]
    licence: str
    origin: str


SUITES = (
    SuiteInfo(
        "debian",
        "Debian packages",
        "Packages linked by their dependencies; each task is to find the packages that carry one tag. "
        "A graph of 142,695 edges, like the communities of the paper.",
        130,
        29_785,
        "sign",
        "facts from a public package index",
        "Package index and debtags of Debian 12, July 2026",
    ),
    SuiteInfo(
        "yeast",
        "Yeast genes",
        "Genes described by 103 measurements; each task is to tell whether a gene has one of 14 functions.",
        14,
        2_417,
        "mlp",
        "BSD-3-Clause (the copy in river)",
        "Elisseeff and Weston, 2001",
    ),
    SuiteInfo(
        "digits",
        "Handwritten digits",
        "Images of 8 by 8 pixels; each task is to tell one digit from the other nine.",
        10,
        1_797,
        "mlp",
        "BSD-3-Clause (scikit-learn)",
        "Alpaydin and Kaynak, 1998, as shipped with scikit-learn",
    ),
    SuiteInfo(
        "planted",
        "Planted groups",
        "Generated examples with a known answer: three groups of four tasks whose true parameters point the "
        "same way inside a group and at right angles between groups.",
        12,
        9_600,
        "mlp",
        "none needed",
        "generated when loaded",
    ),
)


def suite_infos() -> tuple[SuiteInfo, ...]:
    """The suites that `load_suite` knows; nothing is loaded."""
    return SUITES


def suite_info(name: str) -> SuiteInfo:
    """The facts of one suite; an unknown name is an `InvalidInput` with the nearest known one."""
    known = {info.name: info for info in SUITES}
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    raise InvalidInput(f"`suite` must be one of {quoted(tuple(known))}; found `{name}`.{hint}")


def load_suite(name: str, n_tasks: int | None = None, tasks: Sequence[str] | None = None) -> TaskSuite:
    """A suite that ships with the project, whole, or its first `n_tasks` tasks, or the named `tasks`.

    The whole suite is read once per process; treat its arrays as constants.
    """
    suite_info(name)
    if n_tasks is not None and tasks is not None:
        raise InvalidInput("`n_tasks` and `tasks` must not be given together; leave one out.")
    suite = _whole_suite(name)
    chosen = n_tasks if n_tasks is not None else tasks
    return suite if chosen is None else suite.select(chosen)


@lru_cache
def _whole_suite(name: str) -> TaskSuite:
    from gradtag_core.tasks import planted, sample_files

    readers: dict[str, Callable[[], TaskSuite]] = {
        "debian": sample_files.debian_suite,
        "yeast": sample_files.yeast_suite,
        "digits": sample_files.digits_suite,
        "planted": lambda: planted.planted_suite().suite,
    }
    return readers[name]()
