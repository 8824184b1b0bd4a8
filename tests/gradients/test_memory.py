import pytest
import torch

from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.memory import RUNTIME_BYTES, SHARES, MemoryPlan, Table, pass_bytes
from tests.gradients.made_pieces import made_pieces


def test_the_least_budget_that_an_error_names_is_enough_and_one_byte_less_is_not():
    held, block = 1_000_000, 12_345
    with pytest.raises(InvalidInput, match=r"`memory` must be at least [\d,]+ bytes") as error:
        MemoryPlan.of(5, held, block)
    least = int(str(error.value).split("at least ")[1].split(" ")[0].replace(",", ""))
    plan = MemoryPlan.of(least, held, block)
    assert plan.batch_bytes == plan.block_bytes == plan.feature_bytes == block
    with pytest.raises(InvalidInput, match="memory"):
        MemoryPlan.of(least - 1, held, block)


def test_shares_stay_within_the_budget():
    budget, held = 3 * 2**30, 100 * 2**20
    plan = MemoryPlan.of(budget, held, 1000)
    assert plan.feature_bytes is not None
    assert RUNTIME_BYTES + held + plan.batch_bytes + plan.block_bytes + plan.feature_bytes < budget
    assert SHARES * plan.feature_bytes + RUNTIME_BYTES + held <= budget


def test_without_a_budget_features_stay_in_memory_and_batches_are_bounded_all_the_same():
    plan = MemoryPlan.of(None, 10**12, 10**12)
    assert plan.feature_bytes is None
    assert plan.batch_bytes < 2**30


def test_a_pass_holds_more_than_the_pieces_and_grows_with_the_rows():
    _, pieces, _ = made_pieces(n_copies=2)
    _, more, _ = made_pieces(n_copies=6)
    stored = sum(layer.gradients().nbytes for layer in pieces if layer.size == 300) // len(pieces[0])
    assert pass_bytes(pieces) == pass_bytes(more) > stored


@pytest.mark.parametrize("in_file", [False, True])
def test_a_table_holds_what_was_written(in_file, tmp_path):
    table = Table((5, 3), in_file, tmp_path)
    expected = torch.randn(5, 3)
    for rows in (torch.tensor([4, 0]), torch.tensor([1, 2, 3])):
        table.write(rows, expected[rows])
    values = table.values
    del table
    assert torch.equal(values, expected)


def test_its_file_has_no_name_and_leaves_nothing_behind(tmp_path):
    table = Table((1000, 1000), True, tmp_path)
    table.write(torch.arange(1000), torch.ones(1000, 1000))
    assert not list(tmp_path.iterdir())
    assert float(table.values.sum()) == 1e6


def test_a_folder_without_room_or_that_is_absent_is_named(tmp_path):
    with pytest.raises(GradTagError, match=r"absent.*Raise `memory`"):
        Table((5, 3), True, tmp_path / "absent")
    with pytest.raises(GradTagError, match="Raise `memory`"):
        Table((2**40, 2**10), True, tmp_path)
