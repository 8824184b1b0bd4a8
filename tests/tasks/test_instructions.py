"""Instruction suites: every prompt, label and split by hand, and every fault by its place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks import instructions as module
from gradtag_core.tasks.instructions import instruction_suite, read_pairs
from gradtag_core.tasks.suite import SplitRule

Write = Callable[..., Path]

HEADER = "index\tsentence1\tsentence2\tlabel"
PAIRS = [
    ("0", 'He said "no', "It is 5'", "entailment"),
    ("1", "a, b; c", "«d»", "not_entailment"),
    ("2", '"""', "x ||| {{text1}}", "entailment"),
    ("3", "p3", "h3", "not_entailment"),
    ("4", "p4", "h4", "entailment"),
    ("5", "p5", "h5", "not_entailment"),
]
OWN = """
- name: follows
  prompt: '{{text1}} So {{text2}}?'
  choices: [no, yes]
- name: may be false
  prompt: |
    {{premise}}
    Can "{{sentence2}}" be false?
  choices: [yes, no]
"""
PUBLIC = """dataset: glue
subset: rte
templates:
  a: !Template
    answer_choices: True ||| False
    jinja: 'Given {{sentence1}} is {{hypothesis}} {{"true"}}? |||
      {% if label != -1 %}{{answer_choices[label]}}{% endif %}'
    name: public
"""


def tsv(pairs: list[tuple[str, ...]] = PAIRS, header: str = HEADER) -> str:
    return "\n".join([header, *("\t".join(pair) for pair in pairs)]) + "\n"


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a file in a folder of its own: Hypothesis runs one test body many times."""

    def written(content: bytes | str, name: str = "pairs.tsv") -> Path:
        path = tmp_path_factory.mktemp("instructions") / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture(scope="module")
def templates(write: Write) -> list[Path]:
    return [write(OWN, "own.yaml"), write(PUBLIC, "public.yaml")]


def test_every_prompt_label_and_answer_is_as_written_by_hand(write: Write, templates: list[Path]) -> None:
    suite = instruction_suite(write(tsv()), templates, name="mine")
    assert (suite.name, suite.modality, suite.n_examples) == ("mine", "text", 18)
    assert suite.task_names == ("follows", "may be false", "public")
    assert suite.choices == (("no", "yes"), ("yes", "no"), ("False", "True"))
    expected = [
        "He said \"no So It is 5'?",
        'He said "no\nCan "It is 5\'" be false?',
        "Given He said \"no is It is 5' true?",
        "a, b; c So «d»?",
        'a, b; c\nCan "«d»" be false?',
        "Given a, b; c is «d» true?",
        '""" So x ||| {{text1}}?',
        '"""\nCan "x ||| {{text1}}" be false?',
        'Given """ is x ||| {{text1}} true?',
    ]
    assert suite.inputs[:9].tolist() == expected
    labels = np.full((18, 3), -1)
    for pair, label in enumerate([1, 0] * 3):
        for task in range(3):
            labels[3 * pair + task, task] = label
    np.testing.assert_array_equal(suite.labels, labels)


