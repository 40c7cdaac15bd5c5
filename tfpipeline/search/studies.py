"""A search as Optuna runs it: asks for candidates, refuses, trains, and remembers.

The memory is Optuna's: a journal in the search's folder, which one process at a time
appends to, or a database that many machines share. Who shares one says every so often
that a candidate's process lives; a candidate whose process has fallen silent is asked
again of another one.
"""

import contextlib
import dataclasses
import pathlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
# Attributes of a trial, and of a study.
REFUSED, MESSAGE, COSTS, FOLDER, SAME = "refused", "message", "costs", "folder", "same"
STOPPED, SEARCH = "stopped", "search"
# So many refused candidates behind each other end a search: nothing fits, or nearly so.
_MOST_REFUSED = 500
# Seconds between signs of life, and until a trial without any is given to another.
_HEARTBEAT, _GRACE = 30, 120
# So often is a candidate asked again whose process was killed; it may be the reason.
_MOST_RETRIES = 2

Tell = Callable[[str], None]
State = trial.TrialState


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """A search that goes on.

    Attributes:
        study: of `opened`.
        kept: of `storage`.
        base: what all candidates have in common.
        space: that they are of.
        root: folder of the search.
        costs: of its candidates.
        tell: is called with a line a candidate.
    """

    study: optuna.Study
    kept: storages.BaseStorage
    base: Run
    space: spaces.Space
    root: pathlib.Path
    costs: trials.Costs
    tell: Tell

    @property
    def is_shared(self) -> bool:
        """Whether other processes take trials of it."""
        return isinstance(self.kept, storages.RDBStorage)


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
        with _without_warnings():
            return storages.RDBStorage(
                url,
                heartbeat_interval=_HEARTBEAT,
                grace_period=_GRACE,
                heartbeat_stale_trial_callback=storages.RetryHeartbeatStaleTrialCallback(
                    _MOST_RETRIES
                ),
            )
    except Exception as error:
        first = str(error).strip().splitlines()
        raise errors.UsageError(
            f"--storage cannot be opened: {first[0] if first else type(error).__name__}"
        ) from error


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Around what Optuna may still change: signs of life, since 2.9.

    Nor need it say that its own loop gives them: here a thread does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
        yield


