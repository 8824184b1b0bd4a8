"""A slice of the fuzz campaign, and that the fuzzer finds what it looks for."""

import json
import random
from pathlib import Path

import pytest

from benchmarks.fuzz import Laboratory, main, run, shares
from benchmarks.fuzz_mutations import MAX_INPUT, mutant
from benchmarks.fuzz_readers import READERS

SLICE = 1_000  # inputs over all readers

FAULTY = """
import os, time
from benchmarks.fuzz_reader import Reader
from gradtag_core.errors import InvalidInput

def call(path):
    content = path.read_bytes()
    if content == b"crash":
        raise KeyError("crash")
    if content == b"hang":
        while True:
            pass
    if content == b"memory":
        try:
            bytearray(2**40)
        except MemoryError as error:
            raise InvalidInput("too large") from error
    if content == b"death":
        os._exit(3)
    if content == b"refused":
        raise InvalidInput("refused")

hostile = [b"crash", b"hang", b"memory", b"death", b"refused", b"fine"]
READERS = (Reader("faulty", "f.txt", lambda: [b"fine"], call, lambda: list(hostile)),)
"""


def test_each_kind_of_fault_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faulty_readers.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    from faulty_readers import READERS as faulty  # pyright: ignore[reportMissingImports]

    laboratory = Laboratory(tmp_path / "work", tmp_path / "kept", module="faulty_readers")
    try:
        tally = laboratory.campaign(faulty[0], 12, 0)
    finally:
        laboratory.stop()
    assert tally.inputs == 12 and tally.refused >= 1 and tally.accepted >= 1
    found = {fault.partition(":")[0] for fault in tally.faults}
    assert found == {"crash", "hang", "memory", "killed"}
    kept = [path.read_bytes() for path in (tmp_path / "kept").glob("*.txt") if path.stat().st_size < 20]
    assert {b"crash", b"hang", b"memory", b"death"} <= {*kept}


def test_a_reader_that_refuses_its_own_corpus_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strict_readers.py").write_text(FAULTY.replace('[b"fine"], call', '[b"refused"], call'))
    monkeypatch.syspath_prepend(tmp_path)
    from strict_readers import READERS as strict  # pyright: ignore[reportMissingImports]

    laboratory = Laboratory(tmp_path / "work", module="strict_readers")
    with pytest.raises(
        RuntimeError, match=r"`faulty` must accept its own corpus; found: [\s\S]*InvalidInput: refused"
    ):
        laboratory.campaign(strict[0], 1, 0)
    laboratory.stop()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_mutants_are_the_same_for_a_seed_and_not_all_alike(reader) -> None:
    if reader.name.startswith("model"):
        pytest.skip("its corpus takes a second to make, and is JSON and safetensors as others are")
    pool = reader.corpus()
    first, again = ([mutant(random.Random(seed), pool) for seed in range(20)] for _ in range(2))
    assert first == again and len({*first}) > 10 and max(map(len, first)) <= MAX_INPUT


def test_a_slice_of_the_campaign_finds_no_fault(tmp_path: Path) -> None:
    readers = [
        reader for reader in READERS if not reader.name.startswith("model")
    ]  # which import for seconds
    tallies = run(readers, SLICE, seed=1, keep=tmp_path / "kept", hostile=False)
    faults = {tally.name: dict(tally.faults) for tally in tallies if tally.faults}
    assert faults == {}
    assert all(tally.inputs == own for tally, own in zip(tallies, shares(readers, SLICE), strict=True))
    assert (
        sum(tally.refused for tally in tallies) > SLICE / 3
        and sum(tally.accepted for tally in tallies) > SLICE / 20
    )


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--inputs", "30", "--only", "pairs of tasks", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["inputs"], found["faults"]) == ("pairs of tasks", 30, {})
    assert main(["--inputs", "30", "--only", "pairs of tasks"]) == 0
    assert "| pairs of tasks | 30 |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--only", "no such reader"])
