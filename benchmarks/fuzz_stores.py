"""The readers of what lies on disk: suites, runs, studies, the store, configurations and pretrained models."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import fuzz_corpus as corpus
from benchmarks import fuzz_hostile as hostile
from benchmarks.fuzz_reader import Reader

SAMPLES = Path(__file__).parents[1] / "sample_data"
RUN, STUDY = SAMPLES / "runs" / "yeast", SAMPLES / "studies" / "yeast"


def _json(path: Path) -> Any:
    from gradtag_core.runs.files import read_json

    return read_json(path)


def _object(path: Path) -> dict[str, Any]:
    """The readers below take an object; where there is none, an empty one."""
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _grouping(path: Path) -> object:
    from gradtag_core.grouping.result import Grouping

    found = Grouping.from_json(_object(path))
    return found.gap, found.n_groups, found.groups, found.to_json()


def _method_result(path: Path) -> object:
    from gradtag_core.methods.protocol import MethodResult

    return MethodResult.from_json(_object(path))


def _linearisation(path: Path) -> object:
    from gradtag_core.evaluation.linearisation import LinearisationTable

    found = LinearisationTable.from_json(_object(path))
    return found.verdict, found.table(), found.to_json()


def _run_config(path: Path) -> object:
    from gradtag_core.config import read_config

    return read_config(_object(path)).for_tasks(1000)


def _study_config(path: Path) -> object:
    from gradtag_core.study_config import make_study_config

    return make_study_config(**_object(path))


def _suite_facts(path: Path) -> object:
    from gradtag_core.tasks.stored import read_facts

    return read_facts(path.parent)


def _stored_arrays(folder: Path) -> None:
    (folder / "suite.npz").write_bytes(corpus.suite_files()["suite.npz"][-1])


def _suite_arrays(path: Path) -> object:
    """The facts follow the arrays, so that what is damaged is not refused by its checksum alone."""
    from gradtag_core.tasks.stored import read_suite

    content, last = path.read_bytes(), None
    for facts in corpus.suite_files()["suite.json"]:
        found = json.loads(facts) | {"checksum": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
        (path.parent / "suite.json").write_text(json.dumps(found))
        try:
            return read_suite(path.parent).fingerprint
        except Exception as error:
            last = error
    assert last is not None
    raise last


def _arrays(path: Path) -> object:
    from gradtag_core.runs.files import read_arrays

    return read_arrays(path)


def _frame(path: Path) -> object:
    from gradtag_core.runs.files import read_table

    return read_table(path)


def _taken_in(path: Path) -> object:
    """The folder of a run or study of another store, as it is checked before it is taken in."""
    from gradtag_core.runs.adopt import checked_copy

    with checked_copy(path.parent, path.parents[1] / "copies") as (_, row):
        return row


def _store(path: Path) -> object:
    from gradtag_core.runs.store import RunStore

    for beside in path.parent.glob("runs.sqlite-*"):
        beside.unlink()
    store = RunStore(path.parent)
    return [store.get(row.id) for row in store.list()]


def _database() -> list[bytes]:
    from tempfile import TemporaryDirectory

    from gradtag_core.runs.store import RunStore

    with TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        for number in range(3):
            store.create({"suite": "yeast"}, f"run {number}", "yeast", "command")
        with sqlite3.connect(Path(folder) / "runs.sqlite") as database:
            database.execute("PRAGMA journal_mode = DELETE")
            return [database.serialize()]


def _sample(path: Path) -> object:
    from gradtag_core.runs.row import read_samples

    return read_samples([path.parents[1]])


def _copy_of(folder: Path) -> Callable[[Path], None]:
    def prepare(target: Path) -> None:
        for path in folder.iterdir():
            if path.name not in (
                "trained.parquet",
                "proxies.parquet",
                "gradients.parquet",
            ):  # which take a second to judge
                shutil.copyfile(path, target / path.name)

    return prepare


def _pretrained(path: Path) -> object:
    from gradtag_core.models import pretrained, text_inputs

    found = pretrained.locate(str(path.parent))
    pretrained.load.cache_clear()
    text_inputs.tokenizer_of.cache_clear()
    text_inputs.tokenizer_of(found, 32).encode("word1 word2")
    return pretrained.load(found, "encoder")


def _image_format(path: Path) -> object:
    from gradtag_core.models.image_format import ImageFormat
    from gradtag_core.models.pretrained import locate

    return ImageFormat.of(locate(str(path.parent)), 3)


def _tiny_model(folder: Path) -> None:
    """A text encoder of a few thousand weights, and a tokenizer of a few words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "word1": 1, "word2": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(
        '{"image_mean": [0.5, 0.5, 0.5], "image_std": 0.5, "size": {"height": 8, "width": 8}}'
    )


