"""The sample of instruction tasks: labels checked by other means than those that made them."""

import re
from collections import Counter
from itertools import product

import numpy as np
import pytest

from gradtag_core.tasks.instructions import instructions_sample
from gradtag_core.tasks.prompt_templates import read_templates
from gradtag_core.tasks.registry import load_suite, suite_info
from gradtag_core.tasks.sample_files import SAMPLE_DATA
from sample_data.instructions import build

FOLDER = SAMPLE_DATA / "instructions"
PAIRS = build.pairs()
COMPARED = {"taller": "shorter", "older": "younger", "faster": "slower", "heavier": "lighter"}


def test_the_file_is_what_the_script_writes() -> None:
    assert (FOLDER / "pairs.tsv").read_text(encoding="utf-8") == build.content()


def test_pairs_differ_and_half_of_each_family_follows() -> None:
    assert len({pair[:2] for pair in PAIRS}) == len(PAIRS) == 400
    assert sum(holds for *_, holds in PAIRS) == 200
    for family in build.FAMILIES:
        own = [pair for pair in PAIRS if FAMILY[family.__name__].fullmatch(f"{pair[0]} {pair[1]}")]
        assert Counter(holds for *_, holds in own) == {True: build.EACH, False: build.EACH}


FAMILY = {
    name: re.compile(pattern)
    for name, pattern in {
        "purchase": r"\w+ bought (.*)\. \w+ bought (\w+)\.",
        "containment": r"The \w+ is in the \w+, and the \w+ is in the (\w+)\. The \w+ is in the (\w+)\.",
        "colour": r"The (\w+ is \w+), and the (\w+ is \w+)\. The (\w+ is \w+)\.",
        "company": r"(\w+) went to the \w+ with (\w+) and (\w+)\. (\w+) went to the \w+\.",
        "schedule": r"The \w+ is (on \w+) (at \w+) o'clock\. The \w+ is (\w+ \w+)\.",
        "category": r"\w+ \w+ only one thing today: an? (\w+)\. \w+ \w+ (an?|no) (\w+) today\.",
        "quantity": r"There are \d \w+ in the field\. (\w+) of them are \w+\. (Not all|\w+ of) the .*",
        "progress": r"The \w+ (will begin|has just|is in full|is over|ended).*\. The \w+ (.*)\.",
        "certainty": r"(It is certain|Nobody).*\. .*",
        "order": r"(\w+) is (\w+) than (\w+), and (\w+) is (\w+) than (\w+)\. (\w+) is (\w+) than (\w+)\.",
    }.items()
}  # fmt: skip


def found(name: str) -> list[tuple[tuple[str, ...], bool]]:
    matches = [(FAMILY[name].fullmatch(f"{first} {second}"), holds) for first, second, holds in PAIRS]
    return [(match.groups(), holds) for match, holds in matches if match]


def test_what_is_said_follows_and_what_is_not_said_does_not() -> None:
    for (items, asked), holds in found("purchase"):
        assert holds == (asked in re.split(r", | and ", items))
    for (room, asked), holds in found("containment"):
        assert holds == (room == asked)
    for name in ("colour", "company", "schedule"):
        for (*said, asked), holds in found(name):
            assert holds == (asked in said)


def test_order_follows_from_the_only_ranking_that_fits() -> None:
    rows = found("order")
    assert len(rows) == 40
    for (a, first, b, c, second, d, e, asked, f), holds in rows:
        people = sorted({a, b, c, d})
        rankings = [rank for rank in product(range(3), repeat=3) if len(set(rank)) == 3]

        def is_so(rank: dict[str, int], high: str, word: str, low: str) -> bool:
            return (rank[high] > rank[low]) == (word in COMPARED)

        fitting = [
            rank
            for rank in (dict(zip(people, numbers, strict=True)) for numbers in rankings)
            if is_so(rank, a, first, b) and is_so(rank, c, second, d)
        ]
        assert {is_so(rank, e, asked, f) for rank in fitting} == {holds}


def test_kinds_and_quantities_are_as_in_the_dictionary() -> None:
    kind = {member: name for name, members in build.KINDS.items() for member in members}
    for (said, word, asked), holds in found("category"):
        is_it = asked in (said, kind.get(said))
        assert holds == (not is_it and kind.get(asked) != said if word == "no" else is_it)
    for (said, asked), holds in found("quantity"):
        # Every number out of ten that the first sentence allows must be one that the second allows.
        allowed = {
            "All": {10}, "Most": set(range(6, 11)), "Some": set(range(1, 11)), "None": {0}, "Not all": set(range(10)),
        }  # fmt: skip
        assert holds == (allowed[said] <= allowed[asked.removesuffix(" of")])


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        ("will begin soon", "has not ended yet", True),
        ("is in full swing", "is going on now", True),
        ("is over", "has begun", True),
        ("ended an hour ago", "is still to come", False),
        ("has just begun", "has ended", False),
        ("will begin in an hour", "has begun", False),
    ],
)
def test_progress_and_certainty_by_hand(first: str, second: str, holds: bool) -> None:
    for premise, hypothesis, label in PAIRS:
        if premise.endswith(f" {first}.") and hypothesis.endswith(f" {second}."):
            assert label == holds
    for premise, hypothesis, label in PAIRS:
        if premise.startswith("Nobody knows whether"):
            assert label == hypothesis.startswith("It is possible that")


def test_templates_are_many_and_differ() -> None:
    templates = read_templates(FOLDER / "templates.yaml")
    assert len(templates) == 24
    turned = [template for template in templates if template.choices == ("yes", "no")]
    assert len(turned) == 2
    fields = {"text1": "A.", "text2": "B."}
    assert len({template.render(fields) for template in templates}) == 24
    assert all(" " not in answer for template in templates for answer in template.choices)


def test_the_suite_is_the_same_everywhere() -> None:
    suite = load_suite("instructions")
    assert suite.fingerprint == instructions_sample().fingerprint
    assert (suite.n_tasks, suite.n_examples) == (24, 9_600) == (
        suite_info("instructions").n_tasks, suite_info("instructions").n_examples,
    )  # fmt: skip
    np.testing.assert_array_equal(suite.order, np.arange(9_600))
    assert set(suite.train_sizes) == {200}
