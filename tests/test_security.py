"""What comes from outside is data: nothing of it runs, leads out of a folder, or becomes markup."""

import ast
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.fuzz_hostile import Bomb, pickles
from gradtag_core.config import make_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.evaluation.task_facts import task_facts
from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.figures.task_facts import balance_bars
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.matrix_file import read_affinity_csv
from gradtag_core.models.pretrained import locate
from gradtag_core.runs.files import read_arrays as read_tensors
from gradtag_core.runs.files import read_table as read_frame
from gradtag_core.runs.start import run
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.suites import add_suite, remove_suite
from gradtag_core.tasks.graph_files import graph_suite_from_files
from gradtag_core.tasks.matrix_files import read_matrix
from gradtag_core.tasks.prompt_templates import read_templates
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.snap import read_communities, read_edges, read_ego_network
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.tasks.table_file import read_table

ROOT = Path(__file__).parents[1]
SCRIPT, FORMULA = "<script>alert(1)</script>", "=cmd|' /C calc'!A0"
SECRETS = {
    "HF_TOKEN": "hf_NeverInAnyFile", "AWS_SECRET_ACCESS_KEY": "aws+NeverInAnyFile",
    "AWS_SESSION_TOKEN": "session+Never", "PASSWORD": "pass+Never",
}  # fmt: skip


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def runs_what_it_is_given(node: ast.AST) -> str | None:
    """What of a call could run text or a file: test_architecture.py looks for unpicklers, `eval` and `exec`."""
    if not isinstance(node, ast.Call):
        return None
    name, given = dotted(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
    last = name.rpartition(".")[2]
    loader = next((word for word in (given.get("Loader", ""), *map(ast.unparse, node.args[1:2])) if word), "")
    found = {
        "a shell": given.get("shell", "False") != "False" or name in ("os.system", "os.popen", "subprocess.getoutput"),
        "code of a model": given.get("trust_remote_code", "False") != "False",
        "pickled weights": given.get("use_safetensors", "True") != "True" or name == "torch.load",
        "an unsafe YAML loader": "yaml" in name and ("unsafe" in last or last in ("load", "load_all", "full_load")),
        "a YAML loader that makes objects": "Loader" in loader and loader != "_Loader",
        "compiled text": name in ("compile", "builtins.compile", "__import__"),
        "a template without a sandbox": last in ("Environment", "NativeEnvironment"),
    }  # fmt: skip
    return next((what for what, is_found in found.items() if is_found), None)


def test_no_code_runs_what_it_is_given() -> None:
    sources = [*(ROOT / "gradtag_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {what}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.expr | ast.stmt) and (what := runs_what_it_is_given(node))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "subprocess.run(x, shell=True)", "subprocess.run(x, shell=flag)", "os.system(x)", "os.popen(x)",
        "torch.load(x)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)", "kind.from_pretrained(x, use_safetensors=False)",
        "yaml.load(x)", "yaml.unsafe_load(x)", "yaml.load(x, Loader=yaml.Loader)", "yaml.compose(x, yaml.Loader)",
        "compile(x, 'f', 'exec')", "jinja2.Environment()", "__import__(x)",
    ],
)  # fmt: skip
def test_the_search_finds(text: str) -> None:
    assert runs_what_it_is_given(ast.parse(text).body[0].value)  # type: ignore[attr-defined]


READERS: dict[str, Callable[[Path], object]] = {
    "edges": read_edges, "communities": lambda path: read_communities(path, np.arange(3)), "ego": read_ego_network,
    "matrix": lambda path: read_matrix(path, ("labels",)), "table": read_table, "templates": read_templates,
    "graph": lambda path: graph_suite_from_files(path), "affinity": read_affinity_csv, "tensors": read_tensors,
    "frame": read_frame,
}  # fmt: skip


@pytest.mark.parametrize(
    "suffix", [".npz", ".npy", ".mat", ".safetensors", ".parquet", ".csv", ".yaml", ".txt.gz"]
)
@pytest.mark.parametrize("reader", READERS)
def test_a_pickle_in_an_upload_is_refused_and_not_run(tmp_path: Path, reader: str, suffix: str) -> None:
    trace = tmp_path / "unpickled"
    for content in pickles(str(trace)):
        path = tmp_path / f"upload{suffix}"
        path.write_bytes(content)
        with pytest.raises(GradTagError):
            READERS[reader](path)
        assert not trace.exists()


def test_the_bomb_is_one(tmp_path: Path) -> None:
    import pickle

    pickle.loads(pickle.dumps(Bomb(str(tmp_path / "unpickled"))))
    assert (tmp_path / "unpickled").exists()


def test_a_model_with_pickled_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name in ("pytorch_model.bin", "model.pt"):
        (tmp_path / name).write_bytes(pickles(str(tmp_path / "unpickled"))[0])
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "pytorch_model.bin", "b": "../x.bin"}}'
    )
    with pytest.raises(InvalidInput, match="could run code"):
        locate(str(tmp_path))
    assert not (tmp_path / "unpickled").exists()


