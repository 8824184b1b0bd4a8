"""A bundle opens as the run that it was; anything else is refused with a sentence, whatever its bytes."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.report import bundle, opening
from gradtag_core.report.findings import find
from gradtag_core.report.images import Image
from gradtag_core.report.opening import open_bundle, read_bundle
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.store import RunStore
from tests.report.made_runs import made_record


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(record, bytes of its bundle), the pictures drawn without a browser."""
    record = made_record(tmp_path_factory.mktemp("opening") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bundle, "draw_images", lambda figures: {key: Image(b"<svg/>", b"png") for key in figures}
        )
        patch.setattr(bundle, "report_html", lambda found: "<!doctype html>")
        return record, bundle.bundle_bytes(find(record))[0]


@pytest.fixture
def store(own_home):
    return RunStore(own_home)


def changed(content, change):
    """A zip file with its entries, a list of (info, bytes), changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, text in change(entries):
            archive.writestr(info, text)
    return io.BytesIO(target.getvalue())


def test_it_opens_as_the_run_that_it_was(made, store):
    record, content = made
    row = open_bundle(store, io.BytesIO(content))
    opened: Any = RunRecord(store.run_folder(row.id))
    assert row.state == "done" and row.id == record.summary.id and not row.sample
    assert np.array_equal(opened.affinity().values, record.affinity().values)
    assert np.array_equal(opened.true_affinity().values, record.true_affinity().values)
    assert opened.comparison().to_json() == record.comparison().to_json()
    assert opened.grouping.to_json() == record.grouping.to_json()
    assert np.array_equal(opened.group_scores.grouped, record.group_scores.grouped)
    assert opened.summary == record.summary


def test_twice_is_once(made, store):
    first, second = (open_bundle(store, io.BytesIO(made[1])) for _ in range(2))
    assert first.id == second.id and len(store.list()) == 1


def test_a_bundle_of_what_was_opened_is_the_same_bundle(made, store, monkeypatch):
    monkeypatch.setattr(
        bundle, "draw_images", lambda figures: {key: Image(b"<svg/>", b"png") for key in figures}
    )
    monkeypatch.setattr(bundle, "report_html", lambda found: "<!doctype html>")
    row = open_bundle(store, io.BytesIO(made[1]))
    assert bundle.bundle_bytes(find(RunRecord(store.run_folder(row.id))))[0] == made[1]


def test_only_the_known_files_are_taken(made, tmp_path):
    def foreign(entries):
        names = ("../evil", "/etc/evil", "run/../../evil", "run\\run.json", "run/extra.txt", "run/sub/run.json", "run/",
                 "RUN/run.json", "C:/run.json")  # fmt: skip
        return [*entries, *((zipfile.ZipInfo(name), b"") for name in names)]

    folder = read_bundle(changed(made[1], foreign), tmp_path / "a" / "run")
    known = {path.name for path in made[0].folder.iterdir()}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == known
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def twin(entries):
    return [*entries, next(entry for entry in entries if entry[0].filename == "run/run.json")]


def link(entries):
    for info, text in entries:
        if info.filename == "run/run.json":
            info.external_attr, text = 0o120777 << 16, b"/etc/passwd"
        yield info, text


def compressed_otherwise(entries):
    for info, text in entries:
        info.compress_type = zipfile.ZIP_BZIP2
        yield info, text


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twin, "twice"),
        (link, "is a link"),
        (compressed_otherwise, "stored or deflated"),
        (
            lambda entries: [entry for entry in entries if entry[0].filename != "run/run.json"],
            r"`run/run\.json`",
        ),
        (lambda entries: [], r"`run/run\.json`"),
        (
            lambda entries: [*entries, *((zipfile.ZipInfo(str(at)), b"") for at in range(1000))],
            "at most 1,000 files",
        ),
    ],
)
def test_what_is_no_bundle_is_refused(made, tmp_path, change, message):
    with pytest.raises(InvalidInput, match=message):
        read_bundle(changed(made[1], change), tmp_path / "run")


def test_a_bomb_is_refused_before_and_while_it_is_unpacked(made, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MOST_BYTES", 100_000)

    def swollen(entries):
        return [
            (info, bytes(10**6) if info.filename.endswith("estimated.parquet") else text)
            for info, text in entries
        ]

    bomb = changed(made[1], swollen)
    with pytest.raises(InvalidInput, match="at most"):
        read_bundle(bomb, tmp_path / "declared")
    assert not (tmp_path / "declared").exists()
    liar = bytearray(bomb.getvalue())
    with zipfile.ZipFile(bomb) as archive:
        size = archive.getinfo("run/estimated.parquet").file_size.to_bytes(4, "little")
    while size in liar:
        at = liar.index(size)
        liar[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(InvalidInput):
        read_bundle(io.BytesIO(bytes(liar)), tmp_path / "lied")
    assert (tmp_path / "lied" / "estimated.parquet").stat().st_size < 10**6


def test_an_encrypted_one_is_refused(made, tmp_path):
    content = bytearray(made[1])
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        content[at + 8] |= 1
    with pytest.raises(InvalidInput, match="encrypted"):
        read_bundle(io.BytesIO(bytes(content)), tmp_path / "run")


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="is not there"):
        read_bundle(tmp_path / "missing.zip", tmp_path / "run")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(InvalidInput, match=r"damaged or is none.*Story page"):
        read_bundle(tmp_path / "text.zip", tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", b"{}"),
        ("run.json", b"[1]"),
        ("run.json", b"\xff"),
        ("estimated.parquet", b"PAR1"),
        ("arrays.safetensors", b"\xff" * 20),
        ("grouping.json", b"{}"),
        ("groups.json", b'{"grouped": [[1]], "together": [[1]], "cost": {}}'),
        ("groups.json", b"null"),
        ("trained.parquet", b""),
        ("linearisation.json", b"[]"),
    ],
)
def test_a_run_that_is_damaged_is_refused_and_leaves_nothing(made, store, name, text):
    def damaged(entries):
        kept = [entry for entry in entries if entry[0].filename != f"run/{name}"]
        return [*kept, (zipfile.ZipInfo(f"run/{name}"), text)]

    with pytest.raises(InvalidInput) as told:
        open_bundle(store, changed(made[1], damaged))
    assert "/tmp" not in str(told.value)
    assert store.list() == []


def test_another_run_of_the_same_id_gets_a_new_one(made, store):
    def renamed(entries):
        for info, text in entries:
            if info.filename == "run/run.json":
                text = json.dumps({**json.loads(text), "created": 1.6e9}).encode()
            yield info, text

    first, second = open_bundle(store, io.BytesIO(made[1])), open_bundle(store, changed(made[1], renamed))
    assert first.id != second.id and len(store.list()) == 2


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_break_it(made, store, data):
    """Bytes of the zip file are changed, left out or added; of its run, also with checksums that are right again."""
    content = made[1]
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(path.name for path in made[0].folder.iterdir())))

        def spoil(entries):
            for info, text in entries:
                yield info, mutated(data, text) if info.filename == f"run/{name}" else text

        content = changed(content, spoil).getvalue()
    else:
        content = mutated(data, content)
    try:
        open_bundle(store, io.BytesIO(content))
    except GradTagError as error:
        assert str(error)


def mutated(data, content):
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(("set", "cut", "add", "end")))
        if kind == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 200))]
        elif kind == "add":
            content[at:at] = data.draw(st.binary(max_size=20))
        else:
            del content[max(1, at) :]
        content = content or bytearray(b"x")
    return bytes(content)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400))
def test_no_file_breaks_it(store, content):
    with pytest.raises(GradTagError):
        open_bundle(store, io.BytesIO(content))
