"""The plan of a sweep: its base, its order, and what its cells share."""

import shlex

import pytest

from gradtag_core.config import make_config
from gradtag_core.runs.command import command_line
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import forecast
from gradtag_core.runs.start import create_run, execute, load_sweep_plan
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.sweep_plan import SweepWork, forecast_sweep, sweep_command_line
from gradtag_core.sweep_config import make_sweep_config, parse_vary

SMALL = {
    "suite": "planted", "n_tasks": 6, "width": 8, "epochs": 2, "base_epochs": 2, "proj_dim": 8, "subset_size": 3,
    "n_subsets": 12, "proxies_per_task": 1, "truth": 6, "threads": 1,
}  # fmt: skip
RATES = {"train": 1e9, "featurize": 2e9, "regress": 1e9}


def plan_of(*vary, **change):
    return load_sweep_plan(make_sweep_config(make_config(None, **{**SMALL, **change}), parse_vary(vary)))


@pytest.mark.parametrize(
    ("vary", "change", "base"),
    [
        (["proj_dim=4,8", "n_inits=1,2"], {}, {"proj_dim": 8, "n_inits": 1}),
        (
            ["proj_dim=4,16", "n_inits=1,2"],
            {},
            {"proj_dim": 4, "n_inits": 1},
        ),  # not in the grid: the first one
        (["n_groups=3,2"], {}, {"n_groups": 2}),  # what an open one means for six tasks
        (["n_groups=2,automatic"], {}, {"n_groups": None}),
    ],
)
def test_the_base_is_the_cell_of_the_base_configuration(vary, change, base):
    plan = plan_of(*vary, **change)
    assert plan.cells[plan.base].values == base


def test_the_base_comes_first_and_early_stages_change_last():
    plan = plan_of("n_groups=2,3", "base_epochs=1,2,3", n_groups=3)
    order = [tuple(plan.cells[index].values.values()) for index in plan.order]
    assert order == [(3, 2), (2, 2), (3, 1), (2, 1), (3, 3), (2, 3)]


def test_units_that_cells_share_are_counted_once(tmp_path):
    plan = plan_of("l2=0.1,0.01", "n_inits=1,2,3")
    cache = UnitCache(tmp_path)
    found = forecast_sweep(SweepWork.of(plan, RATES), cache)
    stages = {stage.stage: stage for stage in found.stages}
    counts = {name: (stage.units, stage.different, stage.kept) for name, stage in stages.items()}
    assert counts == {
        "train": (12, 3, 0), "featurize": (12, 3, 0), "regress": (12, 6, 0), "proxies": (36, 6, 0),
        "truth": (72, 12, 0), "groups": (18, None, None),
    }  # fmt: skip
    alone = forecast(plan.cells[5].plan, RATES)  # with all three initialisations
    assert stages["train"].flops == pytest.approx(alone.flops_of("train"))
    assert stages["regress"].flops == pytest.approx(2 * alone.flops_of("regress"))
    assert stages["truth"].flops == pytest.approx(alone.flops_of("truth"))
    assert stages["train"].seconds == pytest.approx(alone.flops_of("train") / 1e9)
    assert found.seconds == pytest.approx(sum(cell.seconds or 0 for cell in found.by_cell))
    assert found.flops == pytest.approx(sum(work.flops for cell in found.by_cell for work in cell.work))
    assert forecast_sweep(SweepWork.of(plan, {}), cache).seconds is None


def test_what_the_store_keeps_is_taken_off(tmp_path):
    store, plan = RunStore(tmp_path), plan_of("l2=0.1,0.01", "n_inits=1,2")
    work = SweepWork.of(plan, RATES)
    before = forecast_sweep(work, store.cache)
    assert execute(store, create_run(store, plan.cells[0].config).id).state == "done"
    after = forecast_sweep(work, store.cache)
    kept = {stage.stage: (stage.different, stage.kept) for stage in after.stages}
    assert kept["train"] == (2, 1) and kept["regress"] == (4, 1) and kept["proxies"] == (6, 6)
    assert all(work.flops == 0 for work in after.by_cell[0].work)
    assert after.flops < before.flops


def test_the_command_line_is_that_of_the_base_with_what_varies():
    config = plan_of("proj_dim=4,8", "pairwise=true,false", n_groups=2).config
    words = shlex.split(sweep_command_line(config))
    assert words[:4] == ["python", "-m", "gradtag_core", "sweep"]
    assert words[4:-4] == shlex.split(command_line(config.base))[4:]
    assert words[-4:] == ["--vary", "proj_dim=4,8", "--vary", "pairwise=true,false"]
