import numpy as np
import pytest

from gradtag_core.methods.protocol import run_method


def test_each_task_has_a_model_of_its_own_and_no_task_counts_for_another(setting, training_flops):
    result = run_method("single_task", setting)
    assert result.groups is not None
    assert result.groups == tuple((task,) for task in range(6))
    assert result.cost.flops == pytest.approx(sum(training_flops([task]) for task in range(6)))
    model = setting.trainer.fit([4], setting.recipe, setting.seed)
    np.testing.assert_allclose(result.test[4], setting.trainer.score(model, [4], "test")[0], atol=0.02)
