import itertools
import re
from pathlib import Path

import pandas as pd
import pytest
from starlette.routing import Match
from streamlit import config

from pages.parts import document as module
from pages.parts.document import QUESTION, document, document_routes
from pages.parts.tables import MOST_ROWS, room_for_tables, table_height


@pytest.fixture
def base_path() -> object:
    before = config.get_option("server.baseUrlPath")
    yield lambda path: config.set_option("server.baseUrlPath", path)
    config.set_option("server.baseUrlPath", before)


def _served(path: str) -> bool:
    (route,) = document_routes()
    match, _ = route.matches({"type": "http", "method": "GET", "path": path})
    return match is Match.FULL


def test_the_document_is_streamlits_with_our_head() -> None:
    text = document()
    assert f"<title>{QUESTION}</title>" in text
    head, rest = text.split("</head>")
    for style in module.STYLES:
        assert style.read_text(encoding="utf-8") in head
    own = head[head.index(module.SERVER_ADDRESS) : head.index("</style>") + len("</style>\n")]
    served = module.SERVED.read_text(encoding="utf-8")
    assert text.replace(own, "").replace(QUESTION, "Streamlit") == served
    assert '<div id="root"></div>' in rest


def test_each_page_and_no_file_gets_the_document() -> None:
    for page in ("", *(file.stem for file in Path("pages").glob("*.py")), "no-such-page"):
        assert _served(f"/{page}")
    for other in ("/favicon.png", "/manifest.json", "/static/js/index.js", "/_stcore/health", "/media/a"):
        assert not _served(other)


def test_pages_below_a_base_path(base_path) -> None:
    base_path("/teams/ours/")
    assert _served("/teams/ours/affinity")
    assert _served("/teams/ours/")
    assert not _served("/affinity")


def test_a_document_without_a_head_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "index.html"
    other.write_text("<title>Another</title>")
    monkeypatch.setattr(module, "SERVED", other)
    with pytest.raises(RuntimeError, match=re.escape(str(other))):
        document()


def test_room_for_tables_grows_by_a_row() -> None:
    heights = [float(height) for height in re.findall(r"height: ([\d.]+)px", room_for_tables())]
    assert len(heights) == MOST_ROWS
    assert len({round(later - earlier, 6) for earlier, later in itertools.pairwise(heights)}) == 1
    assert table_height(pd.DataFrame({"a": [1, 2]})) - table_height(pd.DataFrame({"a": [1]})) == 35
