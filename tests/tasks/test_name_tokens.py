"""Hashed words of names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.name_tokens import hashed_tokens, tokens

names = st.lists(st.text("abl-+.09i", min_size=1, max_size=8), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("libfoo-dev", ["lib", "foo", "dev"]),
        ("python3-lib2to3", ["python", "lib", "to"]),
        ("g++-12", ["g"]),
        ("liblib", ["lib", "lib"]),
        ("9", []),
    ],
)
def test_words_are_runs_of_letters_and_the_prefix_lib(name: str, expected: list[str]) -> None:
    assert tokens(name) == expected


@given(names, st.integers(1, 16))
def test_rows_have_unit_length_or_are_zero(found: list[str], width: int) -> None:
    length = np.linalg.norm(hashed_tokens(found, width), axis=1)
    assert ((np.abs(length - 1) < 1e-12) | (length == 0)).all()


@given(names, st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(found: list[str], random: object) -> None:
    shuffled = list(range(len(found)))
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    features = hashed_tokens([found[position] for position in shuffled], 8)
    np.testing.assert_allclose(features, hashed_tokens(found, 8)[shuffled], atol=1e-15)


def test_wide_hashing_keeps_cosines_of_weighted_words() -> None:
    found = ["libred-dev", "libred-doc", "libblue-dev", "game"]
    vocabulary = ["lib", "red", "blue", "dev", "doc", "game"]
    words = [set(tokens(name)) for name in found]
    counts = {word: sum(word in row for row in words) for word in vocabulary}
    exact = np.array([[(word in row) * np.log(4 / counts[word]) for word in vocabulary] for row in words])
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    hashed = hashed_tokens(found, 1 << 16)
    np.testing.assert_allclose(hashed @ hashed.T, exact @ exact.T, atol=1e-12)


def test_another_process_hashes_alike() -> None:
    code = (
        "from gradtag_core.tasks.name_tokens import hashed_tokens;"
        "print(hashed_tokens(['libred-dev', 'blue'], 16).tolist())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{hashed_tokens(['libred-dev', 'blue'], 16).tolist()}\n"}


def test_width_must_be_positive() -> None:
    with pytest.raises(InvalidInput, match="`width`"):
        hashed_tokens(["a"], 0)
