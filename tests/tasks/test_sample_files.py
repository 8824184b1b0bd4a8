"""The data that ships: its contents, its size, that it has no prose, and that readers name faults."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.name_tokens import hashed_tokens
from gradtag_core.tasks.propagation import propagate
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.sample_files import (
    SAMPLE_DATA,
    debian_graph,
    debian_suite,
    digits_suite,
    read_arrays,
    yeast_suite,
)
from gradtag_core.tasks.scaling import standardise

READERS = {"debian": debian_suite, "yeast": yeast_suite, "digits": digits_suite}


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("debian", "3676218f6a1e93b4"),
        ("yeast", "c7307a70dc90dd9f"),
        ("digits", "7f1a981c1117b430"),
    ],
)
def test_loaded_numbers_are_the_same_on_every_machine(name: str, digest: str) -> None:
    # Stored runs know their data by its fingerprint, so a library that changes one number must not go unseen.
    suite = load_suite(name)
    content = hashlib.sha256()
    for array in (suite.inputs, suite.labels, suite.order):
        content.update(np.ascontiguousarray(array).data)
    assert content.hexdigest()[:16] == digest


@pytest.mark.parametrize("name", ["yeast", "digits"])
def test_reading_again_gives_the_same_suite(name: str) -> None:
    assert READERS[name]().fingerprint == load_suite(name).fingerprint


@pytest.mark.parametrize(("name", "limit"), [("debian", 3_000_000), ("yeast", 1_000_000), ("digits", 10_000)])
def test_files_stay_small(name: str, limit: int) -> None:
    assert sum(file.stat().st_size for file in (SAMPLE_DATA / name).iterdir() if file.is_file()) < limit


def test_the_debian_graph_is_simple_sorted_and_of_the_stated_size() -> None:
    packages, edges = debian_graph()
    assert (packages.shape, edges.shape) == ((29_785,), (142_695, 2))
    assert (edges[:, 0] < edges[:, 1]).all() and edges.max() < len(packages)
    key = edges[:, 0] * len(packages) + edges[:, 1]
    assert (np.diff(key) > 0).all()
    assert len(np.unique(packages)) == len(packages) and (np.sort(packages) == packages).all()


def test_only_the_debian_sample_has_a_graph() -> None:
    np.testing.assert_array_equal(load_suite("debian", 3).edges, debian_graph()[1])
    assert all(load_suite(name).edges is None for name in ("yeast", "digits", "planted"))


def test_debian_tasks_are_the_tags_of_at_least_100_packages_by_frequency() -> None:
    suite = load_suite("debian")
    assert suite.inputs.shape == (29_785, 4, 128)
    counts = suite.labels.sum(axis=0)
    assert counts.min() >= 100
    ranked = sorted(zip(-counts, suite.task_names, strict=True))
    assert tuple(name for _, name in ranked) == suite.task_names
    assert 20_000 < len(suite.select(30).rows("train")) < 30_000


def test_debian_knows_facts_it_should() -> None:
    suite = load_suite("debian")
    packages, edges = debian_graph()
    position = {package: index for index, package in enumerate(packages.tolist())}

    def has(package: str, tag: str) -> bool:
        return suite.labels[position[package], suite.task_names.index(tag)] == 1

    assert has("0ad", "use::gameplaying") and has("bash", "interface::text-mode")
    assert not has("bash", "use::gameplaying")
    linked = {(int(first), int(second)) for first, second in edges}
    assert (position["0ad"], position["0ad-data"]) in linked


def test_debian_holds_names_and_tags_but_no_prose() -> None:
    packages, _ = debian_graph()
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in packages.tolist())
    for tag in load_suite("debian").task_names:
        assert re.fullmatch(r"[a-z0-9-]+::[a-z0-9+:-]+", tag) and "TODO" not in tag
    with np.load(SAMPLE_DATA / "debian" / "debian.npz") as archive:
        texts = {name for name in archive if archive[name].dtype.kind not in "iu"}
    assert texts == {"packages", "tags"}


def test_debian_features_follow_from_names_and_edges_and_never_from_tags() -> None:
    packages, edges = debian_graph()
    (embedding,) = read_arrays(SAMPLE_DATA / "debian" / "debian.npz", ("embedding",))
    features = np.hstack([embedding / 127, hashed_tokens(packages.tolist(), 64)])
    some = slice(None, None, 500)
    expected = standardise(propagate(features, edges, 3)[:, 1])
    np.testing.assert_array_equal(load_suite("debian").inputs[some, 1], expected[some])


def test_the_debian_embedding_places_neighbours_near_each_other() -> None:
    _, edges = debian_graph()
    (embedding,) = read_arrays(SAMPLE_DATA / "debian" / "debian.npz", ("embedding",))
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1)
    linked = (unit[edges[:, 0]] * unit[edges[:, 1]]).sum(axis=1).mean()
    shuffled = np.random.default_rng(0).permutation(edges[:, 1])
    assert linked > (unit[edges[:, 0]] * unit[shuffled]).sum(axis=1).mean() + 0.3


def test_yeast_keeps_the_published_figures() -> None:
    features, labels = read_arrays(SAMPLE_DATA / "yeast" / "yeast.npz", ("features", "labels"))
    assert features.shape == (2417, 103)
    np.testing.assert_array_equal(features[0, :4] / 1e6, [0.004168, -0.170975, -0.156748, -0.142151])
    np.testing.assert_array_equal(np.flatnonzero(labels[0]), [6, 7, 11, 12])
    assert load_suite("yeast").task_names == tuple(f"Class{number}" for number in range(1, 15))


def test_every_digit_image_belongs_to_one_task() -> None:
    suite = load_suite("digits")
    assert (suite.labels.sum(axis=1) == 1).all()
    assert suite.inputs.min() == 0 and suite.inputs.max() == 1


@pytest.mark.parametrize("name", READERS)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=rf"{name}\.npz` is missing"):
        READERS[name](tmp_path)


def damaged(how: str, path: Path) -> None:
    content = bytearray(path.read_bytes())
    if how == "empty":
        content.clear()
    elif how == "cut":
        del content[len(content) // 2 :]
    elif how == "flipped":
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    if how == "other arrays":
        np.savez(path, other=np.arange(3))
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif how == "text":
        path.write_text("not an archive\n")


@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "other arrays", "one array", "text"])
def test_a_damaged_file_is_named(how: str, tmp_path: Path) -> None:
    (tmp_path / "yeast").mkdir()
    path = Path(shutil.copy(SAMPLE_DATA / "yeast" / "yeast.npz", tmp_path / "yeast"))
    damaged(how, path)
    with pytest.raises(InvalidInput, match=r"yeast\.npz` must be an npz archive"):
        yeast_suite(tmp_path)
