"""Adding and removing suites of the user."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.runs import suites as module
from gradtag_core.runs.start import create_run, execute, open_store, run
from gradtag_core.runs.suites import (
    add_suite,
    damaged_suites,
    remove_suite,
    remove_unused_suite,
    require_free_name,
)
from gradtag_core.tasks.registry import load_suite, suite_infos
from gradtag_core.tasks.stored import suites_folder
from gradtag_core.tasks.suite import TaskSuite


@pytest.fixture
def mine(small_suite: TaskSuite) -> TaskSuite:
    return replace(small_suite, name="mine")


def tiny_config(**changes):
    return make_config(
        suite="mine", width=4, epochs=1, base_epochs=1, proj_dim=4, subset_size=2, n_subsets=6, proxies_per_task=0,
        n_groups=2, train_groups=False, threads=1, **changes,
    )  # fmt: skip


def test_a_run_of_a_user_suite_has_its_fingerprint_and_says_when_it_was_removed(mine: TaskSuite) -> None:
    facts = add_suite(mine, origin=["a.csv", Path("b") / "a.csv"])
    assert facts.fingerprint == mine.fingerprint and facts.origin == ["a.csv"]
    record = run(tiny_config())
    assert record.summary.fingerprint == mine.fingerprint
    affinity = record.affinity()
    assert affinity is not None and affinity.task_names == mine.task_names

    store = open_store()
    queued = create_run(store, tiny_config(seed=1))
    remove_suite("mine")
    row = execute(store, queued.id)
    assert row.state == "failed" and row.error is not None
    assert "found `mine`" in row.error and "removed must be added again" in row.error
    with pytest.raises(GradTagError, match="must be added again"):
        run(tiny_config())
    add_suite(mine)
    assert execute(store, store.reopen(queued.id).id).state == "done"


def test_a_name_is_taken_once(mine: TaskSuite) -> None:
    add_suite(mine)
    with pytest.raises(InvalidInput, match=r"there is a suite `mine` already\. Remove it first"):
        add_suite(mine)
    assert [path.name for path in suites_folder().iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yeast", "must not be that of a suite that ships"),
        ("../mine", "lower-case letters and digits"),
        ("Mine", "found 'Mine'"),
        ("a" * 33, "1 to 32"),
        ("", "found ''"),
        (".mine", "single hyphens"),
    ],
)
def test_other_names_are_refused(mine: TaskSuite, name: str, message: str, own_home: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        add_suite(replace(mine, name=name))
    with pytest.raises(InvalidInput, match=message):
        require_free_name(name)
    with pytest.raises(InvalidInput, match="must be that of a suite of your own"):
        remove_suite(name)
    assert not own_home.exists()


def test_a_home_can_be_named(mine: TaskSuite, tmp_path: Path) -> None:
    add_suite(mine, home=tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "suites" / "mine" / "suite.json").is_file()
    assert "mine" not in {info.name for info in suite_infos()}
    remove_suite("mine", home=tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere" / "suites").iterdir()) == []


@pytest.mark.parametrize("changes", [{"title": "a\nb"}, {"description": "x" * 501}, {"title": " a"}])
def test_texts_are_one_line(mine: TaskSuite, changes: dict) -> None:
    with pytest.raises(InvalidInput, match="must be one line of at most 500 characters"):
        add_suite(mine, **changes)


def test_a_failure_leaves_nothing(mine: TaskSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_arrays", full)
        with pytest.raises(StoreError, match=r"`mine` could not be written .* No space left"):
            add_suite(mine)
    with pytest.raises(InvalidInput, match="`value` must be made of"):
        add_suite(mine, options={"path": Path("x")})
    assert list(suites_folder().iterdir()) == []
    add_suite(mine)
    assert load_suite("mine").fingerprint == mine.fingerprint


def test_facts_of_texts_are_kept(mine: TaskSuite) -> None:
    texts = np.array([f"text {row}" for row in range(mine.n_examples)], dtype=np.dtypes.StringDType())
    answers = (("no", "yes"),) * mine.n_tasks
    facts = add_suite(replace(mine, inputs=texts, choices=answers))
    assert (facts.default_model, facts.kinds) == ("transformer", None)
    assert facts.choices == [list(own) for own in answers]
    assert load_suite("mine").modality == "text"


def test_what_killed_processes_left_is_removed(mine: TaskSuite) -> None:
    old, young = (suites_folder() / f".{name}.1-abc.part" for name in ("old", "young"))
    for part in (old, young):
        part.mkdir(parents=True)
        (part / "suite.npz").write_bytes(b"x")
    long_ago = time.time() - 2 * 86_400
    os.utime(old, (long_ago, long_ago))
    add_suite(mine)
    assert not old.exists() and young.exists()
    assert [info.name for info in suite_infos()][-1] == "mine"


def test_a_damaged_suite_and_a_link_can_be_removed(mine: TaskSuite, tmp_path: Path) -> None:
    (suites_folder() / "empty").mkdir(parents=True)
    (suites_folder() / "file").write_text("x")
    (tmp_path / "target").mkdir()
    (suites_folder() / "link").symlink_to(tmp_path / "target")
    for name in ("empty", "file", "link"):
        remove_suite(name)
    assert list(suites_folder().iterdir()) == [] and (tmp_path / "target").is_dir()


def test_a_suite_goes_once_no_run_needs_it(mine: TaskSuite) -> None:
    add_suite(mine)
    store = open_store()
    run_id = store.create({}, "a run", "mine", "").id
    with pytest.raises(StoreError, match=f"`mine` is in use by `{run_id}`"):
        remove_unused_suite(store, "mine")
    store.finish(run_id, "failed", "No.", 1.0)
    assert [row.id for row in remove_unused_suite(store, "mine")] == [run_id]
    assert "mine" not in [info.name for info in suite_infos()]


def test_damaged_suites_are_named(mine: TaskSuite) -> None:
    assert damaged_suites() == []
    add_suite(mine)
    add_suite(replace(mine, name="other"))
    (suites_folder() / "mine" / "suite.json").write_text("{")
    assert damaged_suites() == ["mine"]
