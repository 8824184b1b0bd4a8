"""Which engine the settings ask for, and what engines have in common."""

import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.engine.engine import Elsewhere, EngineSettings, InThisProcess, compute, engine_of
from gradtag_core.runs.engine.work import MARKS, Job, UnitDone, stage_works
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.start import load_plan

CONFIG = make_config(None, suite="digits", n_tasks=4, model="mlp", subset_size=2, n_subsets=6, n_inits=3)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("GRADTAG_WORKERS", raising=False)
    monkeypatch.delenv("GRADTAG_SCHEDULER", raising=False)


def test_the_default_is_the_process_that_asks():
    settings = EngineSettings.of()
    assert settings == EngineSettings(1, "") and not settings.elsewhere
    assert isinstance(engine_of(settings), InThisProcess)
    assert settings.where == "in one process of this machine"
    assert EngineSettings(4).where == "in 4 processes of this machine"
    assert EngineSettings(1, "tcp://host:8786").where == "on the Dask cluster at tcp://host:8786"


def test_the_environment_is_asked_where_nothing_is_given(monkeypatch):
    monkeypatch.setenv("GRADTAG_WORKERS", " 3 ")
    assert EngineSettings.of() == EngineSettings(3, "")
    assert EngineSettings.of(scheduler="tcp://host:1") == EngineSettings(1, "tcp://host:1")
    assert EngineSettings.of(workers=1) == EngineSettings(1, "")
    monkeypatch.setenv("GRADTAG_SCHEDULER", "tls://[::1]:8786")
    with pytest.raises(
        InvalidInput, match="`GRADTAG_WORKERS` and `GRADTAG_SCHEDULER` must not both be given"
    ):
        EngineSettings.of()
    monkeypatch.delenv("GRADTAG_WORKERS")
    assert EngineSettings.of() == EngineSettings(1, "tls://[::1]:8786")


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025", "٣", "9" * 5000])
def test_a_number_of_workers_that_cannot_be_is_refused(monkeypatch, text):
    monkeypatch.setenv("GRADTAG_WORKERS", text)
    with pytest.raises(InvalidInput, match="`GRADTAG_WORKERS` must be a whole number from 1 to 1024"):
        EngineSettings.of()


@pytest.mark.parametrize(
    "address", ["host:8786", "http://host:1", "tcp://host", "tcp://host:0", "tcp://host:70000"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InvalidInput, match="`scheduler` must be the address of a Dask scheduler such as"):
        EngineSettings.of(scheduler=address)


class Recorded(Elsewhere):
    """Leaves what `make` says in the cache, and answers as told."""

    def __init__(self, cache, answers):
        super().__init__()
        self.cache, self.answers, self.orders = cache, answers, []

    @property
    def where(self):
        return "nowhere"

    def _done(self, orders, reporter, tell):
        for order, answer in zip(orders, self.answers, strict=False):
            self.orders.append(order)
            assert self.cache.get_json(MARKS, order.job.mark) is not None
            if answer.error is None and answer.place != "liar":
                path = self.cache.path(*order.work.unit[:3])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
            yield order, answer


@pytest.fixture
def stage(tmp_path):
    plan, cache = load_plan(CONFIG), UnitCache(tmp_path / "cache")
    works = stage_works(plan, plan_units(plan))["train"]
    return Job.of(plan, cache, "cpu"), cache, works


def test_only_missing_units_are_handed_out_and_all_are_counted(stage):
    job, cache, works = stage
    path = cache.path(*works[1].unit[:3])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    engine, heard = Recorded(cache, [UnitDone("here", 1.0), UnitDone("there", 1.0, ("a.json",))]), []
    compute(engine, "Training", job, cache, works, Reporter(heard.append))
    assert [order.work for order in engine.orders] == [works[0], works[2]]
    assert engine.places == {"here": 1, "there": 1}
    assert [path.name for path in cache.damaged] == ["a.json"]
    assert [(one.stage, one.done, one.total) for one in heard] == [
        ("Training", done, 3) for done in (1, 2, 3)
    ]
    assert heard[0].seconds_left is None and heard[-1].seconds_left == 0
    compute(engine, "Training", job, cache, works, Reporter())
    assert len(engine.orders) == 2
    engine.close()
    assert not list((cache.root / MARKS).rglob("*.json"))


def test_an_error_comes_back_as_its_type_with_its_sentence(stage):
    job, cache, works = stage
    engine = Recorded(cache, [UnitDone("here", 1.0, (), "`a` must be b.", "InvalidInput")])
    with pytest.raises(InvalidInput, match="`a` must be b"):
        compute(engine, "Training", job, cache, works, Reporter())
    assert engine.places == {}


def test_a_unit_that_was_made_elsewhere_but_is_not_here_tells_of_shared_storage(stage, monkeypatch):
    job, cache, works = stage
    monkeypatch.setattr("gradtag_core.runs.engine.engine.SEEN_SECONDS", 0.2)
    with pytest.raises(
        StoreError, match=r"does not hold the unit .* that liar made. The store must be on storage"
    ):
        compute(Recorded(cache, [UnitDone("liar", 1.0)]), "Training", job, cache, works, Reporter())


def test_what_is_waited_for_stands_beside_the_stage():
    assert Progress("Training", 0, 1, None, "waiting").words == "Training (waiting)"
    assert Progress("Training", 0, 1).words == "Training"
