"""What a unit is called, and that it can be made by itself."""

import pytest

from gradtag_core.config import make_config
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.work import compute_unit, group_works, stage_works
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.start import load_plan
from gradtag_core.runs.unit_keys import BLOCKS
from gradtag_core.runs.units import Units

SMALL = {
    "suite": "digits", "model": "mlp", "n_tasks": 4, "width": 8, "epochs": 1, "base_epochs": 1, "n_inits": 2,
    "proj_dim": 4, "subset_size": 2, "n_subsets": 6, "n_groups": 2, "proxies_per_task": 2, "truth": 5,
}  # fmt: skip


@pytest.fixture
def plan():
    return load_plan(make_config(None, **SMALL))


@pytest.fixture
def cache(tmp_path):
    return UnitCache(tmp_path / "cache")


def all_works(plan):
    known = plan_units(plan)
    stages = stage_works(plan, known)
    assert stages.keys() == known.stages.keys()
    return [*(work for own in stages.values() for work in own), *group_works(plan, known, [(0, 1), (2, 3)])]


def test_every_unit_of_a_run_can_be_made_by_itself_and_has_its_name(plan, cache):
    """In reverse too, where each makes what it builds on."""
    for work in reversed(all_works(plan)):
        units = Units(plan, cache, Reporter(), lambda stage, key: None)
        compute_unit(units, work)
        assert cache.has(*work.unit[:3]), work


def test_blocks_are_those_of_the_stages(plan):
    works = stage_works(plan, plan_units(plan))
    assert {work.kind for stage in ("proxies", "truth") for work in works[stage]} == {BLOCKS}
    assert sum(work.unit.count for work in works["truth"]) == 5 * len(plan.config.truth_seeds)
