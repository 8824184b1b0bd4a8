import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs import files
from gradtag_core.runs.files import (
    DamagedFile,
    UnitCache,
    content_key,
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_json,
    write_table,
)

KEY = content_key("unit")
WRITERS = {
    "json": lambda path: write_json(path, {"task": [1, 2.5, None]}),
    "safetensors": lambda path: write_arrays(path, {"a": np.arange(6.0)}, {"seed": "3"}),
    "parquet": lambda path: write_table(path, pd.DataFrame({"task": ["x", "y"], "score": [0.5, 1.0]})),
}
READERS = {"json": read_json, "safetensors": read_arrays, "parquet": read_table}

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
arrays = st.sampled_from(["?", "i1", "<i4", ">i8", "u2", "f2", "<f4", ">f8"]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4))
)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def same(left: Any, right: Any) -> bool:
    """Equality that tells True from 1, 1 from 1.0 and 0.0 from -0.0, as JSON does."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and repr(left) == repr(right)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(json_values)
def test_key_ignores_the_order_of_keys(value: Any) -> None:
    assert content_key(value, "x") == content_key(shuffled(value), "x")


@settings(deadline=None)
@given(json_values, json_values)
def test_key_tells_values_apart(left: Any, right: Any) -> None:
    assert (content_key(left) == content_key(right)) == same(left, right)


def test_key_is_stable_across_versions() -> None:
    canonical = b'["train",{"a":[0.1,null,true],"b":1}]'
    expected = hashlib.sha256(canonical).hexdigest()[:32]
    assert content_key("train", {"b": 1, "a": [0.1, None, True]}) == expected


def test_key_depends_on_the_grouping_of_parts() -> None:
    keys = {content_key("a", "b"), content_key("ab"), content_key(["a", "b"]), content_key(["a"], "b")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1: "a"}, {"a": {2, 3}}, np.float32(1), object()]
)
def test_what_json_would_change_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`value`"):
        content_key(value)
    with pytest.raises(InvalidInput, match="`value`"):
        write_json(tmp_path / "value.json", [value])
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_json_round_trip(folder: Path, value: Any) -> None:
    write_json(folder / "value.json", value)
    assert same(read_json(folder / "value.json"), value)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(words, arrays, max_size=3), st.dictionaries(words, words, max_size=3))
def test_arrays_round_trip(folder: Path, values: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    write_arrays(folder / "a.safetensors", values, metadata)
    found, labels = read_arrays(folder / "a.safetensors")
    assert labels == metadata
    assert found.keys() == values.keys()
    for name, array in values.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("<")


def test_arrays_in_any_memory_order_round_trip(tmp_path: Path) -> None:
    grid = np.arange(24.0).reshape(4, 6)
    values = {"transposed": grid.T, "strided": grid[::2, ::-3], "fortran": np.asfortranarray(grid)}
    write_arrays(tmp_path / "a.safetensors", values)
    found, _ = read_arrays(tmp_path / "a.safetensors")
    for name, array in values.items():
        np.testing.assert_array_equal(found[name], array)
        found[name][:] = 0  # what is read may be changed


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("text", np.array(["a"])),
        ("object", np.array([{}])),
        ("z", np.zeros(2, complex)),
        ("__metadata__", np.ones(1)),
    ],
)
def test_arrays_that_safetensors_cannot_hold_are_refused(
    tmp_path: Path, name: str, array: np.ndarray
) -> None:
    with pytest.raises(InvalidInput, match=name):
        write_arrays(tmp_path / "a.safetensors", {name: array})


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8")),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.booleans(),
        )
    ),
)
def test_table_round_trip(folder: Path, rows: list[tuple[str, int, float, bool]]) -> None:
    table = pd.DataFrame(rows, columns=["task", "subset", "score", "kept"])
    table = table.astype({"task": "str", "subset": "int64", "score": "float64", "kept": "bool"})
    write_table(folder / "t.parquet", table)
    pd.testing.assert_frame_equal(read_table(folder / "t.parquet"), table)


def test_table_keeps_missing_values_index_and_lists(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"score": [0.5, np.nan], "members": [[1, 2], []]}, index=pd.Index([7, 3], name="subset")
    )
    folder = tmp_path / "suite=yeast"  # must not become a column
    write_table(folder / "t.parquet", table)
    found = read_table(folder / "t.parquet")
    assert [list(members) for members in found.pop("members")] == [[1, 2], []]
    pd.testing.assert_frame_equal(found, table.drop(columns="members"))


def test_table_of_mixed_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`table`"):
        write_table(tmp_path / "t.parquet", pd.DataFrame({"a": [1, "x"]}))


@pytest.mark.parametrize("suffix", WRITERS)
def test_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(StoreError, match=rf"missing\.{suffix}` is missing"):
        READERS[suffix](tmp_path / f"missing.{suffix}")


@pytest.mark.parametrize("suffix", WRITERS)
def test_unreadable_file_is_not_called_damaged(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(StoreError, match="could not be read") as caught:
        READERS[suffix](tmp_path)  # a folder
    assert not isinstance(caught.value, DamagedFile)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"unit.{suffix}"
    WRITERS[suffix](path)
    whole = path.read_bytes().rstrip()
    for length in range(0, len(whole), max(1, len(whole) // 200)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match=rf"unit\.{suffix}` is damaged"):
            READERS[suffix](path)


def test_flipped_bit_never_changes_what_arrays_say(tmp_path: Path) -> None:
    path = tmp_path / "unit.safetensors"
    written = {"a": np.arange(3, dtype="f4"), "b": np.array([[True], [False]])}
    write_arrays(path, written, {"seed": "3"})
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 3):  # 3 and 8 share no factor: every bit position comes up
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found, metadata = read_arrays(path)
        except DamagedFile:
            continue
        assert metadata["seed"] == "3"
        assert found.keys() == written.keys()
        for name, array in written.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_flipped_bit_in_the_values_of_a_table_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    values = np.random.default_rng(0).normal(size=1000)
    write_table(path, pd.DataFrame({"score": values}))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DamagedFile):
        read_table(path)


@pytest.mark.parametrize("suffix", WRITERS)
def test_failed_write_keeps_the_old_file(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"unit.{suffix}"
    WRITERS[suffix](path)
    before = path.read_bytes()

    def full(part: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(StoreError, match=rf"The disk that holds `.*unit\.{suffix}` is full"):
        WRITERS[suffix](path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", WRITERS)
def test_file_in_place_of_a_folder(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(StoreError, match="could not be written"):
        WRITERS[suffix](tmp_path / "home" / f"unit.{suffix}")


def test_json_files_are_readable_by_people(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Größe"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "name": "Größe"\n}'
    (tmp_path / "a.json").write_text('{"score": NaN}')
    with pytest.raises(DamagedFile, match="NaN"):
        read_json(tmp_path / "a.json")


def test_cache_keeps_units_by_stage_and_key(tmp_path: Path) -> None:
    cache = UnitCache(tmp_path / "cache")
    assert cache.get_json("trained", KEY) is None
    assert cache.get_arrays("features", KEY) is None
    assert cache.get_table("scores", KEY) is None
    assert cache.size_bytes() == 0
    cache.put_json("trained", KEY, {"score": 1})
    cache.put_arrays("features", KEY, {"a": np.ones(3)}, {"seed": "1"})
    cache.put_table("scores", KEY, pd.DataFrame({"score": [1.0]}))
    assert cache.get_json("trained", KEY) == {"score": 1}
    found = cache.get_arrays("features", KEY)
    assert found is not None
    assert found[1] == {"seed": "1"}
    assert cache.get_table("scores", KEY) is not None
    path = tmp_path / "cache" / "trained" / KEY[:2] / f"{KEY}.json"
    assert cache.path("trained", KEY, "json") == path
    assert cache.has("trained", KEY, "json")
    assert not cache.has("features", KEY, "json")
    assert cache.size_bytes() == sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    cache.remove([("trained", KEY), ("never", KEY)])
    assert not path.exists()
    assert cache.has("features", KEY, "safetensors")
    assert cache.damaged == []


@pytest.mark.parametrize("suffix", WRITERS)
def test_damaged_unit_counts_as_absent_and_is_reported(tmp_path: Path, suffix: str) -> None:
    cache = UnitCache(tmp_path)
    path = cache.path("stage", KEY, suffix)

    def write() -> None:
        if suffix == "json":
            cache.put_json("stage", KEY, {"task": [1, 2.5, None]})
        else:
            WRITERS[suffix](path)

    write()
    path.write_bytes(path.read_bytes()[:-4])
    get = {"json": cache.get_json, "safetensors": cache.get_arrays, "parquet": cache.get_table}[suffix]
    assert get("stage", KEY) is None
    assert cache.damaged == [path]
    assert not cache.has("stage", KEY, suffix)
    write()
    assert get("stage", KEY) is not None
    assert len(cache.damaged) == 1


@pytest.mark.parametrize(
    "change", [(b"2.5", b"2.6"), (b"task", b"tusk"), (b"null", b"true"), (b"gradtag_crc32", b"gradtag_crc33")]
)
def test_a_json_unit_that_is_still_json_is_damaged_all_the_same(
    tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    cache = UnitCache(tmp_path)
    cache.put_json("stage", KEY, {"task": [1, 2.5, None]})
    path = cache.path("stage", KEY, "json")
    path.write_bytes(path.read_bytes().replace(*change))
    assert cache.get_json("stage", KEY) is None
    assert cache.damaged == [path]


@pytest.mark.parametrize(
    ("stage", "key", "suffix"),
    [
        ("..", KEY, "json"),
        ("a/b", KEY, "json"),
        ("a", "../" + KEY, "json"),
        ("a", KEY[:-1], "json"),
        ("a", KEY, "../x"),
    ],
)
def test_unit_names_cannot_leave_the_cache(tmp_path: Path, stage: str, key: str, suffix: str) -> None:
    with pytest.raises(InvalidInput):
        UnitCache(tmp_path).path(stage, key, suffix)


def test_only_old_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    cache = UnitCache(tmp_path)
    cache.put_json("stage", KEY, 1)
    old, new = (cache.path("stage", KEY, "json").with_name(name) for name in (".tmpAB", ".x.json.1-2.part"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * files.LEFTOVER_SECONDS))
    cache.remove([])
    assert not old.exists()
    assert new.exists()
    assert cache.has("stage", KEY, "json")


def test_written_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", (1, "\u2028", 1e300))
    assert json.loads((tmp_path / "a.json").read_bytes()) == [1, "\u2028", 1e300]


def test_a_number_type_that_numpy_has_not_is_damage(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(DamagedFile, match="damaged or was cut short"):
        read_arrays(path)
