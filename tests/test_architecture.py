"""The design as a test: imports run downward, the library knows no page, and nothing is unpickled."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("errors", "progress", "cost", "config"),
    ("tasks", "models"),
    ("training",),
    ("gradients",),
    ("affinity",),
    ("grouping",),
    ("methods", "evaluation"),
    ("runs",),
    ("figures", "report"),
    ("cli", "__main__", "__init__"),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def imports(path: Path, *, only_at_import_time: bool = False) -> set[str]:
    """The modules that a file names in import statements; at import time, without functions and type checking."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if not (only_at_import_time and deferred):
            pending += ast.iter_child_nodes(node)
    return found


def modules(root: Path) -> dict[str, Path]:
    """The modules of the package in `root`, by dotted name."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in sorted((root / "gradtag_core").rglob("*.py"))
    }


def room(module: str) -> str:
    """`gradtag_core.tasks.suite` -> `tasks`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def upward_imports(root: Path) -> list[str]:
    wrong = []
    for module, path in modules(root).items():
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "gradtag_core" and len(parts) > 1 and parts[1] in LEVEL:
                if LEVEL[parts[1]] > LEVEL[room(module)]:
                    wrong.append(f"{module} imports {name}")
            elif parts[0] in ("streamlit", "pages", "app"):
                wrong.append(f"{module} imports {name}")
    return wrong


def cycles(root: Path) -> list[str]:
    """Modules that reach themselves by what they import when they are imported."""
    known = modules(root)
    graph = {name: imports(path, only_at_import_time=True) & known.keys() for name, path in known.items()}
    found = []
    for start in graph:
        reached: set[str] = set()
        pending = list(graph[start])
        while pending:
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                pending += graph[name]
        if start in reached:
            found.append(start)
    return found


FORBIDDEN = {
    "unpickling": re.compile(
        r"\b(?:import|from)\s+(?:pickle|dill|joblib|cloudpickle)\b|allow_pickle\s*=\s*True"
    ),
    "running text": re.compile(r"(?<![\w.])(?:eval|exec)\("),
    "a swallowed exception": re.compile(r"except(?:\s+(?:Base)?Exception)?\s*:\s*(?:\n\s*)?pass\b"),
    "a bare except": re.compile(r"except\s*:"),
}


def forbidden(root: Path) -> list[str]:
    sources = [*(root / "gradtag_core").rglob("*.py"), *(root / "pages").rglob("*.py"), *root.glob("app.py")]
    return [
        f"{path.relative_to(root)}: {what}"
        for path in sources
        for what, pattern in FORBIDDEN.items()
        if pattern.search(path.read_text())
    ]


def test_imports_run_downward():
    assert upward_imports(ROOT) == []


def test_every_room_has_its_layer():
    assert {room(module) for module in modules(ROOT)} <= LEVEL.keys()


def test_no_module_imports_itself_round_a_corner():
    assert cycles(ROOT) == []


def test_nothing_is_unpickled_evaluated_or_swallowed():
    assert forbidden(ROOT) == []


@pytest.fixture
def tree(tmp_path):
    def build(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return build


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("from gradtag_core.affinity import matrix", True),
        ("def late():\n    import gradtag_core.runs.store", True),
        ("import streamlit as st", True),
        ("from pages.parts import state", True),
        ("from gradtag_core.tasks import suite\nimport torch", False),
    ],
)
def test_an_upward_arrow_is_seen(tree, text, wrong):
    assert bool(upward_imports(tree(gradtag_core__training__fit=text))) is wrong


def test_a_cycle_is_seen_and_a_deferred_import_is_none(tree):
    root = tree(
        gradtag_core__tasks__a="from gradtag_core.tasks.b import x",
        gradtag_core__tasks__b="def f():\n    from gradtag_core.tasks.a import y",
    )
    assert cycles(root) == []
    tree(gradtag_core__tasks__b="from gradtag_core.tasks import a")
    assert sorted(cycles(root)) == ["gradtag_core.tasks.a", "gradtag_core.tasks.b"]


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "np.load(p, allow_pickle=True)",
        "eval(x)",
        "try:\n    f()\nexcept Exception:\n    pass",
        "except:",
    ],
)
def test_what_is_forbidden_is_seen(tree, text):
    (tree() / "pages").mkdir(exist_ok=True)
    assert forbidden(tree(gradtag_core__tasks__a=text))
    assert not forbidden(tree(gradtag_core__tasks__a="model.eval()\nwith suppress(OSError):\n    pass"))
