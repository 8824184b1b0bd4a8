"""The command line, and the call in Python, that repeat a run, a study or a sweep."""

import shlex
from typing import Any

from gradtag_core.config import RunConfig
from gradtag_core.study_config import StudyConfig
from gradtag_core.sweep_config import SweepConfig

Config = RunConfig | StudyConfig
LONGEST_LINE = 100


def option_name(field: str) -> str:
    return "--" + field.replace("_", "-")


def command_line(config: RunConfig) -> str:
    """`python -m gradtag_core run` with every value that differs from its default; nothing hangs on a preset."""
    return _line("run", config)


IN_CODE = "gradtag_core.run("


def call_in_code(config: RunConfig, model: str | None) -> str:
    """The call that repeats a run with a suite, or a model of that name, that exist in the caller's code alone."""
    knobs = ", ".join(f"{name}={value!r}" for name, value in _given(config).items())
    named = "" if model is None else f", model=<{model}>"
    return f"{IN_CODE}gradtag_core.make_config({knobs}), suite=<{config.suite}>{named})"


def is_call_in_code(command: str) -> bool:
    """Whether only the caller's code can repeat a run, by its command."""
    return command.startswith(IN_CODE)


def study_command_line(config: StudyConfig) -> str:
    """`python -m gradtag_core pareto` with every value that differs from its default."""
    return _line("pareto", config)


def python_call(config: Config | SweepConfig) -> str:
    """Lines of Python that repeat a run, a study or a sweep of a stored data set, and print what it found."""
    if isinstance(config, SweepConfig):
        vary = ", ".join(f"{name!r}: {values!r}" for name, values in config.vary.items())
        return (
            "import gradtag_core\n"
            "from gradtag_core.runs.start import create_sweep, execute, open_store\n"
            "from gradtag_core.runs.sweep_record import SweepRecord\n"
            "from gradtag_core.sweep_config import make_sweep_config\n\n"
            f"base = {_call('gradtag_core.make_config', config.base)}\n"
            f"config = make_sweep_config(base, {{{vary}}})\n"
            "store = open_store()\n"
            "row = execute(store, create_sweep(store, config).id)\n"
            "print(SweepRecord(store.run_folder(row.id)).table())\n"
        )
    if isinstance(config, StudyConfig):
        return (
            "from gradtag_core.runs.start import create_study, execute, open_store\n"
            "from gradtag_core.runs.study_record import StudyRecord\n"
            "from gradtag_core.study_config import make_study_config\n\n"
            f"config = {_call('make_study_config', config)}\n"
            "store = open_store()\n"
            "row = execute(store, create_study(store, config).id)\n"
            "for method in StudyRecord(store.run_folder(row.id)).records():\n"
            "    print(method.to_json())\n"
        )
    return (
        "import gradtag_core\n\n"
        f"config = {_call('gradtag_core.make_config', config)}\n"
        "record = gradtag_core.run(config)\n"
        "print(record.grouping.groups)\n"
    )


def _call(function: str, config: Config) -> str:
    """A call with every value that differs from its default, on one line where it fits."""
    values = [f"{name}={value!r}" for name, value in _given(config).items()]
    line = f"{function}({', '.join(values)})"
    if len(line) <= LONGEST_LINE:
        return line
    return f"{function}(\n" + "".join(f"    {value},\n" for value in values) + ")"


def _given(config: Config) -> dict[str, Any]:
    """The data set, and every value that differs from its default."""
    values = {name: getattr(config, name) for name in type(config).model_fields}
    fields = type(config).model_fields
    return {name: value for name, value in values.items() if name == "suite" or value != fields[name].default}


def _line(command: str, config: Config) -> str:
    words = ["python", "-m", "gradtag_core", command, "--suite", config.suite]
    for name, value in _given(config).items():
        if name == "suite":
            continue
        if isinstance(value, bool):
            words.append(option_name(name) if value else "--no-" + name.replace("_", "-"))
        else:
            words += [option_name(name), ",".join(value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)
