import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.models.encoder import EncoderArchitecture

ARCHITECTURES = [
    EncoderArchitecture("sign", (4, 16), 8, 5),
    EncoderArchitecture("sign", (16,), 8, 5),
    EncoderArchitecture("mlp", (16,), 8, 5),
    EncoderArchitecture("mlp", (4, 16), 8, 5),
    EncoderArchitecture("cnn", (1, 8, 8), 16, 5),
    EncoderArchitecture("cnn", (3, 17, 5), 16, 5),
    EncoderArchitecture("gcn", (7, 17), 8, 5),
    EncoderArchitecture("sage", (7, 17), 8, 5),
    EncoderArchitecture("gin", (7, 17), 8, 5),
]


def test_the_papers_sign_has_683_370_parameters():
    """Appendix C.1.1: 128 features, 3 hops, width 256, 100 tasks."""
    architecture = EncoderArchitecture("sign", (4, 128), 256, 100)
    assert architecture.n_parameters == 683_370
    assert sum(parameter.numel() for parameter in architecture.build(0).parameters()) == 683_370


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_counts_equal_those_of_the_built_model(architecture):
    model = architecture.build(0)
    inputs = torch.zeros(3, *architecture.input_shape)
    assert architecture.n_parameters == sum(parameter.numel() for parameter in model.parameters())
    with FlopCounterMode(display=False) as forward:
        model(inputs, [0, 2])
    assert forward.get_total_flops() == 3 * architecture.forward_flops(2)
    with FlopCounterMode(display=False) as step:
        model(inputs, [0, 2]).sum().backward()
    assert step.get_total_flops() == 3 * architecture.step_flops(2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_some_heads_give_the_same_logits_as_all_of_them(architecture):
    model = architecture.build(1)
    inputs = torch.randn(6, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(inputs, [3, 1]), model(inputs)[:, [3, 1]])


def test_what_features_cost_by_projection():
    """At the paper's size, 34,000 examples of five tasks: what grows with `dim`, and in which order."""
    architecture = EncoderArchitecture("sign", (4, 128), 256, 100)

    def flops(projection, dim):
        return architecture.featurize_flops(34_000, 170_000, dim, projection)

    one_pass = 170_000 * (architecture.forward_flops(100) + architecture.backward_flops(100))
    assert one_pass < flops("factored", 200) < flops("pca", 200) < flops("gaussian", 200)
    assert flops("sjlt", 200) < flops("gaussian", 200) == flops("rademacher", 200)
    assert flops("identity", 7) == flops("identity", 200) > one_pass
    dense = [flops("gaussian", dim) - one_pass for dim in (100, 200)]
    assert dense[1] == pytest.approx(2 * dense[0])
    assert dense[1] > 34_000 * 2 * 200 * architecture.n_parameters
    fewer = EncoderArchitecture("mlp", (6,), 8, 4)
    assert fewer.featurize_flops(5, 9, 2, "sjlt") == fewer.featurize_flops(5, 9, 2, "gaussian")
