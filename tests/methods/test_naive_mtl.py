import numpy as np
import pytest

from gradtag_core.methods.protocol import run_method


def test_one_model_serves_all_tasks(setting, training_flops):
    result = run_method("naive_mtl", setting)
    assert result.groups is not None
    assert result.groups == (tuple(range(6)),)
    assert result.cost.flops == pytest.approx(training_flops(range(6)))
    model = setting.trainer.fit(range(6), setting.recipe, setting.seed)
    np.testing.assert_allclose(result.test, setting.trainer.score(model, range(6), "test"), atol=0.02)
