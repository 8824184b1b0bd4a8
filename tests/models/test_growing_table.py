import errno
import os

import pytest
import torch

from gradtag_core.errors import GradTagError
from gradtag_core.models.growing_table import GrowingTable


@pytest.mark.parametrize("memory_bytes", [0, 100, 10**6])
def test_rows_stay_where_they_were_put(memory_bytes):
    table = GrowingTable(3, memory_bytes)
    blocks = [torch.randn(n_rows, 3) for n_rows in (1, 4, 0, 2, 30)]
    starts = [table.append(block) for block in blocks]
    assert starts == [0, 1, 5, 5, 7]
    torch.testing.assert_close(table.values[: table.used], torch.cat(blocks), rtol=0, atol=0)
    assert (table.nbytes == 0) == (memory_bytes < 37 * 12)


def test_a_full_disk_is_said(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(GradTagError, match=r"No space left on device. Free space there"):
        GrowingTable(2, 0).append(torch.zeros(1, 2))
