import os

import numpy as np
import pytest

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.methods.protocol import MethodResult
from gradtag_core.runs.start import load_study_plan
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_rates import expected_seconds, measured_method_rates
from gradtag_core.runs.study_record import StudyRecord, StudySummary
from gradtag_core.study_config import make_study_config

CONFIG = make_study_config(suite="planted", methods="tag")


@pytest.fixture
def store(own_home):
    return RunStore(own_home)


def finish_study(store, costs, state="done"):
    row = store.create(CONFIG.model_dump(), "a study", "planted", "command", "study")
    store.mark_running(row.id, os.getpid())
    scores = np.full((1, len(METRICS)), 0.5)
    results = {name: {0: MethodResult(name, ("a",), scores, scores, cost)} for name, cost in costs.items()}
    StudyRecord(store.run_folder(row.id)).write(
        StudySummary(
            row.id, row.name, "planted", "command", 0.0, row.config, ("a",), "0", {}, "cpu", tuple(costs), 1.0
        ),
        results,
    )  # fmt: skip
    return store.finish(row.id, state)


def test_the_newest_finished_study_teaches(store):
    finish_study(store, {"tag": Cost(100.0, 10.0, 1), "hoa": Cost(100.0, 1.0, 1)})
    finish_study(store, {"tag": Cost(100.0, 5.0, 1), "etap": Cost(0.0, 1.0, 1)})
    finish_study(store, {"tag": Cost(100.0, 1.0, 1)}, "failed")
    assert measured_method_rates(store) == {"tag": 20.0, "hoa": 100.0}


def test_a_damaged_study_teaches_nothing(store):
    row = finish_study(store, {"tag": Cost(100.0, 10.0, 1)})
    (store.run_folder(row.id) / "study.json").write_text("{")
    assert measured_method_rates(store) == {}


def test_unknown_methods_take_the_median_rate():
    plan = load_study_plan(CONFIG)
    flops = expected_flops(plan)
    found = expected_seconds(plan, {"tag": 1e9, "hoa": 2e9, "etap": 4e9})
    assert found == pytest.approx(
        {name: value / (1e9 if name == "tag" else 2e9) for name, value in flops.items()}
    )
    assert expected_seconds(plan, {}) is None
