"""A search as Optuna runs it: asks for candidates, refuses, trains, and remembers.

The memory is Optuna's: a journal in the search's folder, which one process at a time
appends to, or a database that many machines share.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna import distributions, storages, trial
from optuna.storages import journal
from optuna.study import StudyDirection

from tfpipeline import errors
from tfpipeline.configs.run import Run
from tfpipeline.search import space as spaces
from tfpipeline.search import trials

JOURNAL = "search.journal"
# Attributes of a trial.
REFUSED, MESSAGE, COSTS, FOLDER, SAME = "refused", "message", "costs", "folder", "same"
# So many refused candidates behind each other end a search: nothing fits, or nearly so.
_MOST_REFUSED = 500
# Seconds until a trial of a process that says nothing any more is given to another.
_HEARTBEAT, _GRACE = 30, 120

Tell = Callable[[str], None]
State = trial.TrialState


def storage(root: pathlib.Path, url: str | None) -> storages.BaseStorage:
    """Where trials are kept.

    Args:
        root: folder of the search.
        url: of a database; None for the journal in the folder.

    Raises:
        UsageError: the database cannot be opened.
    """
    if url is None:
        root.mkdir(parents=True, exist_ok=True)
        backend = journal.JournalFileBackend(str(root / JOURNAL))
        return storages.JournalStorage(backend)
    try:
        return storages.RDBStorage(
            url,
            heartbeat_interval=_HEARTBEAT,
            grace_period=_GRACE,
            failed_trial_callback=storages.RetryFailedTrialCallback(),
        )
    except Exception as error:
        first = str(error).strip().splitlines()
        raise errors.UsageError(
            f"--storage cannot be opened: {first[0] if first else type(error).__name__}"
        ) from error


def opened(
    kept: storages.BaseStorage,
    name: str,
    space: spaces.Space,
    sampler: str,
    seed: int,
    *,
    higher: bool,
) -> optuna.Study:
    """The study of a search, new or as it was left.

    Args:
        kept: of `storage`.
        name: of the study in it.
        space: of the search.
        sampler: of `spaces.SAMPLERS`.
        seed: of the first start; later ones draw anew.
        higher: whether a higher metric is the better one.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    least, most = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
    best = most if higher else least
    directions = [best if x == spaces.METRIC else least for x in space.objectives]
    study = optuna.create_study(
        storage=kept, study_name=name, directions=directions, load_if_exists=True
    )
    drawn = seed + len(study.get_trials(deepcopy=False))
    if sampler == "tpe":
        study.sampler = optuna.samplers.TPESampler(seed=drawn)
    else:
        study.sampler = optuna.samplers.NSGAIISampler(seed=drawn)
    return study


def resume(study: optuna.Study) -> int:
    """Asks again for what an ended process left unfinished; how many that is.

    Only for a journal, which nobody else appends to.
    """
    running = study.get_trials(deepcopy=False, states=(State.RUNNING,))
    for each in running:
        folder = each.user_attrs.get(FOLDER, each.number)
        study.tell(each.number, state=State.FAIL)
        study.enqueue_trial(each.params, user_attrs={FOLDER: folder})
    return len(running)


def run(
    study: optuna.Study,
    base: Run,
    space: spaces.Space,
    root: pathlib.Path,
    costs: trials.Costs,
    count: int,
    tell: Tell,
) -> None:
    """Trains candidates until so many of the study have ended.

    Args:
        study: of `opened`.
        base: what all candidates have in common.
        space: that they are of.
        root: folder of the search.
        costs: of its candidates.
        count: of trained candidates, failed ones among them.
        tell: is called with a line a candidate.

    Raises:
        UsageError: nearly everything is refused, or a cost is unmeasured.
    """
    refused = 0
    while len(ended(study)) < count:
        asked = study.ask(_distributions(space))
        try:
            values = _tried(study, asked, base, space, root, costs)
        except trials.Refused as error:
            asked.set_user_attr(REFUSED, str(error))
            study.tell(asked, state=State.PRUNED)
            refused += 1
            tell(f"{asked.number:5d}  refused  {_told(asked.params)}: {error}")
            if refused >= _MOST_REFUSED:
                raise errors.UsageError(
                    f"{refused} candidates behind each other were refused, the last "
                    f"because of {error}: is anything in the space within the bounds?"
                ) from error
            continue
        except trials.Failed as error:
            asked.set_user_attr(MESSAGE, str(error))
            study.tell(asked, state=State.FAIL)
            tell(f"{asked.number:5d}  failed   {_told(asked.params)}: {error}")
            refused = 0
            continue
        study.tell(asked, values)
        refused = 0
        shown = ", ".join(f"{value:.5g}" for value in values)
        tell(f"{asked.number:5d}  trained  {_told(asked.params)}: {shown}")


