"""Growth laws and what follows from them; one small run from end to end."""

import numpy as np
import pytest

from benchmarks.scale import PARTS, Bench, markdown, peak, row, works
from benchmarks.scale_laws import PAPER_PAIRS, PAPER_ROWS, Law, laws, predicted
from benchmarks.scale_work import Work


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_law_is_found_again(power):
    sizes = [10, 100, 1000]
    law = Law.of(sizes, [3 * size**power for size in sizes])
    assert law.slope == pytest.approx(power)
    assert (law.least, law.most) == (10, 1000)


def test_a_straight_line_is_found_again_and_goes_on():
    law = Law.of([10, 100, 1000], [5 + 0.2 * size for size in (10, 100, 1000)])
    assert law.linear == pytest.approx((5, 0.2))
    assert law.ratio(10_000, 1000) == pytest.approx(2005 / 205)


def test_no_line_falls_below_zero():
    law = Law.of([10, 100, 1000], [9.0, 3.0, 1.0])
    assert min(law.linear) >= 0


def made_run(rows=1000.0):
    stage = {"seconds": 36.0, "cpu seconds": 36.0, "anonymous": 2.0, "resident": 3.0, "flops": 1e15}
    names = ("start", "inputs", "base models", "features", "regressions", "pairs", "groups")
    work = {"n_inits": 1, "n_pairs": PAPER_PAIRS // 5, "n_subsets": 1000, "n_tasks": 500, "n_nodes": 400_000}
    return {"work": work, "train rows": rows, "stages": {name: dict(stage) for name in names}}


def test_the_prediction_counts_initialisations_and_subsets():
    higher, pairs = predicted(made_run(), None, 1000, gpu_teraflops=10.0)
    assert (
        higher["regressions (CPU h)"] == "0.10" and pairs["regressions (CPU h)"] == "0.25"
    )  # × 5 × 2, × 5 × 5
    assert higher["base models (CPU h)"] == "0.05" and higher["CPU-hours"] == "0.2"
    assert higher["GPU-hours"] == f"{(1 + 5 + 5 + 10 + 1) * 1e15 / 10e12 / 3600:.2f}"
    assert predicted(made_run(), None, 1000, None)[0]["GPU-hours"] == "not measured"


def test_more_rows_take_longer_by_the_law():
    by_rows = laws([made_run(rows) for rows in (10, 100, 1000)], "train rows")
    assert "start" not in by_rows and by_rows["features"].slope == pytest.approx(0, abs=1e-9)
    line = Law(1.0, 10, 1000, (0.0, 1.0))
    higher, _ = predicted(made_run(), {"features": line}, PAPER_ROWS, None)
    assert float(higher["features (CPU h)"]) == pytest.approx(0.05 * PAPER_ROWS / 1000)


@pytest.mark.parametrize("part", PARTS)
def test_small_sizes_are_smaller(part):
    quick, full = works(part, True), works(part, False)
    assert len(quick) == len(full)
    for small, large in zip(quick, full, strict=True):
        assert small.n_nodes < large.n_nodes and small.n_subsets < large.n_subsets


def test_a_small_run_is_measured(tmp_path):
    work = Work("", 2000, 12, 20, 4, n_pairs=20, members=20, dim=8, width=8, proj_dim=8, base_epochs=1)
    run = Bench(tmp_path).run(work)
    assert list(run["stages"]) == [
        "start", "inputs", "base models", "features", "regressions", "pairs", "groups",
    ]  # fmt: skip
    assert run["train rows"] == run["validation rows"] > 0 and 0 < run["captured energy"] <= 1
    assert peak(run, "resident") > peak(run, "anonymous") > 50 * 2**20
    assert run["stages"]["pairs"]["flops"] > 0 and np.isfinite(run["seconds"])
    assert "| 2,000 | 12 |" in markdown([row(run)])