def test_all_tasks_train_on_the_same_pairs(write: Write, templates: list[Path]) -> None:
    pairs = [
        (str(row), f"p{row}", f"h{row}", "entailment" if row % 3 else "not_entailment") for row in range(60)
    ]
    path = write(tsv(pairs))
    suite = instruction_suite(path, templates, split_rule=SplitRule(0.3, 0.3), seed=5)
    for split in ("train", "validation", "test"):
        own = [suite.indices(split, task) for task in range(3)]
        assert all((examples % 3 == task).all() for task, examples in enumerate(own))
        assert len({tuple(examples // 3) for examples in own}) == 1
    np.testing.assert_array_equal(suite.order[::3] // 3, np.random.default_rng(5).permutation(60))
    assert (
        suite.fingerprint
        == instruction_suite(path, templates, split_rule=SplitRule(0.3, 0.3), seed=5).fingerprint
    )
    in_order = instruction_suite(path, templates, seed=None)
    np.testing.assert_array_equal(in_order.order, np.arange(180))


def test_fewer_pairs_are_the_first_of_the_same_order(write: Write, templates: list[Path]) -> None:
    pairs = [
        (str(row), f"p{row}", f"h{row}", "entailment" if row % 2 else "not_entailment") for row in range(40)
    ]
    path = write(tsv(pairs))
    whole, part = (
        instruction_suite(path, templates, seed=1),
        instruction_suite(path, templates, seed=1, n_pairs=15),
    )
    assert part.n_examples == 45
    np.testing.assert_array_equal(part.inputs[part.order], whole.inputs[whole.order[:45]])
    np.testing.assert_array_equal(part.labels[part.order], whole.labels[whole.order[:45]])


def test_columns_are_found_by_name_or_by_place(write: Write) -> None:
    def texts(header: str, rows: str, name: str = "t.csv") -> tuple[str, str, list[int]]:
        pairs = read_pairs(write(f"{header}\n{rows}\n", name))
        fields = pairs.fields(0, ["text1", "hypothesis"])
        return fields["text1"], fields["hypothesis"], pairs.labels.tolist()

    assert texts("hypothesis,premise,label", "h,p,1") == ("p", "h", [1])
    assert texts("label,id,left,right", "no,7,a,b") == ("a", "b", [0])
    assert texts("left,right,verdict", 'a,"b, ""c""",TRUE') == ("a", 'b, "c"', [1])
    assert texts("word,sentence1,sentence2,label", "w,a,b,yes") == ("a", "b", [1])
    assert texts("text2\ttext1\tlabel", 'a\t"b\tnot_entailment', "t.TSV") == ('"b', "a", [0])


def test_other_columns_are_placeholders(write: Write) -> None:
    data = write(
        "word,sentence1,sentence2,label\n" + "".join(f"w{n},a{n},b{n},{n % 2}\n" for n in range(8)), "t.csv"
    )
    template = write(
        "- name: n\n  prompt: '{{word}}: {{sentence1}} / {{text2}}'\n  choices: [no, yes]\n", "t.yaml"
    )
    suite = instruction_suite(data, template, seed=None)
    assert suite.inputs[:2].tolist() == ["w0: a0 / b0", "w1: a1 / b1"]


def test_texts_under_other_names_are_texts(write: Write) -> None:
    data = write("question,sentence,label\n" + "".join(f"q{n},s{n},{n % 2}\n" for n in range(8)), "t.csv")
    template = write("- name: n\n  prompt: '{{sentence}} {{question}}'\n  choices: [no, yes]\n", "t.yaml")
    assert instruction_suite(data, template, seed=None).inputs[0] == "s0 q0"
    template.write_text("- name: n\n  prompt: '{{sentence}} {question}'\n  choices: [no, yes]\n")
    with pytest.raises(InvalidInput, match=r"must hold both texts; found no `{{text1}}`"):
        instruction_suite(data, template)


def test_a_parquet_file_may_hold_numbers_for_labels(tmp_path: Path, templates: list[Path]) -> None:
    frame = pd.DataFrame({"text1": list("abcdef"), "text2": list("ghijkl"), "label": [0, 1] * 3})
    frame.to_parquet(tmp_path / "pairs.parquet")
    suite = instruction_suite(tmp_path / "pairs.parquet", templates[0])
    assert suite.labels[::2, 0].tolist() == [0, 1] * 3


def test_numbers_for_labels_need_a_meaning_where_entailment_is_0(write: Write, templates: list[Path]) -> None:
    path = write("text1,text2,label\n" + "".join(f"p{n},h{n},{n % 2}\n" for n in range(8)), "t.csv")
    with pytest.raises(
        InvalidInput, match=r"`t.csv` must say what its labels 0 and 1 mean, .* template `public`, calls"
    ):
        instruction_suite(path, templates)
    as_in_glue = instruction_suite(path, templates, labels=["1", "0"])
    assert as_in_glue.labels[:3].max(axis=0).tolist() == [1, 1, 1]  # the pair with the label 0 is entailment
    ours = instruction_suite(path, templates, labels=["0", "1"])
    assert ours.labels[:3].max(axis=0).tolist() == [0, 0, 0]
    assert instruction_suite(path, templates[0]).labels[0, 0] == 0


def test_the_two_labels_can_be_named(write: Write, templates: list[Path]) -> None:
    path = write("a,b,label\n" + "".join(f"p{n},h{n},{'TF'[n % 2]}\n" for n in range(8)), "t.csv")
    with pytest.raises(
        InvalidInput, match=r"line 2, column `label`: a label must be one of two values, .* found `T`"
    ):
        instruction_suite(path, templates[0])
    assert instruction_suite(path, templates[0], labels=("F", "T")).labels[0, 0] == 1
    for labels in ("FT", ["F"], ["F", "F"], ["F", ""]):
        with pytest.raises(InvalidInput, match="`labels` must be two different values"):
            instruction_suite(path, templates[0], labels=labels)


def changed(row: int, **cells: str) -> str:
    pairs: list[dict[str, str]] = [dict(zip(HEADER.split("\t"), pair, strict=True)) for pair in PAIRS]
    pairs[row] |= cells
    return tsv([tuple(pair.values()) for pair in pairs])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(1, sentence2=""), "`pairs.tsv`, line 3, column `sentence2`: a text must not be empty"),
        (changed(2, label=""), "line 4, column `label`: a label must be one of two values, .*; found ``"),
        (changed(3, label="maybe"), "line 5, column `label`: .* found `maybe`"),
        (changed(3, label="yes"), "line 5, column `label`: .* `entailment`, `not_entailment`; found `yes`"),
        (changed(4, index="1"), "line 6, column `index`: an id must stand once; found `1`, which line 3 has too"),
        (tsv([*PAIRS, ("6", "p", "h")]), "line 8: a row must have as many cells as the first, 4; found 3"),
        (tsv([*PAIRS, ("6", "p", "h", "entailment", "more")]), "line 8: a row must have as many .*; found 5"),
        (tsv([pair for pair in PAIRS if pair[3] == "entailment"]), "3 pairs of each label, .* 3 of 1 and 0 of 0"),
        ("index\tsentence1\tlabel\n0\ta\tyes\n", "must have two columns of text beside `label`; found `sentence1`"),
        ("label\nyes\n", "must have two columns of text beside `label`; found none"),
        (HEADER, "rows below them; found none"),
        (b"PK\x03\x04", "found a zip archive"),
        (b"\x80\x04.", "found a pickle, which is never read"),
        (tsv().encode("utf-16"), "found text in UTF-16"),
        (tsv().encode("latin-1"), "line 3: the file must be text in UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence(
    write: Write, templates: list[Path], content: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        instruction_suite(write(content), templates)
    assert "\n" not in str(raised.value) and "pairs.tsv" in str(raised.value)


def test_a_file_of_two_gigabytes_is_not_read(tmp_path: Path, templates: list[Path]) -> None:
    with (tmp_path / "pairs.tsv").open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(InvalidInput, match="must have at most 268,435,456 bytes; found 2,147,483,648"):
        instruction_suite(tmp_path / "pairs.tsv", templates)


def test_unknown_placeholders_and_numbers_of_pairs_are_told(write: Write, templates: list[Path]) -> None:
    data = write(tsv())
    odd = write("- name: odd\n  prompt: '{{text1}} {{sentenceB}}'\n  choices: [no, yes]\n", "odd.yaml")
    with pytest.raises(
        InvalidInput, match=r"`odd.yaml`, line 1, template `odd`: a placeholder must be one of .*`sentenceB`"
    ):
        instruction_suite(data, [*templates, odd])
    leak = write("- name: odd\n  prompt: '{{text1}} {{text2}} {{label}}'\n  choices: [no, yes]\n", "odd.yaml")
    with pytest.raises(InvalidInput, match="found `label`"):
        instruction_suite(data, leak)
    for n_pairs in (0, 7):
        with pytest.raises(InvalidInput, match="`n_pairs` must be between 1 and the 6"):
            instruction_suite(data, templates, n_pairs=n_pairs)


def test_what_would_not_fit_into_memory_is_refused(
    write: Write, templates: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 100)
    with pytest.raises(InvalidInput, match="must come to at most 100 characters of prompts"):
        instruction_suite(write(tsv()), templates)
    monkeypatch.setattr(module, "MAX_LABELS", 20)
    with pytest.raises(InvalidInput, match="must have at most 2 pairs for 3 templates; found 6"):
        instruction_suite(write(tsv()), templates)


LINES = st.lists(
    st.tuples(*[st.sampled_from(["", "a", '"', "entailment", "not_entailment", "0", "1", "x\ty", "\r"])] * 4),
    max_size=9,
).map(lambda rows: (HEADER + "\n" + "\n".join(map("\t".join, rows))).encode())


@given(content=LINES | st.binary(max_size=80), name=st.sampled_from(["pairs.tsv", "pairs.csv"]))
@example(content=(HEADER + "\n").encode() + b"0\ta\tb\t1\n" * 3, name="pairs.tsv")
@example(content=b"label\tlabel\n", name="pairs.tsv")
def test_no_content_crashes_the_reader(
    write: Write, templates: list[Path], content: bytes, name: str
) -> None:
    try:
        suite = instruction_suite(write(content, name), templates[0])
    except InvalidInput as error:
        assert "\n" not in str(error)
    else:
        assert suite.n_tasks == 2


def test_a_prompt_that_renders_to_nothing_is_placed(tmp_path):
    (tmp_path / "pairs.csv").write_text("text1,text2,label\n" + "a,b,0\nc,d,1\n" * 5)
    (tmp_path / "odd.yaml").write_text(
        "- name: odd\n  prompt: \"{% if text1 == 'a' %}{{text1}} {{text2}}{% endif %}\"\n  choices: ['no', 'yes']\n"
    )
    with pytest.raises(InvalidInput, match=r"`odd.yaml`.*a prompt must not be empty; .* `pairs.csv`"):
        instruction_suite(tmp_path / "pairs.csv", tmp_path / "odd.yaml")
