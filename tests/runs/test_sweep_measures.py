"""Results of cells: means and errors over tasks, and which cells can be told apart."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.runs.sweep_measures import MEASURES, CellResult, surface

PLAIN = CellResult(1e9, 2.0, 3, 0.7, 0.05)


def judged(values, **change):
    return replace(PLAIN, spearman=tuple(values), ceiling=0.8, **change)


def test_a_value_by_task_is_a_mean_with_its_standard_error():
    result = judged([0.2, 0.4, None, 0.6])
    assert result.value("row_spearman") == (
        pytest.approx(0.4),
        pytest.approx(np.std([0.2, 0.4, 0.6]) / 3**0.5),
    )
    share, error = result.value("share_of_ceiling")
    assert share == pytest.approx(0.5) and error == pytest.approx(
        (result.value("row_spearman")[1] or 0) / 0.8
    )
    assert PLAIN.value("row_spearman") == PLAIN.value("gain") == (None, None)
    assert replace(result, ceiling=None).value("share_of_ceiling") == (None, None)
    assert judged([0.5]).value("row_spearman") == (0.5, None)
    assert [PLAIN.value(name)[0] for name in ("flops", "seconds", "n_groups", "gap")] == [1e9, 2.0, 3.0, 0.05]


def test_a_result_reads_back():
    result = judged([0.25, None], gains=(0.5, -0.5), adjusted_rand=1.0)
    assert CellResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_the_best_has_company_where_the_paired_difference_is_noise():
    tasks = np.linspace(0, 1, 20)
    noise = 0.2 * np.resize([1, -1], 20)
    results = {
        0: judged(tasks - 0.05),  # worse on every task, though by less than the spread over tasks
        1: judged(tasks),
        2: judged(tasks - 0.02 + noise),  # worse on average only
        4: PLAIN,
    }
    found = surface(results, 5, "row_spearman")
    assert found.best == 1 and found.alike == (2,)
    assert np.isnan(found.values[[3, 4]]).all() and found.errors[1] == pytest.approx(np.std(tasks) / 20**0.5)
    assert found.values[1] - found.values[0] < found.errors[1]  # no one would see it from the errors alone


def test_each_measure_knows_its_better_end():
    results = {
        0: replace(PLAIN, flops=1.0),
        1: replace(PLAIN, flops=2.0, gap=0.01),
        2: replace(PLAIN, flops=1.0),
    }
    assert surface(results, 3, "flops").best == 0 and surface(results, 3, "flops").alike == (2,)
    assert surface(results, 3, "gap").best == 1 and surface(results, 3, "gap").alike == ()
    assert surface(results, 3, "density").best is None
    assert surface({}, 3, "gap").best is None
    with pytest.raises(InvalidInput, match="`measure` must be one of"):
        surface(results, 3, "speed")  # type: ignore[arg-type]
    assert all(facts.help.endswith(".") for facts in MEASURES.values())


def test_cells_of_other_numbers_of_tasks_are_paired_on_the_first_ones():
    results = {0: judged([0.5, 0.6, 0.7, 0.8]), 1: judged([0.1, 0.2, 0.3])}
    found = surface(results, 2, "row_spearman")
    assert found.best == 0 and found.alike == ()
