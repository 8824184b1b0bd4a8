"""The registry states facts of the data and loads it once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.models.families import DEFAULTS
from gradtag_core.tasks.registry import load_suite, suite_info, suite_infos

NAMES = [info.name for info in suite_infos()]


@pytest.mark.parametrize("name", NAMES)
def test_the_stated_facts_are_those_of_the_data(name: str) -> None:
    info, suite = suite_info(name), load_suite(name)
    assert (suite.name, suite.n_tasks, suite.n_examples) == (name, info.n_tasks, info.n_examples)
    assert suite.inputs.dtype == (np.dtypes.StringDType() if suite.modality == "text" else np.float32)
    assert suite.labels.dtype == np.int8
    assert info.default_model == DEFAULTS[suite.modality]


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_is_read_once(name: str) -> None:
    assert load_suite(name) is load_suite(name)


def test_tasks_can_be_chosen_by_number_or_by_name() -> None:
    assert load_suite("yeast", 3).task_names == ("Class1", "Class2", "Class3")
    assert load_suite("yeast", tasks=["Class7", "Class2"]).task_names == ("Class7", "Class2")
    assert load_suite("yeast", 14) is load_suite("yeast")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("yaest",), "Did you mean `yeast`"),
        (("",), "`debian`, `yeast`, `digits`"),
        (("yeast", 15), "`n_tasks`"),
        (("yeast", 0), "`n_tasks`"),
        (("yeast", 2, ["Class1", "Class2"]), "`n_tasks` and `tasks`"),
        (("yeast", None, ["Class99"]), "Class99"),
    ],
)
def test_what_is_not_there_is_named(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_suite(*arguments)


def test_facts_cost_no_heavy_import() -> None:
    code = (
        "import sys; from gradtag_core.tasks.registry import suite_infos; suite_infos();"
        "print(sorted({'torch', 'sklearn', 'scipy', 'cvxpy'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    assert done.stdout == "[]\n"
