"""The comparison with the paper's Amazon row on a made-up graph of four communities."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.table3_amazon import CHOICES, amazon_suite, check_store, main
from benchmarks.table3_amazon_paper import PUBLISHED
from gradtag_core.cli.pareto import print_study
from gradtag_core.config import METRICS
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.protocol import find_method
from gradtag_core.runs import study as studies
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_record import StudyRecord

SIZE, N_COMMUNITIES = 15, 4
FIELDS = {
    "method", "title", "paper_f1", "paper_f1_deviation", "f1", "f1_standard_error", "difference",
    "average_precision", "paper_gigaflops", "gigaflops", "paper_gpu_hours", "seconds", "search", "sample", "n_seeds",
}  # fmt: skip
NAMES = {"naive_mtl", "single_task", "random_groups", "louvain", "hoa"}


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Dense communities of fifteen nodes in a ring, the last one listed twice."""
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(N_COMMUNITIES), SIZE)
    first, second = np.triu_indices(len(group), 1)
    same, next_door = group[first] == group[second], second == first + 1
    chosen = next_door | (same & (generator.random(len(first)) < 0.5))
    communities = [np.flatnonzero(group == each) for each in [*range(N_COMMUNITIES), N_COMMUNITIES - 1]]
    edges, members = tmp_path / "edges.txt", tmp_path / "communities.txt"
    edges.write_text("".join(f"{u}\t{v}\n" for u, v in zip(first[chosen], second[chosen], strict=True)))
    members.write_text("".join("\t".join(map(str, own)) + "\n" for own in communities))
    return [
        "--edges", str(edges), "--communities", str(members), "--cache", str(tmp_path / "cache"), "--epochs", "2",
        "--width", "8", "--methods", "louvain,hoa", "--search-limit", "2.0", "--seeds", "1",
    ]  # fmt: skip


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    main([*arguments, "--json"])
    return {record["method"]: record for record in json.loads(capsys.readouterr().out)}


def test_each_method_stands_beside_the_papers_figure(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    records = printed([*arguments, "--seeds", "2"], capsys)  # the last one counts
    assert records.keys() == NAMES and all(record.keys() == FIELDS for record in records.values())
    alone = records["single_task"]
    assert (alone["paper_f1"], alone["paper_gigaflops"], alone["n_seeds"]) == (92.26, 6.43e4, 2)
    assert alone["difference"] == pytest.approx(alone["f1"] - 92.26)
    assert records["naive_mtl"]["paper_f1"] is records["naive_mtl"]["difference"] is None
    assert records["louvain"]["paper_gigaflops"] is None
    for record in records.values():
        assert 0 <= record["f1"] <= 100 and 0 <= record["average_precision"] <= 100
        assert record["f1_standard_error"] >= 0 and math.isfinite(record["gigaflops"])
    assert records["hoa"]["search"] == "estimated" and "were trained" in records["hoa"]["sample"]
    assert alone["search"] == "measured" and alone["sample"] is None


def test_the_table_says_what_was_chosen_and_what_is_missing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments)
    text = capsys.readouterr().out
    assert "92.26 ± 4.62" in text and "Louvain" in text and CHOICES[0] in text
    assert "Left out: boostmtl: not among `--methods`." in text and "Left out: louvain" not in text


def test_a_second_call_computes_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = printed(arguments, capsys)

    def forbidden(*arguments: object) -> None:
        raise AssertionError("A finished unit was computed again.")

    monkeypatch.setattr(studies, "run_method", forbidden)
    assert printed(arguments, capsys) == first


def test_a_stored_study_is_a_sample_without_places(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "studies" / "tiny"
    records = printed([*arguments, "--store", str(place)], capsys)
    assert sorted(path.name for path in place.iterdir()) == ["scores.parquet", "study.json"]
    assert str(tmp_path) not in (place / "study.json").read_text()
    study, once = StudyRecord(place), StudyRecord(place).summary.seconds
    assert study.results.keys() == NAMES and study.config.suite == "amazon"
    assert once > 0
    assert study.summary.command == (
        "python -m benchmarks.table3_amazon --edges FILE --communities FILE --methods louvain,hoa --seeds 1 "
        "--width 8 --epochs 2 --search-limit 2.0 --store FOLDER"
    )
    own = study.results["louvain"][0].test[:, METRICS.index("f1")]
    assert records["louvain"]["f1"] == pytest.approx(100 * own.mean())
    store = RunStore(tmp_path / "home", samples=[place.parent])
    assert not store.problems
    print_study(store, store.get("sample-study-tiny"), as_json=False)
    assert "Study sample-study-tiny" in capsys.readouterr().out
    printed([*arguments, "--store", str(place)], capsys)  # a study may be replaced
    assert StudyRecord(place).summary.seconds == once  # what its units took, not what finding them takes


def test_a_missing_file_is_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    absent = tmp_path / "absent.txt"
    for option in ("--edges", "--communities"):
        changed = [*arguments, option, str(absent)]
        with pytest.raises(SystemExit) as raised:
            main(changed)
        assert raised.value.code == f"`{absent}` must be a file; there is none."


def test_a_folder_that_holds_no_study_is_not_replaced(arguments: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "mine" / "letter.txt"
    kept.parent.mkdir()
    kept.write_text("Dear reader")
    with pytest.raises(SystemExit, match="`--store` must be a new folder"):
        main([*arguments, "--store", str(kept.parent)])
    assert kept.read_text() == "Dear reader"
    with pytest.raises(InvalidInput, match="run_id"):
        check_store(tmp_path / "Not an id")


def test_repeats_can_be_left_out(arguments: list[str]) -> None:
    edges, members = Path(arguments[1]), Path(arguments[3])
    suite = amazon_suite(edges, members)
    assert suite.inputs.shape == (N_COMMUNITIES * SIZE, 4, 128)
    assert (suite.n_tasks, amazon_suite(edges, members, distinct=True).n_tasks) == (5, 4)


def test_every_published_figure_is_of_a_method_that_we_have() -> None:
    assert all(find_method(name).title for name in PUBLISHED)
    best = max(PUBLISHED, key=lambda name: PUBLISHED[name].f1)
    cheapest = min(
        (name for name in PUBLISHED if PUBLISHED[name].gigaflops), key=lambda n: PUBLISHED[n].gigaflops or 0
    )
    assert (best, cheapest) == ("grad_tag_m5", "mmoe")
