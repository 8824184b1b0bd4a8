import numpy as np
import pytest

from gradtag_core.affinity.pair_evidence import PairEffect
from pages.parts.affinity_words import pair_sentence


@pytest.mark.parametrize(
    ("estimate", "truth", "said"),
    [
        ((0.4, 0.1), (0.2, 0.1), ("gains from", "4.0 standard errors above", "real training agrees (2.0")),
        ((-0.4, 0.1), (0.2, 0.1), ("loses with", "4.0 standard errors below", "real training disagrees")),
        ((0.1, 0.1), (0.05, 0.1), ("may gain from", "real training cannot tell (0.5 standard errors above)")),
        ((-0.1, np.nan), (0.2, np.nan), ("may lose with", "cannot be told", "too few subsets")),
    ],
)
def test_a_pair_in_words(estimate, truth, said):
    effects = (PairEffect(0.5, effect, error, 3, 2, 29) for effect, error in (estimate, truth))
    sentence = pair_sentence("a*b", "c", *effects)
    assert sentence.startswith(r"**a\*b** ")
    assert "rank 2 of 29 co-tasks" in sentence
    for part in said:
        assert part in sentence


def test_what_no_subset_holds_is_unknown_in_words():
    unknown = PairEffect(np.nan, np.nan, np.nan, 0, None, 4)
    known = PairEffect(0.5, 0.4, 0.1, 3, 2, 29)
    assert pair_sentence("a", "b", unknown, known).startswith("No subset holds both")
    assert "no really trained subset holds both" in pair_sentence("a", "b", known, unknown)
