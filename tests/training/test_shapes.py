import pytest
import torch
from jaxtyping import TypeCheckError

from gradtag_core.training.metrics import score_logits


def test_tests_check_the_shapes_that_signatures_state():
    with pytest.raises(TypeCheckError):
        score_logits(torch.zeros(5, 2), torch.zeros(4))
