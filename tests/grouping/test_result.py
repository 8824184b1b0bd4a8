import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.result import Grouping, first_appearance


def grouping(**changes) -> Grouping:
    values = {
        "labels": np.array([5, 2, 5, 9]),
        "task_names": ("a", "b", "c", "d"),
        "density": 2.0,
        "upper_bound": 3.0,
        "random_density": 1.0,
        "status": "solved",
        "solver": "SCS",
        "rounding": "spectral",
        "threshold": None,
        "n_groups_asked": 3,
        "seconds": 0.1,
    }
    return Grouping(**{**values, **changes})


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1))
def test_groups_are_numbered_as_they_appear(raw):
    labels = first_appearance(np.array(raw))
    assert np.array_equal(np.equal.outer(raw, raw), np.equal.outer(labels, labels))
    assert list(dict.fromkeys(labels.tolist())) == list(range(len(set(raw))))


def test_groups_and_labels():
    found = grouping()
    assert found.labels.tolist() == [0, 1, 0, 2]
    assert found.groups == [["a", "c"], ["b"], ["d"]]
    assert found.n_groups == 3
    with pytest.raises(ValueError, match="read-only"):
        found.labels[0] = 1


def test_gap_is_the_share_of_the_lead_over_random_that_may_be_missing():
    assert grouping().gap == 0.5
    assert grouping(density=3.0).gap == 0
    assert grouping(density=3.0 + 1e-12).gap == 0
    assert grouping(density=1.0).gap == 1
    assert grouping(density=1.0, upper_bound=1.0 + 1e-12).gap == 0
    assert grouping(density=0.0, upper_bound=0.0, random_density=0.0).gap == 0


@pytest.mark.parametrize("rounding", ["spectral", "threshold"])
def test_through_json_and_back(appendix_b, rounding):
    found = cluster(appendix_b, 3, rounding=rounding)
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["groups"] == [["task_1", "task_2"], ["task_3", "task_4"], ["task_5", "task_6"]]
    assert stored["gap"] == found.gap
    assert Grouping.from_json(stored).to_json() == found.to_json()


def test_a_stored_grouping_with_a_missing_or_wrong_field():
    stored = grouping().to_json()
    with pytest.raises(InvalidInput, match="`density`, `solver` not found"):
        Grouping.from_json({name: stored[name] for name in stored if name not in ("density", "solver")})
    with pytest.raises(InvalidInput, match=r"`status` must be one of .*; found 'fine'"):
        Grouping.from_json({**stored, "status": "fine"})
    with pytest.raises(InvalidInput, match="`labels` must have one entry per task, 4; found 3"):
        Grouping.from_json({**stored, "labels": [0, 1, 2]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels", [0, 1, 0, "x"]), ("labels", [0, 1, 0, 2**63]), ("labels", [[0], 1, 0, 2]), ("labels", 3),
        ("labels", []),
        ("task_names", ["a", "b", "c", None]), ("density", "1"), ("density", 10**400), ("upper_bound", None),
        ("solver", 1),
        ("random_density", float("nan")), ("seconds", True), ("n_groups_asked", 1.5), ("threshold", [1]),
    ],
)  # fmt: skip
def test_a_stored_grouping_with_a_value_that_was_never_written(field, value):
    with pytest.raises(InvalidInput, match=f"found others in `{field}`"):
        Grouping.from_json({**grouping().to_json(), field: value})
