"""The design as a test: imports run downward, the library knows no page, and nothing is unpickled."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("errors", "progress", "cost", "csv_text", "config", "study_config", "sweep_config"),
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


def imports(path: Path, package: str = "", *, only_at_import_time: bool = False) -> set[str]:
    """The modules that a file in `package` names in import statements; at import time, without functions and type
    checking."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, package)
            found |= {source} | {f"{source}.{alias.name}" for alias in node.names}
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if not (only_at_import_time and deferred):
            pending += ast.iter_child_nodes(node)
    return found


def absolute(node: ast.ImportFrom, package: str) -> str:
    """What `from ..room import name` imports from, written in full."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    return ".".join(filter(None, [*parents[: len(parents) - node.level + 1], node.module]))


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
        for name in imports(path, module.rpartition(".")[0]):
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
    graph = {
        name: imports(path, name.rpartition(".")[0], only_at_import_time=True) & known.keys()
        for name, path in known.items()
    }
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


UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
SAFE_LOADERS = {"np", "numpy", "json", "tomllib"}  # numpy's as long as nobody lets it unpickle
CATCH_ALL = {"Exception", "BaseException"}


def dotted(node: ast.AST | None) -> str:
    """`np.load` as text; "" for what is no name."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def unpickles(node: ast.AST) -> bool:
    """Also by a name that is imported at run time, or through a library whose reader unpickles unless told not to."""
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in UNPICKLERS for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return (node.module or "").split(".")[0] in UNPICKLERS or (node.module == "torch" and "load" in names)
    if isinstance(node, ast.Attribute):
        return node.attr == "read_pickle" or (node.attr == "load" and dotted(node.value) not in SAFE_LOADERS)
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        texts = [str(part.value).split(".")[0] for part in node.args if isinstance(part, ast.Constant)]
        by_name = name.rpartition(".")[2] in ("import_module", "__import__") and UNPICKLERS & {*texts}
        return bool(by_name) or (
            name.endswith(".load") and len(node.args) > 2
        )  # numpy's third is `allow_pickle`
    if isinstance(node, ast.Constant):
        return node.value == "allow_pickle"
    # A variable may be true: only a plain `False` is safe.
    return (
        isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    )


def runs_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func) in (
        "eval",
        "exec",
        "builtins.eval",
        "builtins.exec",
    )


def catches_all(caught: ast.AST | None) -> bool:
    """Of the type in an `except`, or of an argument of `suppress`."""
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return caught is None or any(dotted(one).rpartition(".")[2] in CATCH_ALL for one in types)


def swallows(node: ast.AST) -> bool:
    """Whether any exception whatever ends here without a trace."""
    if isinstance(node, ast.ExceptHandler):
        return catches_all(node.type) and all(is_idle(statement) for statement in node.body)
    return (
        isinstance(node, ast.Call)
        and dotted(node.func).rpartition(".")[2] == "suppress"
        and any(catches_all(argument) for argument in node.args)
    )


def is_idle(statement: ast.stmt) -> bool:
    """`pass`, `...`, a text, `continue`, `break`, or a `return` of nothing."""
    if isinstance(statement, ast.Return):
        value = statement.value
        return value is None or (isinstance(value, ast.Constant) and value.value is None)
    idle_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return idle_text or isinstance(statement, ast.Pass | ast.Continue | ast.Break)


FORBIDDEN: dict[str, Callable[[ast.AST], bool]] = {
    "unpickling": unpickles,
    "running text": runs_text,
    "a swallowed exception": swallows,
    "a bare except": lambda node: isinstance(node, ast.ExceptHandler) and node.type is None,
}


def forbidden(root: Path) -> list[str]:
    sources = [*(root / "gradtag_core").rglob("*.py"), *(root / "pages").rglob("*.py"), *root.glob("app.py")]
    return [
        f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}: {what}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        for what, is_found in FORBIDDEN.items()
        if is_found(node)
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
        ("from ..affinity import matrix", True),
        ("from .. import runs", True),
        ("from ..runs.store import RunStore", True),
        ("from . import metrics", False),
        ("from .metrics import score\nfrom ..tasks import suite", False),
    ],
)
def test_an_upward_arrow_is_seen(tree, text, wrong):
    assert bool(upward_imports(tree(gradtag_core__training__fit=text))) is wrong


