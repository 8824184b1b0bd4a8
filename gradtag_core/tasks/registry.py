"""Task suites by name: those that ship with the project, and those that the user has added."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from gradtag_core.config import ModelKind
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.stored import (
    StoredSuite,
    is_suite_name,
    read_facts,
    read_suite,
    stored_suites,
    suites_folder,
)
from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class SuiteInfo:
    """What a page shows of a suite before its data is loaded; `default_model` suits its inputs."""

    name: str
    title: str
    description: str
    n_tasks: int
    n_examples: int
    default_model: ModelKind
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
        "cnn",
        "BSD-3-Clause (scikit-learn)",
        "Alpaydin and Kaynak, 1998, as shipped with scikit-learn",
    ),
    SuiteInfo(
        "digit-domains",
        "Digits in five domains",
        "The handwritten digits plain, rotated, inverted, blurred and noised; in each domain three tasks: is the digit "
        "even, is it five or more, has it a closed loop? Which tasks are akin is known by how they were made.",
        15,
        8_985,
        "cnn",
        "BSD-3-Clause (scikit-learn)",
        "made from the handwritten digits when loaded",
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
    SuiteInfo(
        "debian-text",
        "Debian packages as texts",
        "The packages, tags and splits of `debian`, each package as its name and the names of those it is linked with: "
        "two models, one on the graph and one on texts, can be compared on the same tasks.",
        130,
        29_785,
        "transformer",
        "facts from a public package index",
        "Package index and debtags of Debian 12, July 2026",
    ),
    SuiteInfo(
        "instructions",
        "Instructions",
        "Pairs of sentences, of which the second follows from the first or does not; each task asks so with other "
        "words and wants other answers.",
        24,
        9_600,
        "transformer",
        "MIT, as the project",
        "written for the project",
    ),
)


SHIPPED = tuple(info.name for info in SUITES)


def suite_infos() -> tuple[SuiteInfo, ...]:
    """The suites that `load_suite` knows, the user's after those that ship; no data is loaded.

    `suite_problems` tells of those that cannot be listed.
    """
    return (*SUITES, *(_own_info(facts) for facts in stored_suites()[0] if facts.name not in SHIPPED))


def suite_problems() -> tuple[str, ...]:
    """A sentence for each suite of the user that is damaged."""
    return tuple(stored_suites()[1])


def suite_info(name: str) -> SuiteInfo:
    """The facts of one suite; an unknown name is an `InvalidInput` with the nearest known one."""
    shipped = {info.name: info for info in SUITES}
    if name in shipped:
        return shipped[name]
    if _is_own(name):
        return _own_info(read_facts(suites_folder() / name))
    known = tuple(info.name for info in suite_infos())
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    removed = " A suite of your own that was removed must be added again." if is_suite_name(name) else ""
    raise InvalidInput(f"`suite` must be one of {quoted(known)}; found `{name}`.{hint}{removed}")


def suite_content(name: str) -> str:
    """What changes when a suite of the user is replaced under its name; empty for those that ship."""
    return read_facts(suites_folder() / name).fingerprint if _is_own(name) else ""


def load_suite(name: str, n_tasks: int | None = None, tasks: Sequence[str] | None = None) -> TaskSuite:
    """A suite by its name, whole, or its first `n_tasks` tasks, or the named `tasks`.

    The whole suite is read once per process, or again after it was replaced; treat its arrays as constants.
    """
    suite_info(name)
    if n_tasks is not None and tasks is not None:
        raise InvalidInput("`n_tasks` and `tasks` must not be given together; leave one out.")
    suite = read_suite(suites_folder() / name) if _is_own(name) else _whole_suite(name)
    chosen = n_tasks if n_tasks is not None else tasks
    return suite if chosen is None else suite.select(chosen)


def _is_own(name: str) -> bool:
    return name not in SHIPPED and is_suite_name(name) and (suites_folder() / name).exists()


def _own_info(facts: StoredSuite) -> SuiteInfo:
    return SuiteInfo(
        facts.name,
        facts.title,
        facts.description,
        facts.n_tasks,
        facts.n_examples,
        facts.default_model,
        "your own data",
        f"your {' and '.join(facts.origin) or 'data'}",
    )


@lru_cache
def _whole_suite(name: str) -> TaskSuite:
    from gradtag_core.tasks import debian_text, digit_domains, instructions, planted, sample_files

    readers: dict[str, Callable[[], TaskSuite]] = {
        "debian": sample_files.debian_suite,
        "yeast": sample_files.yeast_suite,
        "digits": sample_files.digits_suite,
        "digit-domains": digit_domains.digit_domains_suite,
        "planted": lambda: planted.planted_suite().suite,
        "debian-text": debian_text.debian_text_suite,
        "instructions": instructions.instructions_sample,
    }
    return readers[name]()