def opened(
    kept: storages.BaseStorage,
    name: str,
    space: spaces.Space,
    sampler: str,
    seed: int,
    *,
    pruner: str = spaces.NO_PRUNER,
    higher: bool,
) -> optuna.Study:
    """The study of a search, new or as it was left.

    Args:
        kept: of `storage`.
        name: of the study in it.
        space: of the search.
        sampler: of `spaces.SAMPLERS`.
        seed: of the first start; later ones draw anew, and so does each of many
            processes that share a database.
        pruner: of `spaces.PRUNERS`.
        higher: whether a higher metric is the better one.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    least, most = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
    best = most if higher else least
    directions = [best if x == spaces.METRIC else least for x in space.objectives]
    study = optuna.create_study(
        storage=kept, study_name=name, directions=directions, load_if_exists=True
    )
    is_shared = isinstance(kept, storages.RDBStorage)
    drawn = None if is_shared else seed + len(study.get_trials(deepcopy=False))
    if sampler == "tpe":
        with _without_warnings():
            # Others' running trials count as bad ones, so that they are not repeated.
            study.sampler = optuna.samplers.TPESampler(
                seed=drawn, constant_liar=is_shared
            )
    else:
        study.sampler = optuna.samplers.NSGAIISampler(seed=drawn)
    study.pruner = _PRUNERS[pruner]()
    return study


_PRUNERS: Mapping[str, Callable[[], optuna.pruners.BasePruner]] = {
    spaces.NO_PRUNER: optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def require_same(study: optuna.Study, record: Mapping[str, Any]) -> None:
    """Checks that whoever began a study searches the same; the first one says it.

    Raises:
        UsageError: it is another search.
    """
    if SEARCH not in study.user_attrs:
        study.set_user_attr(SEARCH, dict(record))
    if study.user_attrs[SEARCH] != record:
        raise errors.UsageError(
            f"the study '{study.study_name}' of --storage is another search: give the "
            "same flags and space, or a --workdir of another name"
        )


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


def begin_with(search: Search, candidates: Sequence[Mapping[str, Any]]) -> None:
    """Asks for candidates first, unless the study has begun.

    Args:
        search: that begins.
        candidates: some of the flags' values, each.
    """
    if search.study.get_trials(deepcopy=False):
        return
    for each in candidates:
        search.study.enqueue_trial(dict(each), skip_if_exists=True)


def run(search: Search, count: int) -> None:
    """Trains candidates until so many of the study have ended.

    Args:
        search: that goes on.
        count: of trained candidates, failed and stopped ones among them.

    Raises:
        UsageError: nearly everything is refused, or a cost is unmeasured.
    """
    refused = 0
    while _is_another_wanted(search, count):
        with _without_warnings():
            asked = search.study.ask(_distributions(search.space))
        try:
            with _beating(search, asked):
                values = _tried(search, asked)
            outcome, shown = "trained", ", ".join(f"{value:.5g}" for value in values)
            search.study.tell(asked, values)
        except trials.Failed as error:
            outcome, attribute, state = _OUTCOMES[type(error)]
            shown = str(error)
            asked.set_user_attr(attribute, shown)
            search.study.tell(asked, state=state)
        search.tell(f"{asked.number:5d}  {outcome:7}  {_told(asked.params)}: {shown}")
        refused = refused + 1 if outcome == "refused" else 0
        if refused >= _MOST_REFUSED:
            raise errors.UsageError(
                f"{refused} candidates behind each other were refused, the last "
                f"because of {shown}: is anything in the space within the bounds?"
            )


# Why a candidate has no values -> its word, what keeps the reason, Optuna's state.
_OUTCOMES: Mapping[type[trials.Failed], tuple[str, str, Any]] = {
    trials.Refused: ("refused", REFUSED, State.PRUNED),
    trials.Stopped: ("stopped", STOPPED, State.PRUNED),
    trials.Failed: ("failed", MESSAGE, State.FAIL),
}


def _is_another_wanted(search: Search, count: int) -> bool:
    """Whether a candidate more is to be trained, once that is known.

    While others train the last ones it waits: they may be killed.
    """
    is_told = False
    while True:
        if search.is_shared:
            with _without_warnings():
                storages.fail_stale_trials(search.study)
        left = count - len(ended(search.study))
        running = search.study.get_trials(deepcopy=False, states=(State.RUNNING,))
        if left <= 0 or len(running) < left or not search.is_shared:
            return left > 0
        if not is_told:
            search.tell(f"waiting for {len(running)} candidates of other processes")
            is_told = True
        time.sleep(min(_HEARTBEAT, 5))


@contextlib.contextmanager
def _beating(search: Search, asked: optuna.Trial) -> Iterator[None]:
    """Says every so often that the process of a trial lives, where others may ask."""
    kept, study = search.kept, search.study
    if not isinstance(kept, storages.RDBStorage):
        yield
        return
    of_study = kept.get_study_id_from_name(study.study_name)
    number = kept.get_trial_id_from_study_id_trial_number(of_study, asked.number)
    ends = threading.Event()
    kept.record_heartbeat(number)

    def beat() -> None:
        while not ends.wait(_HEARTBEAT):
            kept.record_heartbeat(number)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def ended(study: optuna.Study) -> list[trial.FrozenTrial]:
    """Trials that were trained, failed and stopped ones among them."""
    every = study.get_trials(deepcopy=False)
    return [
        each
        for each in every
        if each.state is State.COMPLETE
        or (each.state is State.FAIL and MESSAGE in each.user_attrs)
        or (each.state is State.PRUNED and STOPPED in each.user_attrs)
    ]


def _tried(search: Search, asked: optuna.Trial) -> list[float]:
    """Values of the objectives of a candidate."""
    number = asked.user_attrs.get(FOLDER, asked.number)
    folder = trials.place(search.root, number)
    asked.set_user_attr(FOLDER, number)
    try:
        config = spaces.applied(search.base, asked.params, str(folder))
    except errors.PipelineError as error:
        raise trials.Refused(str(error)) from error
    found = search.costs.of(config)
    asked.set_user_attr(COSTS, found)
    earlier = _same(search.study, asked)
    if earlier is not None:
        asked.set_user_attr(SAME, earlier.number)
        return list(earlier.values)
    metric = trials.train(config, _watch(search, asked))
    return [
        metric if each == spaces.METRIC else trials.measured(found, _as_cost(each))
        for each in search.space.objectives
    ]


def _watch(search: Search, asked: optuna.Trial) -> trials.Watch | None:
    """What stops a candidate that lags behind; None where nothing does."""
    if isinstance(search.study.pruner, optuna.pruners.NopPruner):
        return None

    def is_hopeless(epoch: int, value: float) -> bool:
        asked.report(value, epoch)
        return bool(asked.should_prune())

    return trials.Watch(search.costs.metric, is_hopeless)


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
    stopped = [each for each in every if STOPPED in each.user_attrs]
    asked = len(trained) + len(refused) + len(failed) + len(stopped)
    return {
        "objectives": [
            each if isinstance(each, str) else each.title for each in space.objectives
        ],
        "trained": [_candidate(each) for each in trained],
        "front": [each.number for each in study.best_trials],
        "refused": _ended_early(refused, REFUSED),
        "refused_share": len(refused) / asked if asked else 0.0,
        "failed": _ended_early(failed, MESSAGE),
        "stopped": _ended_early(stopped, STOPPED),
        "importance": _importance(study, space, trained),
    }


def _ended_early(some: list[trial.FrozenTrial], attribute: str) -> list[dict[str, Any]]:
    return [
        {"number": x.number, "flags": x.params, "why": x.user_attrs[attribute]}
        for x in some
    ]


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
