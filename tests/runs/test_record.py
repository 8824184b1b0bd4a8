import json

import pytest

from gradtag_core.config import RunConfig
from gradtag_core.cost import Cost
from gradtag_core.errors import StoreError
from gradtag_core.runs.record import RunRecord, Summary


def make_summary():
    return Summary(
        id="yeast-1", name="name", suite="yeast", command="python -m gradtag_core run", created=1.0,
        config=RunConfig().model_dump(), task_names=("a", "b"), fingerprint="f" * 32, versions={"torch": "2"},
        device="cpu", full_training_flops=10.0, seconds=2.0, costs={"train": Cost(1.0, 2.0, 3)}, warnings=("w",),
    )  # fmt: skip


def test_the_summary_reads_back(tmp_path):
    record = RunRecord(tmp_path)
    assert not record.has_summary
    record.write_summary(make_summary())
    again = RunRecord(tmp_path)
    assert again.summary == make_summary()
    assert again.config == RunConfig()
    assert again.estimated is again.trained is again.grouping is again.group_scores is None
    assert again.affinity() is again.true_affinity() is again.comparison() is None


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"format": None}, {"costs": [1]}, {"unheard_of": 1}, {"task_names": None}]
)
def test_a_foreign_summary_is_named(tmp_path, change):
    values = {**make_summary().to_json(), **change}
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(StoreError, match=r"run\.json"):
        _ = RunRecord(tmp_path).summary
