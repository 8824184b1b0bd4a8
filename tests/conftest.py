"""What every test starts from: one thread, fixed seeds, and a store of its own."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two test processes share two cores

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from gradtag_core.tasks.suite import SplitRule, TaskSuite

settings.register_profile(
    "gradtag", deadline=None
)  # a busy machine is no failure; pytest-timeout bounds each test
settings.load_profile("gradtag")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run store of this test; nothing touches the user's."""
    home = tmp_path / "gradtag-home"
    monkeypatch.setenv("GRADTAG_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Library code draws from seeds of its own; this fixes whatever a test draws."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def small_suite() -> TaskSuite:
    """Four tasks over 120 examples of six features, each a noisy linear rule of its own."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(120, 6)).astype(np.float32)
    rules = generator.normal(size=(6, 4))
    labels = (inputs @ rules + 0.3 * generator.normal(size=(120, 4)) > 0).astype(np.int8)
    names = ("first", "second", "third", "fourth")
    return TaskSuite("small", names, inputs, labels, generator.permutation(120), SplitRule(0.3, 0.3))