def _tiny_file(name: str) -> Callable[[], list[bytes]]:
    def corpus_of() -> list[bytes]:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            _tiny_model(Path(folder))
            return [(Path(folder) / name).read_bytes()]

    return corpus_of


def _file(path: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes()]


def _run_file(name: str, folder: Path = RUN, share: float = 0.05) -> Reader:
    made = {
        ".json": hostile.json_files,
        ".parquet": hostile.parquet_files,
        ".safetensors": hostile.tensor_files,
    }[Path(name).suffix]
    return Reader(f"taken in: {name}", name, _file(folder / name), _taken_in, made, _copy_of(folder), share)


def _pretrained_file(name: str, hostile_files: Callable[[], list[bytes]], share: float = 0.1) -> Reader:
    return Reader(f"model: {name}", name, _tiny_file(name), _pretrained, hostile_files, _tiny_model, share)


def _configs() -> list[bytes]:
    from gradtag_core.config import PRESETS, RunConfig

    return corpus.as_json(
        RunConfig().model_dump(), *({**RunConfig().model_dump(), **own} for own in PRESETS.values())
    )


def _study_configs() -> list[bytes]:
    from gradtag_core.study_config import StudyConfig

    return corpus.as_json(StudyConfig().model_dump())


def _small_arrays() -> list[bytes]:
    return [(RUN / "arrays.safetensors").read_bytes()]


STORES: tuple[Reader, ...] = (
    Reader("suite facts", "stored/suite.json", lambda: corpus.suite_files()["suite.json"][-1:], _suite_facts,
    hostile.json_files,
           _stored_arrays),
    Reader("suite arrays", "stored/suite.npz", lambda: corpus.suite_files()["suite.npz"], _suite_arrays,
           lambda: [*hostile.pickles(), *hostile.promised_arrays(), *hostile.large_archives()]),
    Reader("json", "any.json", lambda: corpus.as_json({"a": [1, 2.5, None, "x"]}), _json, hostile.json_files,
    share=0.5),
    Reader("grouping", "grouping.json", lambda: corpus.as_json(corpus.grouping().to_json()), _grouping,
    hostile.json_files),
    Reader("linearisation", "linear.json", lambda: corpus.as_json(corpus.linearisation().to_json()), _linearisation,
           hostile.json_files),
    Reader("method result", "result.json", lambda: corpus.as_json(corpus.method_result().to_json()), _method_result,
           hostile.json_files),
    Reader("run config", "config.json", _configs, _run_config, hostile.json_files),
    Reader("study config", "config.json", _study_configs, _study_config, hostile.json_files),
    Reader("arrays", "arrays.safetensors", _small_arrays, _arrays, hostile.tensor_files),
    Reader("frame", "frame.parquet", lambda: corpus.parquet_tables()[:2], _frame, hostile.parquet_files),
    Reader("database", "runs.sqlite", _database, _store, hostile.texts, share=0.3),
    Reader("sample run", "run.json", _file(RUN / "run.json"), _sample, hostile.json_files, share=0.5),
    *(_run_file(name) for name in ("run.json", "grouping.json", "groups.json", "arrays.safetensors",
    "estimated.parquet")),
    _run_file("study.json", STUDY), _run_file("scores.parquet", STUDY),
    _pretrained_file("config.json", hostile.json_files), _pretrained_file("model.safetensors", hostile.tensor_files),
    _pretrained_file("tokenizer.json", hostile.json_files),
    Reader("model: images", "preprocessor_config.json", _tiny_file("preprocessor_config.json"), _image_format,
           hostile.json_files, _tiny_model, share=0.3),
)  # fmt: skip