def ended(study: optuna.Study) -> list[trial.FrozenTrial]:
    """Trials that were trained, failed ones among them."""
    every = study.get_trials(deepcopy=False)
    return [
        each
        for each in every
        if each.state is State.COMPLETE
        or (each.state is State.FAIL and MESSAGE in each.user_attrs)
    ]


def _tried(
    study: optuna.Study,
    asked: optuna.Trial,
    base: Run,
    space: spaces.Space,
    root: pathlib.Path,
    costs: trials.Costs,
) -> list[float]:
    """Values of the objectives of a candidate."""
    number = asked.user_attrs.get(FOLDER, asked.number)
    folder = trials.place(root, number)
    asked.set_user_attr(FOLDER, number)
    try:
        config = spaces.applied(base, asked.params, str(folder))
    except errors.PipelineError as error:
        raise trials.Refused(str(error)) from error
    found = costs.of(config)
    asked.set_user_attr(COSTS, found)
    earlier = _same(study, asked)
    if earlier is not None:
        asked.set_user_attr(SAME, earlier.number)
        return list(earlier.values)
    metric = trials.train(config)
    return [
        metric if each == spaces.METRIC else trials.measured(found, _as_cost(each))
        for each in space.objectives
    ]


def _as_cost(objective: str | spaces.Cost) -> spaces.Cost:
    assert isinstance(objective, spaces.Cost)
    return objective


def _same(study: optuna.Study, asked: optuna.Trial) -> trial.FrozenTrial | None:
    """A trial of the same values that was trained; trained again it would be equal."""
    for each in study.get_trials(deepcopy=False, states=(State.COMPLETE,)):
        if each.params == asked.params:
            return each
    return None


def _distributions(
    space: spaces.Space,
) -> dict[str, distributions.BaseDistribution]:
    return {name: _distribution(each) for name, each in space.flags.items()}


def _distribution(
    values: spaces.Range | tuple[spaces.Value, ...],
) -> distributions.BaseDistribution:
    if not isinstance(values, spaces.Range):
        return distributions.CategoricalDistribution(values)
    if values.is_whole:
        step = int(values.step or 1)
        return distributions.IntDistribution(
            int(values.low), int(values.high), log=values.log, step=step
        )
    return distributions.FloatDistribution(
        values.low, values.high, log=values.log, step=values.step
    )


def _told(values: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def record(study: optuna.Study, space: spaces.Space) -> dict[str, Any]:
    """What the search found, as JSON values: candidates, the front, what matters."""
    every = study.get_trials(deepcopy=False)
    trained = [each for each in every if each.state is State.COMPLETE]
    refused = [each for each in every if REFUSED in each.user_attrs]
    failed = [each for each in every if MESSAGE in each.user_attrs]
    asked = len(trained) + len(refused) + len(failed)
    return {
        "objectives": [
            each if isinstance(each, str) else each.title for each in space.objectives
        ],
        "trained": [_candidate(each) for each in trained],
        "front": [each.number for each in study.best_trials],
        "refused": [
            {"number": x.number, "flags": x.params, "why": x.user_attrs[REFUSED]}
            for x in refused
        ],
        "refused_share": len(refused) / asked if asked else 0.0,
        "failed": [
            {"number": x.number, "flags": x.params, "why": x.user_attrs[MESSAGE]}
            for x in failed
        ],
        "importance": _importance(study, space, trained),
    }


def _candidate(each: trial.FrozenTrial) -> dict[str, Any]:
    started, completed = each.datetime_start, each.datetime_complete
    seconds = None
    if started is not None and completed is not None:
        seconds = (completed - started).total_seconds()
    return {
        "number": each.number,
        "folder": each.user_attrs.get(FOLDER, each.number),
        "flags": each.params,
        "values": list(each.values),
        "costs": each.user_attrs.get(COSTS, {}),
        "same_as": each.user_attrs.get(SAME),
        "seconds": seconds,
    }


def _importance(
    study: optuna.Study, space: spaces.Space, trained: list[trial.FrozenTrial]
) -> dict[str, float]:
    """Share of each flag in the variance of the metric (fANOVA); {} of too few."""
    place = space.objectives.index(spaces.METRIC)
    varied = {
        name for name in space.flags if len({str(x.params[name]) for x in trained}) > 1
    }
    if len(trained) < 4 or not varied:
        return {}
    found = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
        params=sorted(varied),
        target=lambda each: float(each.values[place]),
    )
    return {name: float(value) for name, value in found.items()}
