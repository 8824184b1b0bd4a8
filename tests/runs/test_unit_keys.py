"""Keys without torch are those that a run uses, and change with whatever changes a unit."""

import subprocess
import sys
from dataclasses import asdict

import pytest

from gradtag_core.affinity.estimate import EstimationSettings
from gradtag_core.config import make_config
from gradtag_core.models.device import resolve_device
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.unit_keys import UnitKeys, blocks_of, device_type, trained_key
from gradtag_core.training.trainer import Recipe

SETTINGS = {
    "width": 8,
    "epochs": 2,
    "base_epochs": 2,
    "subset_size": 2,
    "n_subsets": 6,
    "n_groups": 2,
    "truth": 3,
}


@pytest.fixture
def keys_of(small_suite):
    def made(**change):
        config = make_config(None, suite="small", **{**SETTINGS, **change})
        return UnitKeys.of(make_plan(config, small_suite))

    return made


def all_keys(keys):
    return {
        "train": keys.base_model(0), "featurize": keys.features(0), "regress": keys.estimates(0),
        "proxies": [key for key, _ in keys.proxies()], "truth": [key for key, _ in keys.truth()],
        "group": keys.grouping(), "groups": trained_key(keys.trained_parts(7), (0, 1)),
    }  # fmt: skip


DEPENDS = {
    "proj_dim": {"featurize", "regress", "group"},
    "projection": {"featurize", "regress", "group"},
    "l2": {"regress", "group"},
    "n_groups": {"group"},
    "metric": {"group"},
    "rounding": {"group"},
    "epochs": {"proxies", "truth", "group", "groups"},
    "base_epochs": {"train", "featurize", "regress", "group"},
    "proxies_per_task": {"proxies", "group"},
    "proxy_width": {"proxies", "group"},
    "truth": {"truth"},
    "width": {"train", "featurize", "regress", "proxies", "truth", "group", "groups"},
    "train_groups": set(),
    "memory": set(),
    "threads": set(),
}
CHANGED = {
    "proj_dim": 5, "projection": "sjlt", "l2": 0.1, "n_groups": 3, "metric": "f1", "rounding": "threshold",
    "epochs": 3, "base_epochs": 3, "proxies_per_task": 1, "proxy_width": 3, "truth": 2, "width": 9,
    "train_groups": False, "memory": 1.0, "threads": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", DEPENDS)
def test_a_knob_changes_the_keys_of_what_it_repeats_and_no_others(keys_of, name):
    before, after = all_keys(keys_of()), all_keys(keys_of(**{name: CHANGED[name]}))
    assert {stage for stage in before if before[stage] != after[stage]} == DEPENDS[name]


def test_the_fields_are_those_of_recipe_and_settings(keys_of):
    keys = keys_of(l2=0.5, weighting="tasks")
    assert keys.estimation == asdict(EstimationSettings(0.5, "tasks"))
    assert keys.recipe(4) == asdict(Recipe(4, 0.003, 128, "tasks"))
    assert keys.recipe(4, 0.1) == asdict(Recipe(4, 0.1, 128, "tasks"))


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_the_device_is_that_of_the_library(name):
    assert device_type(name) == resolve_device(name).type


def test_a_page_can_ask_without_torch():
    code = (
        "import sys\n"
        "from gradtag_core.config import make_config\n"
        "from gradtag_core.runs.kept import plan_units\n"
        "from gradtag_core.runs.start import load_plan\n"
        "from gradtag_core.runs import sweep_plan, sweep_record\n"
        "plan_units(load_plan(make_config(suite='digits', device='cpu')))\n"
        "assert 'torch' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_blocks_hold_consecutive_subsets_of_one_seed():
    subsets = [(index, index + 1) for index in range(5)]
    blocks = blocks_of(subsets, [10, 20], 1, 2)
    assert [len(block) for block in blocks] == [2, 2, 1, 2, 2, 1]
    assert blocks[1] == [((2, 3), 12), ((3, 4), 13)] and blocks[5] == [((4, 5), 24)]
    assert [seed for block in blocks_of(subsets, [10, 20], 0) for _, seed in block] == [10] * 5 + [20] * 5
