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


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(28, "Free some space"), (13, "folder in which you may write"), (5, "another place")],
)
def test_a_disk_that_refuses_leaves_what_was_there(tmp_path, monkeypatch, number, remedy):
    path = tmp_path / "b.txt"
    write_whole(path, b"first")

    def refuse(*_):
        raise OSError(number, "That is the reason", "a hidden name")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match=f"b.txt` could not be written: that is the reason. .*{remedy}"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first" and len(list(tmp_path.iterdir())) == 1


def test_the_ending_is_checked():
    require_suffix(Path("x.HTML"), ".html")
    with pytest.raises(InvalidInput, match=r"must end in .html or .pdf; found `x.txt`"):
        require_suffix(Path("x.txt"), ".html", ".pdf")
