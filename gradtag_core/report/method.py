"""How a run came to its answer, in five sentences with its own numbers, and what to do next."""

from __future__ import annotations

from gradtag_core.config import RunConfig
from gradtag_core.report.findings import Findings
from gradtag_core.report.trust import SHAKY, Verdict
from gradtag_core.report.words import counted, share
from gradtag_core.runs.command import command_line, is_call_in_code

TRUTH_SUBSETS = 100
MORE_PROXIES = 4  # times as many


def method_sentences(found: Findings) -> tuple[str, str, str, str, str]:
    """Five sentences that need no knowledge of gradients; M, d, m, α and k are the run's."""
    config = found.record.config
    first, second = _by_gradients(found, config) if config.n_inits else _by_small_models(found, config)
    return (first, second, _averaging(found), _grouping(found), _judging(found))


def _by_gradients(found: Findings, config: RunConfig) -> tuple[str, str]:
    models = "One model was" if config.n_inits == 1 else f"{config.n_inits:,} models were"
    base = (
        f"{models} trained on all {counted(found.n_tasks, 'task')} at once (M = {config.n_inits:,}) for "
        f"{counted(config.base_epochs, 'pass', 'passes')} over the data, and for every example the gradient was "
        f"recorded, that is, the direction in which the example pulls the model{_shortened(found, config)}."
    )
    joined = ""
    if found.record.proxies is not None:
        small = counted(len(found.record.proxies.subsets), "small model")
        joined = f", and joined with the scores of {small} that were really trained"
    return base, (
        f"From these gradients alone, without training, it was predicted how well each task is learned in each of "
        f"{_subsets(found, config)}{joined}."
    )


def _shortened(found: Findings, config: RunConfig) -> str:
    if config.projection == "identity":
        return ""
    energy = found.record.summary.captured_energy
    kept = "" if energy is None else f", which keep {share(energy)} of its strength"
    return f", shortened to d = {config.proj_dim:,} numbers{kept}"


def _by_small_models(found: Findings, config: RunConfig) -> tuple[str, str]:
    proxies = found.record.proxies
    small = (
        "Small models were"
        if proxies is None
        else f"{counted(len(proxies.subsets), 'small model')} of their own"
    )
    were = "" if proxies is None else (" was" if len(proxies.subsets) == 1 else " were")
    return (
        f"{small}{were} trained for real, each on one subset of the {counted(found.n_tasks, 'task')}; no gradients "
        "were used (M = 0).",
        "A model of who helps whom was fitted to their scores, and predicted how well each task is learned in each of "
        f"{_subsets(found, config)}.",
    )


def _subsets(found: Findings, config: RunConfig) -> str:
    estimated = found.record.estimated
    n_subsets = len(estimated.subsets) if estimated else 0
    if config.pairwise:
        return f"the m = {n_subsets:,} pairs of tasks and tasks alone"
    size = f"α = {config.subset_size:,} tasks"
    return (
        f"m = {n_subsets:,} random subsets of {size}" if n_subsets > 1 else f"m = 1 random subset of {size}"
    )


def _averaging(found: Findings) -> str:
    return (
        f"What one task does for another is the mean predicted {found.metric_title} of the second over all subsets "
        "that hold both; here it is compared with the mean over all its co-tasks, since some tasks are harder."
    )


def _grouping(found: Findings) -> str:
    if found.grouping is None:
        return "No groups were formed yet."
    k = found.grouping.n_groups
    if k == 1:
        return "All tasks were put into one group (k = 1)."
    trained = "" if found.gains is None else ", and one model was trained for each"
    return (
        f"The tasks were split into k = {k:,} groups, with those who help each other most together{trained}."
    )


def _judging(found: Findings) -> str:
    comparison = found.comparison
    if comparison is None:
        return "The estimate was not compared with real training."
    return (
        f"To judge the estimate, {counted(comparison.n_truth_subsets, 'subset')} "
        f"{'was' if comparison.n_truth_subsets == 1 else 'were'} trained for real on "
        f"{counted(len(comparison.truth_seeds), 'seed')}, and both rankings of the co-tasks were compared."
    )


def next_steps(found: Findings, trust: tuple[Verdict, ...]) -> tuple[str, ...]:
    """What would make the answer surer, most useful first."""
    config, steps = found.record.config, []
    if found.comparison is None and found.record.estimated is not None:
        steps.append(_truth_step(found, config))
    elif trust[0].level == "bad":
        steps.append(
            "Do not rely on these groups yet: estimate again with the preset “accurate” (more initialisations and "
            "small models), and look whether the estimate then beats what costs nothing."
        )
    elif trust[0].level == "caution":
        more = max(config.proxies_per_task, 5) * MORE_PROXIES
        option = f"--proxies-per-task {more}"
        steps.append(f"A surer estimate: more small models, for instance {more} per task ({option}).")
    if found.stability is not None and found.stability.agreement < SHAKY:
        steps.append("The groups depend on chance: the Groups page shows which numbers of groups hold.")
    if found.gains is None and found.grouping is not None:
        steps.append("Train the groups once and compare them with one model for all tasks (--train-groups).")
    elif found.gains is not None and not found.gains.is_clear:
        steps.append("Train groups and one model for all with more seeds before you choose between them.")
    elif found.gains is not None and found.gains.mean > 0:
        steps.append(
            "Train the models of the groups on your full recipe, and keep one model for all as the control."
        )
    return tuple(steps) or ("Repeat the run with another seed, and look whether the answer stays.",)


def _truth_step(found: Findings, config: RunConfig) -> str:
    estimated = found.record.estimated
    truth = min(TRUTH_SUBSETS, len(estimated.subsets)) if estimated else TRUTH_SUBSETS
    why = "Train some of the subsets for real, to see how far the estimate can be trusted"
    if is_call_in_code(found.record.summary.command):
        return f"{why}: call gradtag_core.run again with truth={truth} in the configuration."
    return f"{why}: {command_line(config.model_copy(update={'truth': truth}))}"
