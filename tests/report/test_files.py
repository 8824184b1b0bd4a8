from pathlib import Path

import pytest

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.report.files import require_suffix, write_whole


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second" and len(list(path.parent.iterdir())) == 1
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_disk_that_refuses_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    write_whole(path, b"first")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match="No space left"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first" and len(list(tmp_path.iterdir())) == 1


def test_the_ending_is_checked():
    require_suffix(Path("x.HTML"), ".html")
    with pytest.raises(InvalidInput, match=r"must end in .html or .pdf; found `x.txt`"):
        require_suffix(Path("x.txt"), ".html", ".pdf")
