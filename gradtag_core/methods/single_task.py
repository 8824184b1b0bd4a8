"""One model per task (Grad-TAG, table 3: "single-task")."""

from gradtag_core.cost import measure
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.trained_groups import train_groups


def run(setting: Setting) -> MethodResult:
    with measure() as meter:
        trained = train_groups(setting, [(task,) for task in setting.everything], meter)
    return trained.result(setting, "single_task", meter.cost)
