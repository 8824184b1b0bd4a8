"""Suites of a user: what is damaged is named, and nothing in a folder can make the reader run anything."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.suites import add_suite
from gradtag_core.tasks.registry import load_suite, suite_info, suite_infos, suite_problems
from gradtag_core.tasks.stored import (
    ARRAYS,
    FACTS,
    is_suite_name,
    read_facts,
    read_suite,
    stored_suites,
    suites_folder,
)
from gradtag_core.tasks.suite import TaskSuite


@pytest.fixture
def folder(small_suite: TaskSuite) -> Path:
    add_suite(replace(small_suite, name="mine"), origin=["/some/where/table.csv"], title="My table")
    return suites_folder() / "mine"


def change_facts(folder: Path, **changes: Any) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | changes))


def put_arrays(folder: Path, write: Callable[[Path], None]) -> None:
    """Other arrays, with facts that agree with the file: what someone would do on purpose."""
    write(folder / ARRAYS)
    content = (folder / ARRAYS).read_bytes()
    change_facts(folder, checksum=hashlib.sha256(content).hexdigest(), n_bytes=len(content))


def test_a_stored_suite_is_the_suite(folder: Path, small_suite: TaskSuite) -> None:
    found = read_suite(folder)
    assert found.fingerprint == replace(small_suite, name="mine").fingerprint
    assert found is load_suite("mine") and load_suite("mine", 2).task_names == ("first", "second")
    info = suite_info("mine")
    assert info == suite_infos()[-1]
    assert (info.title, info.n_tasks, info.n_examples, info.default_model) == ("My table", 4, 120, "mlp")
    assert info.origin == "your table.csv"
    assert "/some" not in (folder / FACTS).read_text()


def test_a_replaced_suite_is_read_again(folder: Path, small_suite: TaskSuite) -> None:
    before = load_suite("mine")
    shutil.rmtree(folder)
    flipped = replace(small_suite, name="mine", labels=1 - small_suite.labels)
    add_suite(flipped)
    assert load_suite("mine").fingerprint == flipped.fingerprint != before.fingerprint


def test_a_graph_keeps_its_edges_and_its_hops(small_suite: TaskSuite) -> None:
    edges = np.array([[0, 1], [5, 2]])
    hops = np.repeat(small_suite.inputs[:, None], 2, axis=1)
    add_suite(replace(small_suite, name="graph", inputs=hops, edges=edges))
    found = load_suite("graph")
    np.testing.assert_array_equal(found.edges, edges)
    assert found.inputs.shape == (120, 2, 6) and suite_info("graph").default_model == "sign"


PRINTED = st.characters(exclude_categories=("C", "Z"))
TEXT = st.builds(str.__add__, PRINTED, st.text(PRINTED | st.just(" "), max_size=19))


@settings(max_examples=30)
@given(
    texts=st.lists(TEXT, min_size=6, max_size=20), is_instruction=st.booleans(), number=st.integers(0, 10**9)
)
@example(texts=["ä\nb", "日本", "🙂 x", "c\0", "d ", "\te"], is_instruction=True, number=0)
def test_texts_and_answers_come_back(texts: list[str], is_instruction: bool, number: int) -> None:
    home, rows = suites_folder().parent / str(number), range(len(texts))
    choices = (("nein", "ja"), ("A", "B")) if is_instruction else None
    labels = np.array([[row % 2, 1 - row % 2] for row in rows], np.int8)
    inputs = np.array(texts, dtype=np.dtypes.StringDType())
    suite = TaskSuite("texts", ("a", "b"), inputs, labels, np.arange(len(texts)), choices=choices)
    facts = add_suite(suite, home=home)
    found = read_suite(suites_folder(home) / "texts")
    shutil.rmtree(home)
    assert found.fingerprint == suite.fingerprint == facts.fingerprint
    assert found.inputs.tolist() == texts and found.inputs.dtype == inputs.dtype
    assert found.choices == choices and facts.default_model == "transformer"


def test_other_kinds_of_tasks_come_back(small_suite: TaskSuite) -> None:
    generator = np.random.default_rng(0)
    targets = np.column_stack(
        [small_suite.labels[:, 0], generator.integers(0, 3, 120), generator.normal(size=120)]
    )
    targets[::7] = np.nan
    suite = replace(
        small_suite, name="kinds", task_names=("yes", "which", "how"), labels=targets.astype(np.float32),
        kinds=("binary", "multiclass", "regression"),
    )  # fmt: skip
    assert add_suite(suite).kinds == ["binary", "multiclass", "regression"]
    found = load_suite("kinds")
    assert (found.fingerprint, found.kinds) == (suite.fingerprint, suite.kinds)
    np.testing.assert_array_equal(found.labels, suite.labels)


def test_suites_that_were_stored_before_there_were_texts_are_read(
    folder: Path, small_suite: TaskSuite
) -> None:
    facts = json.loads((folder / FACTS).read_text())
    del facts["kinds"], facts["choices"]
    (folder / FACTS).write_text(json.dumps(facts))
    assert load_suite("mine").fingerprint == replace(small_suite, name="mine").fingerprint


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../etc", "a/b", "/etc", "a\\b", "A", "a_b", "-a", "a-", "a--b", "a\n", "a\0", "é", "a" * 33, " a"],
)  # fmt: skip
def test_hostile_names_never_reach_the_disk(name: str, folder: Path) -> None:
    assert not is_suite_name(name)
    for look in (suite_info, load_suite):
        with pytest.raises(InvalidInput, match="`suite` must be one of"):
            look(name)


@given(st.text(max_size=40))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    if is_suite_name(name):
        assert name.isascii() and (Path("/home/suites") / name).parent == Path("/home/suites")
        assert Path(name).name == name


def test_a_removed_suite_is_told(folder: Path) -> None:
    shutil.rmtree(folder)
    with pytest.raises(
        InvalidInput, match=r"found `mine`\. A suite of your own that was removed must be added again"
    ):
        load_suite("mine")


def test_a_suite_that_ships_is_not_shadowed(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("yeast"))
    assert load_suite("yeast").n_tasks == 14
    assert [info.name for info in suite_infos()].count("yeast") == 1


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no facts": (lambda folder: (folder / FACTS).unlink(), "suite.json"),
    "no arrays": (lambda folder: (folder / ARRAYS).unlink(), "suite.npz"),
    "cut arrays": (lambda folder: (folder / ARRAYS).write_bytes(b"PK"), "4 tasks in .* bytes are due"),
    "no JSON": (lambda folder: (folder / FACTS).write_bytes(b"\xff{"), "it is no JSON"),
    "deep JSON": (lambda folder: (folder / FACTS).write_text("[" * 100_000), "it is no JSON"),
    "other JSON": (lambda folder: (folder / FACTS).write_text("[]"), "all of it"),
    "later format": (lambda folder: change_facts(folder, format=2), "`format`"),
    "unknown fact": (lambda folder: change_facts(folder, colour="red"), "`colour`"),
    "wrong type": (lambda folder: change_facts(folder, n_examples="many"), "`n_examples`"),
    "another name": (lambda folder: change_facts(folder, name="other"), "it is of the suite `other`"),
    "long facts": (lambda folder: (folder / FACTS).write_bytes(b" " * (4 * 2**20 + 1)), "more than"),
    "a file": (lambda folder: (shutil.rmtree(folder), folder.write_text("x")), "cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_suite_is_named_and_the_others_are_listed(
    damage: str, folder: Path, small_suite: TaskSuite
) -> None:
    add_suite(replace(small_suite, name="zebra"))
    spoil, message = DAMAGES[damage]
    spoil(folder)
    assert [facts.name for facts in stored_suites()[0]] == ["zebra"]
    assert [info.name for info in suite_infos()][-1] == "zebra"
    (problem,) = suite_problems()
    assert "mine" in problem and "add it again" in problem
    with pytest.raises(StoreError, match=message) as raised:
        load_suite("mine")
    assert str(raised.value) == problem
    assert load_suite("zebra").n_tasks == 4


def savez(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)  # type: ignore[arg-type]


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", b"\0" * 10_000_000)


GOOD = {
    "inputs": np.zeros((120, 6), np.float32), "labels": np.zeros((120, 4), np.int8), "order": np.arange(120),
}  # fmt: skip

TEXTS = {
    "texts": np.full(120, 97, np.uint8), "ends": np.arange(1, 121), "labels": GOOD["labels"], "order": GOOD["order"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            savez(**(GOOD | {"order": np.array([print] * 120, dtype=object)})),
            "an array holds objects, which are pickled",
        ),
        (savez(**(GOOD | {"inputs": np.zeros((120, 6))})), r"inputs \(float64\)"),
        (savez(**GOOD, other=np.zeros(3)), "other"),
        (savez(inputs=GOOD["inputs"]), "missing"),
        (savez(**GOOD), "Task `first` must have at least one example labelled 1"),
        (
            savez(**GOOD, texts=np.zeros(3, np.uint8), ends=np.array([3])),
            "unexpected keyword argument 'texts'",
        ),
        (savez(**(TEXTS | {"ends": np.arange(119)})), "its texts do not end where they should"),
        (savez(**(TEXTS | {"ends": np.arange(120)[::-1]})), "its texts do not end where they should"),
        (savez(**(TEXTS | {"ends": np.zeros(0, np.int64)})), "its texts do not end where they should"),
        (savez(**(TEXTS | {"texts": np.full(120, 0xFF, np.uint8)})), "can't decode byte 0xff"),
        (savez(**(TEXTS | {"texts": np.full(120, 32, np.uint8)})), "that of example 0 is empty"),
        (savez(**(TEXTS | {"texts": np.array(["a"] * 120)})), "texts .<U1"),
        (savez(**{name: array for name, array in TEXTS.items() if name != "ends"}), "ends"),
        (bomb, "its arrays are larger than the file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "not a zip file"),
    ],
)
def test_arrays_put_there_on_purpose_are_refused(folder: Path, write: Callable, message: str) -> None:
    put_arrays(folder, write)
    with pytest.raises(StoreError, match=message) as raised:
        load_suite("mine")
    assert f"`{folder / ARRAYS}` is damaged" in str(raised.value)


def test_flipped_bytes_and_changed_facts_are_noticed(folder: Path) -> None:
    content = bytearray((folder / ARRAYS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / ARRAYS).write_bytes(bytes(content))
    with pytest.raises(StoreError, match="its checksum does not match its content"):
        load_suite("mine")
    content[len(content) // 2] ^= 1
    (folder / ARRAYS).write_bytes(bytes(content))
    change_facts(folder, task_names=["a", "b", "c", "d"])
    with pytest.raises(StoreError, match="its fingerprint does not match its content"):
        load_suite("mine")
    change_facts(folder, task_names=["first", "second", "third", "fourth"], split_rule={"pace": 1})
    with pytest.raises(StoreError, match="damaged"):
        load_suite("mine")


def test_facts_survive_their_file(folder: Path) -> None:
    facts = read_facts(folder)
    assert facts.split_rule["train"] == 0.3 and facts.task_names == ["first", "second", "third", "fourth"]
    assert len(facts.checksum) == 64 and facts.created.endswith("Z")
