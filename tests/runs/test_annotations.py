from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.annotations import MAX_TAGS, NOTE_LENGTH, TAG_LENGTH, checked_tags
from gradtag_core.runs.files import write_json
from gradtag_core.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    sample = {"id": "shipped", "name": "Shipped", "suite": "yeast", "config": {}, "command": "run"}
    write_json(tmp_path / "samples" / "one" / "run.json", {**sample, "created": 1.0, "seconds": 2})
    return RunStore(tmp_path / "home", samples=[tmp_path / "samples"])


def made(store: RunStore) -> str:
    run_id = store.create({}, "A run", "yeast", "run").id
    store.finish(run_id, "failed")
    return run_id


@pytest.mark.parametrize("kind", ["own", "sample"])
def test_each_part_is_written_alone_and_read_everywhere(store: RunStore, kind: str) -> None:
    run_id = made(store) if kind == "own" else "shipped"
    before = store.get(run_id)
    assert (before.note, before.tags, before.archived) == ("", (), False)
    assert store.annotate(run_id, note="  Mind the\r\nseed. ").note == "Mind the\nseed."
    assert store.annotate(run_id, tags=["slow", "paper"]).tags == ("paper", "slow")
    row = store.annotate(run_id, archived=True)
    assert (row.note, row.tags, row.archived) == ("Mind the\nseed.", ("paper", "slow"), True)
    assert row == store.get(run_id) == next(each for each in store.list() if each.id == run_id)
    assert RunStore(store.home, samples=[store.home.parent / "samples"]).get(run_id) == row
    row = store.annotate(run_id, note="", tags=[], archived=False)
    assert row == before == store.annotate(run_id)


def test_a_run_at_work_can_be_written_on(store: RunStore) -> None:
    run_id = store.create({}, "A run", "yeast", "run").id
    assert store.annotate(run_id, note="x").state == "queued"
    assert store.open_rows()[0].note == "x"


def test_deleting_a_run_removes_what_is_written_on_it(store: RunStore) -> None:
    run_id = made(store)
    store.annotate(run_id, note="x", tags=["y"])
    store.delete(run_id)
    with store.transaction() as database:
        assert database.execute("SELECT COUNT(*) FROM annotations").fetchone()[0] == 0


def test_unknown_runs_get_none(store: RunStore) -> None:
    with pytest.raises(StoreError, match="There is no run `unknown`"):
        store.annotate("unknown", note="x")
    with pytest.raises(InvalidInput, match="`run_id`"):
        store.annotate("../x", note="x")


@pytest.mark.parametrize(
    ("note", "found"), [("x" * (NOTE_LENGTH + 1), "10,001"), ("a\0b", "3 "), ("\ud800", "1 ")]
)
def test_bad_notes_are_refused(store: RunStore, note: str, found: str) -> None:
    run_id = made(store)
    with pytest.raises(InvalidInput, match=f"`note` must have at most 10,000 .* found {found}"):
        store.annotate(run_id, note=note, tags=["kept out"])
    assert store.get(run_id).tags == ()


@pytest.mark.parametrize(
    "tags",
    [[""], ["  "], ["a,b"], ["a\nb"], ["\x1b[1m"], ["x" * (TAG_LENGTH + 1)], ["\udfff"], "abc",
     [str(number) for number in range(MAX_TAGS + 1)]],
)  # fmt: skip
def test_bad_tags_are_refused(store: RunStore, tags: list[str]) -> None:
    run_id = made(store)
    with pytest.raises(InvalidInput, match="`tags` must"):
        store.annotate(run_id, tags=tags)
    assert store.get(run_id).tags == ()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=8), max_size=6), st.text(max_size=40))
def test_what_is_accepted_reads_back(store: RunStore, tags: list[str], note: str) -> None:
    try:
        expected = checked_tags(tags)
        row = store.annotate("shipped", tags=tags, note=note)
    except InvalidInput:
        return
    assert row.tags == expected == checked_tags(expected)
    assert set(expected) == {tag.strip() for tag in tags}
    assert row.note == note.replace("\r\n", "\n").strip()
