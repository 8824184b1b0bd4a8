"""The command line that repeats a run or a study."""

import shlex

from gradtag_core.config import RunConfig
from gradtag_core.study_config import StudyConfig


def option_name(field: str) -> str:
    return "--" + field.replace("_", "-")


def command_line(config: RunConfig) -> str:
    """`python -m gradtag_core run` with every value that differs from its default; nothing hangs on a preset."""
    return _line("run", config)


IN_CODE = "gradtag_core.run("


def call_in_code(config: RunConfig, model: str | None) -> str:
    """The call that repeats a run with a suite, or a model of that name, that exist in the caller's code alone."""
    values = {
        name: getattr(config, name)
        for name, field in RunConfig.model_fields.items()
        if name == "suite" or getattr(config, name) != field.default
    }
    knobs = ", ".join(f"{name}={value!r}" for name, value in values.items())
    named = "" if model is None else f", model=<{model}>"
    return f"{IN_CODE}gradtag_core.make_config({knobs}), suite=<{config.suite}>{named})"


def is_call_in_code(command: str) -> bool:
    """Whether only the caller's code can repeat a run, by its command."""
    return command.startswith(IN_CODE)


def study_command_line(config: StudyConfig) -> str:
    """`python -m gradtag_core pareto` with every value that differs from its default."""
    return _line("pareto", config)


def _line(command: str, config: RunConfig | StudyConfig) -> str:
    words = ["python", "-m", "gradtag_core", command, "--suite", config.suite]
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if name == "suite" or value == field.default:
            continue
        if isinstance(value, bool):
            words.append(option_name(name) if value else "--no-" + name.replace("_", "-"))
        else:
            words += [option_name(name), ",".join(value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)