def test_the_server_is_for_this_machine_alone() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "localhost"
    assert settings["browser"]["gatherUsageStats"] is False
    for switch in ("enableXsrfProtection", "enableCORS"):  # which protect as long as nobody turns them off
        assert settings["server"].get(switch, True) is True
    makefile = (ROOT / "Makefile").read_text()
    assert "ADDRESS ?= localhost\n" in makefile and "--server.address $(ADDRESS)" in makefile
    assert "0.0.0.0" not in makefile


def odd_suite(name: str = "odd") -> TaskSuite:
    """Tasks whose names are markup, a formula, and a path."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(90, 4)).astype(np.float32)
    labels = (inputs @ generator.normal(size=(4, 4)) > 0).astype(np.int8)
    names = (SCRIPT, FORMULA, "../../etc/passwd", '&amp; "quoted" <b>')
    return TaskSuite(name, names, inputs, labels, generator.permutation(90), SplitRule(0.3, 0.3))


def test_odd_names_come_back_as_they_were_and_are_no_markup(own_home: Path) -> None:
    add_suite(odd_suite(), title=SCRIPT, description=FORMULA, origin=["/home/someone/../secret.csv"])
    suite = load_suite("odd")
    assert suite.task_names == odd_suite().task_names
    assert b"/home/someone" not in (own_home / "suites" / "odd" / "suite.json").read_bytes()
    values = np.random.default_rng(0).normal(size=(4, 4))
    grouping = cluster(values, 2, task_names=suite.task_names)
    assert {name for group in grouping.groups for name in group} == {*suite.task_names}
    for figure in (affinity_heatmap(values, suite.task_names), balance_bars(task_facts(suite))):
        assert "<script" not in str(figure.to_json()).replace("\\u003c", "<"), (
            "a name must be escaped in labels and hover texts"
        )


def test_secrets_of_the_environment_are_in_no_file_of_a_run(
    monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    store = RunStore()
    config = make_config(
        suite="odd", epochs=1, base_epochs=1, n_subsets=6, subset_size=2, proj_dim=4, n_groups=2, proxies_per_task=0,
    )  # fmt: skip
    record = run(config, store, suite=odd_suite())
    assert record.summary.task_names[0] == SCRIPT and record.grouping is not None
    with sqlite3.connect(own_home / "runs.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint")
    files = [path for path in own_home.rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in files) and own_home / "runs.sqlite" in files
    for path in files:
        content = path.read_bytes()
        for name, value in SECRETS.items():
            assert value.encode() not in content, f"{name} is in {path}"


BAD_NAMES = [
    "../up", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "a\0b", "a" * 5000, "con.", "A", "a b", "~", "a\n", "é", "-a",
    "$HOME", ".hidden", "a%2e%2e", "C:x",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_would_be_paths_are_refused(tmp_path: Path, own_home: Path, name: str) -> None:
    (tmp_path / "up").mkdir()
    store = RunStore()
    for act in (store.get, store.run_folder, store.delete, remove_suite, load_suite, store.request_cancel):
        with pytest.raises(GradTagError):
            act(name)
    with pytest.raises(InvalidInput):
        add_suite(odd_suite(name))
    with pytest.raises(InvalidInput):
        store.cache.path("trained", name, "json")
    assert (tmp_path / "up").is_dir() and not (own_home / "suites").exists()


def test_weights_are_read_by_name_and_not_by_path(tmp_path: Path) -> None:
    outside = tmp_path / "outside.safetensors"
    save_file({"a": np.ones(3, np.float32)}, outside)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../outside.safetensors"}}')
    first = locate(str(model))  # the name alone is taken, and there is no such file in the folder
    outside.write_bytes(b"other weights")
    assert locate(str(model)).fingerprint == first.fingerprint
