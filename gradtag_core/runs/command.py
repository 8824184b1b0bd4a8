"""The command line that repeats a run."""

import shlex

from gradtag_core.config import RunConfig


def option_name(field: str) -> str:
    return "--" + field.replace("_", "-")


def command_line(config: RunConfig) -> str:
    """`python -m gradtag_core run` with every value that differs from its default; nothing hangs on a preset."""
    words = ["python", "-m", "gradtag_core", "run", "--suite", config.suite]
    for name, field in RunConfig.model_fields.items():
        value = getattr(config, name)
        if name == "suite" or value == field.default:
            continue
        if isinstance(value, bool):
            words.append(option_name(name) if value else "--no-" + name.replace("_", "-"))
        else:
            words += [option_name(name), str(value)]
    return shlex.join(words)
