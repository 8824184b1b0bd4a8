from dataclasses import replace

import pytest

from gradtag_core.report.findings import find
from gradtag_core.report.method import method_sentences, next_steps
from gradtag_core.report.trust import Verdict


@pytest.mark.parametrize(
    "knobs", [{}, {"truth": 0, "gain": None}, {"n_groups": 1}, {"config": {"n_inits": 0}}]
)
def test_five_sentences_always(make_record, knobs):
    sentences = method_sentences(find(make_record(**knobs)))
    assert len(sentences) == 5 and all(sentence.endswith(".") for sentence in sentences)


def test_an_exact_kernel_shortens_nothing(make_record):
    text = method_sentences(find(make_record(config={"projection": "identity"})))[0]
    assert "shortened" not in text and "d =" not in text


def test_groups_that_were_not_formed_yet(make_record):
    found = replace(find(make_record()), grouping=None)
    assert method_sentences(found)[3] == "No groups were formed yet."


def test_there_is_always_something_to_do_next(make_record):
    found = find(make_record())
    assert next_steps(replace(found, grouping=None, gains=None), (Verdict("good", ""),)) == (
        "Repeat the run with another seed, and look whether the answer stays.",
    )
    caution = next_steps(found, (Verdict("caution", ""),))
    assert "--proxies-per-task 20" in caution[0]
