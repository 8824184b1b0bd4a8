"""A cache at a URL: what one machine puts there another finds, whole and checked."""

from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.engine import shared_cache
from gradtag_core.runs.engine.shared_cache import SharedCache, address_of, cache_at, store_cache
from gradtag_core.runs.files import UnitCache, content_key
from gradtag_core.runs.store import RunStore

KEY = content_key("one")


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/there"
    return f"memory://{uuid4().hex}/units"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(shared_cache, "FRESH_SECONDS", 0.0)
    monkeypatch.delenv("GRADTAG_CACHE", raising=False)


@pytest.fixture
def two(url, tmp_path):
    return SharedCache(url, tmp_path / "a"), SharedCache(url, tmp_path / "b")


def there(cache):
    system, prefix = fsspec.core.url_to_fs(cache.url)
    return {str(name).removeprefix(prefix): name for name in system.find(prefix)}, system


def test_what_one_puts_another_finds(two):
    one, other = two
    assert not other.has("features", KEY, "json") and other.get_json("features", KEY) is None
    one.put_json("features", KEY, {"a": [1, 2.5]})
    one.put_arrays("features", KEY, {"x": np.arange(5.0)}, {"b": "c"})
    assert other.has("features", KEY, "json") and other.has("features", KEY, "safetensors")
    assert not other.has("features", KEY, "parquet")
    assert other.get_json("features", KEY) == {"a": [1, 2.5]}
    arrays, metadata = other.get_arrays("features", KEY)
    assert arrays["x"].tolist() == [0, 1, 2, 3, 4] and metadata == {"b": "c"}
    assert other.path("features", KEY, "json").is_file() and other.damaged == []
    assert sorted(there(one)[0]) == [
        f"/features/{KEY[:2]}/{KEY}.{suffix}" for suffix in ("json", "safetensors")
    ]


def test_a_damaged_copy_is_fetched_again(two):
    one, other = two
    one.put_json("features", KEY, {"a": 1})
    path = one.path("features", KEY, "json")
    path.write_bytes(path.read_bytes()[:-3])
    assert one.get_json("features", KEY) == {"a": 1}
    assert one.damaged == [path] and other.get_json("features", KEY) == {"a": 1}


def test_what_is_damaged_there_is_removed_on_both_sides(two):
    one, other = two
    one.put_arrays("features", KEY, {"x": np.arange(5.0)})
    names, system = there(one)
    (name,) = names.values()
    system.pipe_file(name, system.cat_file(name)[:-8] + b"12345678")
    assert other.get_arrays("features", KEY) is None
    assert {path.name for path in other.damaged} == {f"{KEY}.safetensors"}
    assert not other.has("features", KEY, "safetensors") and there(one)[0] == {}
    other.put_arrays("features", KEY, {"x": np.arange(5.0)})
    assert other.get_arrays("features", KEY)[0]["x"].tolist() == [0, 1, 2, 3, 4]


def test_removing_is_for_both_sides(two):
    one, other = two
    one.put_json("features", KEY, 1)
    other.get_json("features", KEY)
    other.remove([("features", KEY), ("features", content_key("none"))])
    assert not other.has("features", KEY, "json") and there(one)[0] == {}


def test_a_part_of_a_file_is_never_seen(two, monkeypatch):
    one, other = two
    system = one._system
    monkeypatch.setattr(
        type(system), "mv", lambda *_, **__: (_ for _ in ()).throw(OSError("the network is down"))
    )
    with pytest.raises(StoreError, match="could not be written: OSError: the network is down"):
        one.put_json("features", KEY, 1)
    assert not one.has("features", KEY, "json") and other.get_json("features", KEY) is None


def test_an_address_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="`GRADTAG_CACHE` must be a folder or a URL that fsspec can open"):
        cache_at("nothing://bucket/prefix", tmp_path)


def test_the_store_takes_the_environment_s(tmp_path, monkeypatch, url):
    assert address_of(store_cache(tmp_path)) == str(tmp_path / "cache")
    monkeypatch.setenv("GRADTAG_CACHE", str(tmp_path / "shared"))
    store = RunStore(tmp_path / "home")
    assert type(store.cache) is UnitCache and store.cache.root == tmp_path / "shared"
    monkeypatch.setenv("GRADTAG_CACHE", url)
    store = RunStore(tmp_path / "home")
    assert isinstance(store.cache, SharedCache) and address_of(store.cache) == url
    assert store.cache.root == tmp_path / "home" / "cache"
    assert cache_at(url, None).root.is_dir() and Path("/tmp") != cache_at(url, None).root


def test_a_run_over_a_url_has_the_same_numbers_and_leaves_nothing_when_it_is_deleted(
    runner, tmp_path, monkeypatch
):
    monkeypatch.setenv("GRADTAG_CACHE", f"file://{tmp_path}/there")
    record, store = runner.run(None)
    runner.assert_same(record)
    units = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert len(units) > 10
    store.delete(record.summary.id)
    assert not any(path.exists() for path in units)
