"""The fault campaign sees what it looks for: another bit, a unit that is gone or computed twice, a name not synced."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import faults, faults_trial
from benchmarks.faults_compare import Ledger, differing, results_of
from benchmarks.faults_disk import damage
from benchmarks.faults_power import never_renamed, order_faults, read_events, unsynced_folders
from benchmarks.faults_trial import Tally, Trial, children, environment, lives
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.runs.engine.work import MARKS
from gradtag_core.runs.files import DamagedFile, UnitCache, read_arrays, write_arrays
from gradtag_core.runs.record import RunRecord

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data" / "runs" / "yeast"
KEY = "0123456789abcdef" * 2
needs_proc = pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="looks at processes as Linux shows them"
)


@pytest.fixture(scope="module")
def expected():
    return results_of(RunRecord(SAMPLE))


@pytest.fixture
def record(tmp_path) -> RunRecord:
    return RunRecord(Path(shutil.copytree(SAMPLE, tmp_path / "run")))


def with_other_bit(values: np.ndarray, position: int) -> np.ndarray:
    content = bytearray(values.tobytes())
    content[position // 8] ^= 1 << position % 8
    return np.frombuffer(bytes(content), values.dtype).reshape(values.shape)


def changed(scores: SubsetScores) -> SubsetScores:
    """One score by one unit in the last place."""
    values = scores.values.copy()
    values[7, 3] = np.nextafter(values[7, 3], 2)
    return replace(scores, values=values)


# Results


def test_a_run_equals_itself_and_everything_that_it_found_is_compared(record, expected):
    assert differing(results_of(record), expected) == []
    names = {
        "estimated values", "proxies values", "gradients values", "trained values", "trained members",
        "affinity in auc", "affinity in loss", "true affinity in f1",
        "groups", "group scores", "scores together", "base_scores", "standard_errors",
        "FLOPs of truth",
    }  # fmt: skip
    assert names <= expected.keys()


def test_one_bit_of_anything_is_seen(expected):
    draws = random.Random(0)
    for name, values in expected.items():
        for _ in range(5):
            other = with_other_bit(values, draws.randrange(values.nbytes * 8))
            assert differing({**expected, name: other}, expected) == [name]


@pytest.mark.parametrize(
    "other", [np.array([-0.0, np.nan]), np.array([0.0, np.nan], np.float32), np.array([[0.0, np.nan]]), None]
)
def test_signs_of_zero_types_shapes_and_absence_are_seen(other):
    one = {"scores": np.array([0.0, np.nan])}
    assert differing(one, {"scores": np.array([0.0, np.nan])}) == []
    assert differing(one, {} if other is None else {"scores": other}) == ["scores"]
    assert differing({} if other is None else {"scores": other}, one) == ["scores"]


def test_one_bit_in_a_file_of_a_run_is_seen(record, expected):
    record.write_scores(changed(record.estimated))
    assert "estimated values" in differing(results_of(RunRecord(record.folder)), expected)
    (record.folder / "groups.json").unlink()
    assert {"group scores", "scores together"} < {*differing(results_of(RunRecord(record.folder)), expected)}


def test_a_run_with_other_results_is_not_recovered(record, expected):
    tally = Tally("worker killed")
    tally.compare(record, expected, 3)
    assert (tally.recovered, tally.differing, tally.problems) == (3, 0, [])
    record.write_scores(changed(record.trained))
    tally.compare(record, expected, 2)
    assert (tally.recovered, tally.differing) == (3, 1)
    assert len(tally.problems) == 1 and tally.problems[0].startswith("other results: trained values")


# Units


def test_units_that_are_lost_or_computed_twice_are_seen(tmp_path):
    cache = UnitCache(tmp_path)
    ledger = Ledger(tmp_path)
    for stage in ("features", "trained", "estimates"):
        cache.put_json(stage, KEY, [1])
    assert ledger.look() == 3
    cache.put_json("groupings", KEY, [1])
    assert (ledger.look(), ledger.lost, ledger.twice) == (4, [], [])
    cache.put_json("trained", KEY, [1])  # the same content once more
    cache.remove([("features", KEY)])
    assert ledger.look() == 3
    assert (ledger.lost, ledger.twice) == ([f"features/01/{KEY}.json"], [f"trained/01/{KEY}.json"])
    ledger.forget(cache.path("estimates", KEY, "json"))
    cache.put_json("estimates", KEY, [1])
    ledger.look()
    assert len(ledger.lost) == len(ledger.twice) == 1


def test_marks_and_files_that_are_being_written_are_no_units(tmp_path):
    cache, ledger = UnitCache(tmp_path), Ledger(tmp_path)
    cache.put_json(MARKS, KEY, {})
    (tmp_path / "trained" / "01").mkdir(parents=True)
    (tmp_path / "trained" / "01" / f".{KEY}.json.1-2.part").touch()
    assert ledger.look() == 0


def test_a_lost_unit_of_a_run_is_a_problem(record, expected, tmp_path):
    cache, ledger = UnitCache(tmp_path / "cache"), Ledger(tmp_path / "cache")
    cache.put_json("trained", KEY, 1)
    ledger.look()
    cache.remove([("trained", KEY)])
    row = SimpleNamespace(state="done", error=None, id="run")
    trial = SimpleNamespace(
        ledger=ledger, faults=1, moments=Counter(starting=1), problems=[], row=lambda: row, record=record
    )
    tally = Tally("worker killed")
    tally.judge(trial, expected)  # pyright: ignore[reportArgumentType]
    assert (tally.faults, tally.lost, tally.twice, tally.differing) == (1, 1, 0, 0)
    assert tally.recovered == 0 and tally.problems == [f"lost: trained/01/{KEY}.json"]


# Processes


@needs_proc
def test_a_killed_worker_is_counted_and_what_outlives_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(faults_trial, "GONE_SECONDS", 0.5)
    script = "import subprocess, sys, time; subprocess.Popen(['sleep', '3']); time.sleep(60)"
    trial = Trial(tmp_path / "home", {"GRADTAG_WORKERS": "2"}, lambda run_id: [sys.executable, "-c", script])
    trial.start()
    assert trial.watch(30, lambda: children(trial.pid))
    assert trial.kill()
    assert (trial.faults, trial.moments) == (1, {"starting": 1})
    assert trial.problems == ["1 processes outlived the worker that started them"]
    assert trial.row().state == "interrupted" and not lives(trial.pid)


def test_workers_get_the_settings_of_their_trial_alone(monkeypatch):
    monkeypatch.setenv("GRADTAG_WORKERS", "7")
    script = [
        sys.executable,
        "-c",
        "import os; print(*(os.environ.get(f'GRADTAG_{n}') for n in ('WORKERS', 'CACHE')))",
    ]
    with environment({"GRADTAG_CACHE": "/there"}):
        assert subprocess.run(script, capture_output=True, text=True, check=True).stdout == "None /there\n"
    assert (
        faults_trial.os.environ["GRADTAG_WORKERS"] == "7" and "GRADTAG_CACHE" not in faults_trial.os.environ
    )


# Files


def test_damage_is_one_bit_or_a_missing_end(tmp_path):
    path, content, seen = tmp_path / "trained" / "01" / "unit.json", bytes(range(200)), set()
    path.parent.mkdir(parents=True)
    for seed in range(30):
        path.write_bytes(content)
        said = damage(path, random.Random(seed))
        now = path.read_bytes()
        if len(now) == len(content):
            others = [one ^ other for one, other in zip(now, content, strict=True) if one != other]
            assert len(others) == 1 and others[0].bit_count() == 1 and said.startswith("trained with bit")
        else:
            assert content.startswith(now) and said == f"trained cut to {len(now)} of 200 bytes"
        seen.add(len(now) == len(content))
    assert seen == {True, False}


def test_a_flip_that_changes_nothing_is_no_damage(tmp_path):
    # 1E-5 is 1e-5, and without its name nobody asks for a checksum.
    path = tmp_path / "trained" / "01" / "unit.json"
    path.parent.mkdir(parents=True)
    for seed in range(300):
        path.write_bytes(b"1e-5")
        if "flipped" in damage(path, random.Random(seed)):
            assert path.read_bytes() != b"1E-5"
    arrays = path.with_suffix(".safetensors")
    write_arrays(arrays, {"a": np.arange(3)})
    content = arrays.read_bytes()
    for seed in range(300):
        arrays.write_bytes(content)
        damage(arrays, random.Random(seed))
        with pytest.raises(DamagedFile):
            read_arrays(arrays)


def sync(path, modified=1, size=1, thread=1):
    return {"what": "sync", "path": path, "modified": modified, "size": size, "thread": thread}


def rename(source, path, modified=1, size=1, thread=1):
    return {
        "what": "rename", "source": source, "path": path, "modified": modified, "size": size, "thread": thread
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([sync("/a/.x"), rename("/a/.x", "/a/x"), sync("/a")], []),
        ([rename("/a/.x", "/a/x"), sync("/a")], ["/a/x: renamed before its content was synced"]),
        (
            [sync("/a/.x"), rename("/a/.x", "/a/x", modified=2), sync("/a")],
            ["/a/x: renamed before its content was synced"],
        ),
        ([sync("/a/.x"), rename("/a/.x", "/a/x")], ["/a/x: its name was never synced"]),
        ([sync("/a/.x"), rename("/a/.x", "/a/x"), sync("/b")], ["/a/x: its name was never synced"]),
        (
            [
                sync("/a/.x"), sync("/a/.y"), rename("/a/.x", "/a/x"), rename("/a/.y", "/a/y"), sync("/a"),
            ],
            ["/a/x: its name was not synced before the next call"],
        ),
        (
            [
                sync("/a/.x"), sync("/a/.y", thread=2), rename("/a/.x", "/a/x"), rename("/a/.y", "/a/y", thread=2),
                sync("/a", thread=2), sync("/a"),
            ],
            [],
        ),
    ],
)  # fmt: skip
def test_a_renaming_between_syncs_is_told_from_others(events, found):
    assert order_faults(events) == found


def test_files_and_folders_that_a_power_cut_may_take_are_named(tmp_path):
    for name in ("kept.json", "written.json", "runs.sqlite-wal", "log.txt", ".part"):
        (tmp_path / name).touch()
    kept = str(tmp_path / "kept.json")
    assert never_renamed(tmp_path, [rename("x", kept)]) == ["written.json: written under its own name"]
    made = [{"what": "folder", "path": str(tmp_path / name)} for name in ("a", "a/b", "c/d")]
    outside = {"what": "folder", "path": "/elsewhere"}
    events = [*made[:2], outside, sync(str(tmp_path)), made[2]]
    assert unsynced_folders(events, tmp_path) == [tmp_path / "a/b", tmp_path / "c/d"]


WRITE = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.faults_recorder import Recorder
from gradtag_core.runs.files import write_arrays, write_json
folder = Path(sys.argv[1])
Recorder(folder / "events", sys.argv[2]).install()
for _ in range(2):
    write_json(folder / "new" / "one.json", {"a": 1})
    write_arrays(folder / "new" / "two.safetensors", {"a": np.arange(9)})
"""