def test_relative_imports_of_a_package_itself_are_seen(tmp_path):
    (tmp_path / "gradtag_core/training").mkdir(parents=True)
    (tmp_path / "gradtag_core/training/__init__.py").write_text("from ..runs import store\nfrom . import fit")
    assert sorted(upward_imports(tmp_path)) == [
        "gradtag_core.training.__init__ imports gradtag_core.runs",
        "gradtag_core.training.__init__ imports gradtag_core.runs.store",
    ]


def test_a_cycle_by_relative_imports_is_seen(tree):
    root = tree(gradtag_core__tasks__a="from . import b", gradtag_core__tasks__b="from .a import x")
    assert sorted(cycles(root)) == ["gradtag_core.tasks.a", "gradtag_core.tasks.b"]


def test_a_cycle_is_seen_and_a_deferred_import_is_none(tree):
    root = tree(
        gradtag_core__tasks__a="from gradtag_core.tasks.b import x",
        gradtag_core__tasks__b="def f():\n    from gradtag_core.tasks.a import y",
    )
    assert cycles(root) == []
    tree(gradtag_core__tasks__b="from gradtag_core.tasks import a")
    assert sorted(cycles(root)) == ["gradtag_core.tasks.a", "gradtag_core.tasks.b"]


def attempt(handler):
    """A loop in a function around a `try` that ends in this handler."""
    return f"def f():\n    for x in y:\n        try:\n            g()\n        {handler}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "unpickling"),
        ("import numpy, pickle as p", "unpickling"),
        ("from joblib import load", "unpickling"),
        ("def f():\n    import shelve", "unpickling"),
        ("from marshal import loads", "unpickling"),
        ("importlib.import_module('pickle')", "unpickling"),
        ("__import__('dill')", "unpickling"),
        ("torch.load(p)", "unpickling"),
        ("torch.load(p, weights_only=True)", "unpickling"),
        ("read = torch.load", "unpickling"),
        ("from torch import load", "unpickling"),
        ("import torch as t\nt.load(p)", "unpickling"),
        ("np.load(p, None, True)", "unpickling"),
        ("np.load(p, **{'allow_pickle': True})", "unpickling"),
        ("pd.read_pickle(p)", "unpickling"),
        ("np.load(p, allow_pickle=True)", "unpickling"),
        ("np.load(\n    p,\n    allow_pickle = 1)", "unpickling"),
        ("np.load(p, allow_pickle=chosen)", "unpickling"),
        ("eval(x)", "running text"),
        ("builtins.exec(x)", "running text"),
        (attempt("except Exception: pass"), "a swallowed exception"),
        (attempt("except Exception as error: pass"), "a swallowed exception"),
        (attempt("except BaseException as error: ..."), "a swallowed exception"),
        (attempt("except Exception: continue"), "a swallowed exception"),
        (attempt("except Exception: break"), "a swallowed exception"),
        (attempt("except Exception as error: return"), "a swallowed exception"),
        (attempt("except Exception: return None"), "a swallowed exception"),
        (attempt("except builtins.Exception: pass"), "a swallowed exception"),
        (attempt("except (ValueError, Exception): pass"), "a swallowed exception"),
        (
            attempt("except Exception:\n            # why\n            'text'\n            pass"),
            "a swallowed exception",
        ),
        (attempt("except: pass"), "a swallowed exception"),
        (attempt("except: raise"), "a bare except"),
        ("with suppress(Exception): f()", "a swallowed exception"),
        ("with contextlib.suppress(OSError, BaseException): f()", "a swallowed exception"),
    ],
)
def test_what_is_forbidden_is_seen(tree, text, what):
    assert any(line.endswith(f": {what}") for line in forbidden(tree(gradtag_core__tasks__a=text)))
    assert forbidden(tree(gradtag_core__tasks__a="", pages__a=text))


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "np.load(p, allow_pickle=False)",
        "np.load(p)",
        "json.load(f)",
        "safetensors.torch.load_file(p)",
        "with suppress(OSError): f()",
        attempt("except OSError: pass"),
        attempt("except (ValueError, OSError) as error: continue"),
        attempt("except Exception as error: report(error)"),
        attempt("except BaseException: raise"),
        "words = 'import pickle, eval(x), except: pass'",
    ],
)
def test_what_is_allowed_passes(tree, text):
    assert not forbidden(tree(gradtag_core__tasks__a=text))
