"""Disks that are full, read-only or forbidden: real ones where this user may mount, else errors by their number."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradtag_core.errors import StoreError
from gradtag_core.runs import session
from gradtag_core.runs.disk import error_number, make_folder, refused, remove_folder
from gradtag_core.runs.files import write_arrays, write_json, write_table
from gradtag_core.runs.process import launch, log_tail, start_waiting
from gradtag_core.runs.session import RunSession
from gradtag_core.runs.store import RunStore

PACKAGE_PARENT = Path(session.__file__).parents[2]
FILLING_WORKER = """
import os, sys
from pathlib import Path
from gradtag_core.errors import StoreError
from gradtag_core.runs import session
from gradtag_core.runs.files import write_json
from gradtag_core.runs.store import RunStore
session.CLOSE_SECONDS = session.CLOSE_PAUSE = 0.1
store, run_id = RunStore(), sys.argv[1]
try:
    with session.RunSession(store, run_id):
        with Path(store.home, "filler").open("wb", buffering=0) as filler:
            for size in (65536, 1024, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass
        write_json(store.home / "result.json", "x" * 5000)
except StoreError as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(1)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounts("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)):
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def mounts(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def fill(disk: Path) -> Path:
    """Use every byte that is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 1024, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return path


WRITERS = {
    "json": lambda path: write_json(path, "x" * 9000),
    "safetensors": lambda path: write_arrays(path, {"a": np.arange(9000)}),
    "parquet": lambda path: write_table(path, pd.DataFrame({"a": np.random.default_rng(0).random(9000)})),
}


def test_a_full_disk_is_said_by_every_writer_and_leaves_nothing(small_disk: Path) -> None:
    fill(small_disk)
    for suffix, write in WRITERS.items():
        with pytest.raises(StoreError) as caught:
            write(small_disk / f"file.{suffix}")
        assert str(caught.value) == (
            f"The disk that holds `{small_disk / f'file.{suffix}'}` is full: free some space, then resume; "
            "everything finished is kept."
        )
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_store_on_a_full_disk_is_readable_and_works_again_when_there_is_space(small_disk: Path) -> None:
    store = RunStore(small_disk / "home")
    row = store.create({}, "run", "yeast", "run")
    filler = fill(small_disk)
    assert store.list() == [row]
    assert store.get(row.id) == RunStore(store.home).get(row.id) == row
    assert store.problems == []
    for change in (
        lambda: store.rename(row.id, "x"),
        lambda: store.annotate(row.id, note="x" * 9000),
        lambda: store.create({}, "another", "yeast", "run"),
    ):
        with pytest.raises(StoreError, match=r"The disk that holds .* is full"):
            change()
    filler.unlink()
    assert store.rename(row.id, "x").name == "x"


def test_a_run_that_fills_the_disk_fails_with_that_sentence(small_disk: Path) -> None:
    store = RunStore(small_disk / "home")
    run_id = store.create({}, "run", "yeast", "run").id
    with RunSession(store, run_id) as at_work:
        write_json(store.run_folder(run_id) / "run.json", {"kept": True})
        write_arrays(store.run_folder(run_id) / "large.safetensors", {"a": np.zeros(2**20)})
    row = store.get(run_id)
    assert (at_work.state, row.state) == ("failed", "failed")
    assert row.error is not None
    assert "is full: free some space, then resume; everything finished is kept." in row.error
    assert [path.name for path in store.run_folder(run_id).iterdir()] == ["run.json"]
    assert store.reopen(run_id).state == "queued"


def test_a_row_that_cannot_be_closed_is_closed_as_soon_as_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(FILLING_WORKER)
    store = RunStore(small_disk / "home")
    run_id = store.create({}, "run", "yeast", "run").id
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        command = [sys.executable, str(script), run_id]
        environment = {**os.environ, "GRADTAG_HOME": str(store.home), "PYTHONPATH": str(PACKAGE_PARENT)}
        subprocess.run(command, env=environment, stderr=file, check=False, timeout=60)
    assert "The run ended as failed, which could not be written: The disk that holds" in log.read_text()
    row = store.get(run_id)  # the disk is still full: closed for the reader alone
    assert row.state == "interrupted"
    assert row.error is not None
    assert "resume" in row.error
    assert [each.state for each in store.list()] == ["interrupted"]
    (store.home / "filler").unlink()
    assert store.get(run_id).state == "interrupted"
    assert store.reopen(run_id).state == "queued"


def test_a_launch_on_a_full_disk_is_one_sentence(small_disk: Path) -> None:
    store = RunStore(small_disk / "home")
    run_id = store.create({}, "run", "yeast", "run").id
    filler = fill(small_disk)
    with pytest.raises(StoreError, match=r"The disk that holds .* is full"):
        launch(store, run_id, ["sleep", "600"])
    filler.unlink()
    assert store.get(run_id).pid is None
    assert start_waiting(store) == []


def test_a_read_only_disk_can_be_looked_at(small_disk: Path) -> None:
    store = RunStore(small_disk / "home")
    row = store.create({}, "run", "yeast", "run")
    folder = store.run_folder(row.id)
    assert mounts("-o", "remount,ro", str(small_disk))
    assert RunStore(store.home).list() == [row]
    assert log_tail(store, row.id) == ""
    with pytest.raises(StoreError, match="could not be used: its folder may not be written"):
        store.rename(row.id, "x")
    with pytest.raises(StoreError, match="could not be written: its disk is read-only"):
        write_json(folder / "run.json", {})


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full: free some space, then resume"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_every_refusal_is_one_sentence_that_names_the_file(number: int, words: str) -> None:
    sentence = str(refused(Path("/home/x"), OSError(number, os.strerror(number))))
    assert words in sentence
    assert "`/home/x`" in sentence
    assert "Errno" not in sentence or number == errno.EIO


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(28, "No space left"), 28),
        (OSError("[Errno 28] Error writing bytes. Detail: [errno 28] No space left on device"), 28),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 28),
        (RuntimeError("nothing known"), None),
    ],
)
def test_the_number_is_found_in_the_text_of_other_languages(error: Exception, number: int | None) -> None:
    assert error_number(error) == number


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_error_of_any_library_fails_the_run_in_words(tmp_path: Path, number: int) -> None:
    store = RunStore(tmp_path / "home")
    run_id = store.create({}, "run", "yeast", "run").id
    with RunSession(store, run_id) as at_work:
        raise OSError(number, os.strerror(number))
    row = store.get(run_id)
    assert at_work.state == row.state == "failed"
    assert row.error == str(refused(store.home, OSError(number, "")))


def test_a_limit_on_file_sizes_is_said(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom gradtag_core.runs.files import write_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_json(Path(sys.argv[1]), 'x' * 5000)\nexcept Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "file.json")]
    done = subprocess.run(command, cwd=PACKAGE_PARENT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("StoreError")
    assert "it is larger than a file may be here" in done.stdout


def test_folders_that_cannot_be_made_or_removed_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file/inner` could not be made"):
        make_folder(tmp_path / "file" / "inner")
    with pytest.raises(StoreError, match="file` could not be deleted"):
        remove_folder(tmp_path / "file")
    remove_folder(tmp_path / "nothing")
