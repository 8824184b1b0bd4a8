"""One model for all tasks, the reference of every gain."""

from gradtag_core.cost import measure
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.trained_groups import train_groups


def run(setting: Setting) -> MethodResult:
    with measure() as meter:
        trained = train_groups(setting, [setting.everything], meter)
    return trained.result(setting, "naive_mtl", meter.cost)
