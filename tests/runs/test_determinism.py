"""The same seed gives the same numbers: twice, wherever shards and blocks are computed; nearly so with other threads.

With another number of threads sums are taken in another order, and a regression stops elsewhere within its tolerance.
Measured with 1 and 2 threads on 126 estimates each, widths 32 to 128: the loss differs by 0.007 at most (by 2e-6 with
`l2` = 1e-3 in place of 1e-5), and a score by rank where two neighbours swap, by 0.05 at most and 0.0009 on average.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gradtag_core.config import METRICS, make_config
from gradtag_core.cost import Cost
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.runs import shard_bounds, unit_keys
from gradtag_core.runs.files import UnitCache, read_arrays
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.units import Units
from gradtag_core.tasks.planted import planted_suite

SETTINGS = {
    "width": 16, "base_epochs": 2, "subset_size": 3, "n_subsets": 35, "n_groups": 2, "proj_dim": 16, "threads": 1,
}  # fmt: skip
SHARD_NUMBERS, BLOCK = 1500, 12  # so that a small suite has several of both
LOSS_TOLERANCE, MEAN_TOLERANCE = 0.02, 0.002  # of any score's loss; of each metric, over all scores


@pytest.fixture
def small_units(monkeypatch):
    monkeypatch.setattr(shard_bounds, "SHARD_NUMBERS", SHARD_NUMBERS)
    monkeypatch.setattr(unit_keys, "ESTIMATED", dict.fromkeys(unit_keys.ESTIMATED, BLOCK))


def units_in(folder, **change):
    settings = {**SETTINGS, **change}
    suite = planted_suite(7, 2, n_labelled=120, seed=0).suite
    plan = make_plan(make_config(None, suite="planted", **settings), suite)
    return Units(plan, UnitCache(folder), Reporter(), lambda stage, key: None)


def content(folder, stage):
    """The arrays of all units of a stage as bytes; what they cost differs from time to time."""
    found = {path.stem: read_arrays(path)[0] for path in (folder / stage).glob("*/*.safetensors")}
    return {key: {name: array.tobytes() for name, array in arrays.items()} for key, arrays in found.items()}


def assert_same_units(first, second):
    for stage in ("base-models", "features", "estimates"):
        assert content(first, stage) == content(second, stage) != {}


def assert_close(found, expected):
    difference = np.abs(found - expected)
    assert difference[:, METRICS.index("loss")].max() < LOSS_TOLERANCE
    assert (difference.mean(0) < MEAN_TOLERANCE).all()


def run_all(units, seed=0):
    units.features_facts(seed)
    return units.estimated(seed)


def test_the_same_seed_gives_the_same_bytes(tmp_path, small_units):
    first, again = (run_all(units_in(tmp_path / name)) for name in ("first", "again"))
    np.testing.assert_array_equal(first.values, again.values)
    assert_same_units(tmp_path / "first", tmp_path / "again")
    other = units_in(tmp_path / "first").estimated(1)
    assert not np.array_equal(other.values, first.values)


@pytest.mark.parametrize(
    ("projection", "scoring"),
    [
        ("pca", "linear"),
        ("gaussian", "linear"),
        ("identity", "linear"),
        ("pca", "paper"),
        ("sjlt", "representer"),
    ],
)
def test_units_are_the_same_in_whatever_order_and_by_whomever(tmp_path, small_units, projection, scoring):
    change = {"projection": projection, "scoring": scoring}
    together = units_in(tmp_path / "together", **change)
    expected = run_all(together)
    n_shards, n_blocks = len(together.feature_shards(0)), len(together.estimate_blocks(0))
    assert n_shards > 1 and n_blocks == 3
    for shard in reversed(range(n_shards)):  # each by somebody who has seen no other
        units_in(tmp_path / "apart", **change).feature_shard(0, shard)
    for block in reversed(range(n_blocks)):
        units_in(tmp_path / "apart", **change).estimate_block(0, block)
    apart = units_in(tmp_path / "apart", **change)
    np.testing.assert_array_equal(apart.estimated(0).values, expected.values)
    assert_same_units(tmp_path / "together", tmp_path / "apart")
    assert apart.features_facts(0)[0].flops == pytest.approx(together.features_facts(0)[0].flops)
    assert apart.estimated(0).cost.flops == pytest.approx(expected.cost.flops)


def test_many_shards_and_blocks_say_what_one_of_each_says(tmp_path, monkeypatch):
    one = units_in(tmp_path / "one")
    whole, scores = one.features(0), one.estimated(0)
    cost, energy, _ = one.features_facts(0)
    assert len(one.feature_shards(0)) == len(one.estimate_blocks(0)) == 1
    monkeypatch.setattr(shard_bounds, "SHARD_NUMBERS", SHARD_NUMBERS)
    monkeypatch.setattr(unit_keys, "ESTIMATED", dict.fromkeys(unit_keys.ESTIMATED, BLOCK))
    many = units_in(tmp_path / "many")
    for found, expected in zip(many.features(0), whole, strict=True):
        torch.testing.assert_close(found.projected, expected.projected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.logits, expected.logits)
        assert found.gradient_energy == pytest.approx(expected.gradient_energy)
        assert found.rows.task.tolist() == expected.rows.task.tolist()
    assert_close(many.estimated(0).values, scores.values)
    in_shards = many.features_facts(0)
    assert in_shards[0].flops == pytest.approx(cost.flops, rel=1e-6) and in_shards[1] == pytest.approx(energy)
    assert many.estimated(0).cost.flops == pytest.approx(
        scores.cost.flops, rel=0.3
    )  # other blocks, other steps


def test_a_damaged_shard_alone_is_computed_again(tmp_path, small_units):
    first = units_in(tmp_path)
    expected = [part.projected.clone() for part in first.features(0)]
    shards = first.feature_shards(0)
    paths = [tmp_path / "features" / unit.key[:2] / f"{unit.key}.safetensors" for unit in shards]
    flipped = bytearray(paths[1].read_bytes())
    flipped[-5] ^= 4
    paths[1].write_bytes(bytes(flipped))
    before = {path: path.stat().st_mtime_ns for path in paths}
    again = units_in(tmp_path)
    for found, part in zip(again.features(0), expected, strict=True):
        assert torch.equal(found.projected, part)
    assert again.cache.damaged == [paths[1]]
    assert [path for path in paths if path.stat().st_mtime_ns != before[path]] == [paths[1]]


def test_features_in_a_file_give_the_same_estimates(tmp_path, small_units, monkeypatch):
    free = run_all(units_in(tmp_path / "free"))
    monkeypatch.setattr("gradtag_core.runs.feature_units.share_of", lambda budget, held: 0)
    bounded = units_in(tmp_path / "free", memory=100.0)  # the same shards, put together in a file
    for path in (tmp_path / "free" / "estimates").glob("*/*"):
        path.unlink()
    np.testing.assert_array_equal(bounded.estimated(0).values, free.values)


def test_the_first_block_alone_is_charged_for_what_all_share(tmp_path, small_units):
    costs = [units_in(tmp_path).estimate_block(0, block)[1] for block in range(3)]
    assert units_in(tmp_path).estimated(0).cost.flops == sum(costs, Cost()).flops
    in_order = units_in(tmp_path / "in order")
    again = [in_order.estimate_block(0, block)[1].flops for block in range(3)]
    assert again == pytest.approx([cost.flops for cost in costs])
    assert costs[0].flops > max(cost.flops for cost in costs[1:])


CODE = """
import sys
from pathlib import Path
import tests.runs.test_determinism as module
module.wide(Path(sys.argv[1]), 1)
"""


def wide(folder, threads):
    """With products large enough for several threads."""
    with limited_threads(threads):
        return run_all(units_in(folder, width=64, base_epochs=1)).values


def test_threads_change_scores_by_less_than_the_tolerance(tmp_path):
    one, two = (wide(tmp_path / str(threads), threads) for threads in (1, 2))
    assert_close(two, one)


def test_another_process_leaves_the_same_bytes(tmp_path):
    wide(tmp_path / "here", 1)
    root = str(Path(__file__).resolve().parents[2])
    command, environment = (
        [sys.executable, "-c", CODE, str(tmp_path / "there")],
        {**os.environ, "PYTHONPATH": root},
    )
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert_same_units(tmp_path / "here", tmp_path / "there")