def recorded(folder: Path, stop: str) -> int:
    command = [sys.executable, "-c", WRITE, str(folder), stop]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


def test_writers_are_recorded_and_keep_the_order(tmp_path):
    assert recorded(tmp_path, "never") == 0
    events = read_events(tmp_path / "events")
    inside = [
        event["what"] for event in events if event["path"] not in (str(tmp_path), str(tmp_path / "new"))
    ]
    assert inside == ["sync", "rename"] * 4
    assert order_faults(events) == []
    without_syncs = [event for event in events if event["what"] != "sync"]
    assert len(order_faults(without_syncs)) == 8  # neither the content nor the name of any


@pytest.mark.parametrize(
    ("stop", "names"),
    [
        ("unsynced:2", ["one.json"]),
        ("before:1", []),
        ("after:2", ["one.json", "two.safetensors"]),
        ("before:4", ["one.json", "two.safetensors"]),
    ],
)
def test_a_writer_that_is_killed_leaves_no_half_file(tmp_path, stop, names):
    assert recorded(tmp_path, stop) == -signal.SIGKILL
    last = read_events(tmp_path / "events")[-1]
    assert (last["what"], last["moment"]) == ("end", stop.partition(":")[0])
    found = [path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith(".")]
    assert sorted(found) == names
    assert bool(last["before"]) == (stop == "before:4")


# The command


def test_the_command_prints_the_tally_and_fails_where_something_went_wrong(monkeypatch, capsys):
    bench = SimpleNamespace(units=33, bytes=4_600_000, seconds=8.0)
    monkeypatch.setattr(faults, "Bench", lambda folder, kills, seed: bench)
    good = Tally("worker killed", 5, 5, 3, moments=Counter(starting=5))
    bad = Tally("file damaged", 2, 1, 1, problems=["not noticed: trained with bit 1 flipped"])
    found = {"worker": [good], "bits": [bad], "disk": [Tally("disk full", skipped="no tmpfs.")]}
    monkeypatch.setattr(faults, "FAULTS", {name: lambda _, name=name: iter(found[name]) for name in found})
    assert faults.main(["--only", "worker", "--only", "disk"]) == 0
    text = capsys.readouterr().out
    assert (
        "| worker killed | 5 | 5 | 3 | 0 | 0 | 0 | 0 |" in text
        and "| disk full | skipped: no tmpfs. |" in text
    )
    assert faults.main(["--json"]) == 1
    (worker, bits, _) = json.loads(capsys.readouterr().out)["faults"]
    assert (worker["recovered"], bits["problems"]) == (5, ["not noticed: trained with bit 1 flipped"])
    with pytest.raises(SystemExit):
        faults.main(["--kills", "0"])
