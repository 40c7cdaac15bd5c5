"""A candidate: what it costs before it is trained, and its training in a process."""

import dataclasses
import logging
import multiprocessing
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tfpipeline import atomic_files, errors, run_folder
from tfpipeline.configs.run import Run
from tfpipeline.report import costs as cost_tables
from tfpipeline.report.findings import comparison, estimating
from tfpipeline.search import space as spaces
from tfpipeline.tasks import catalog as tasks
from tfpipeline.untrusted import content, json_values


class Failed(errors.PipelineError):
    """A trial that ended without figures; the message says why."""


class Refused(Failed):
    """A candidate that is not trained: it does not fit, or breaks a constraint."""


class Stopped(Failed):
    """A candidate that lagged behind others; the message says when."""


@dataclasses.dataclass(frozen=True)
class Watch:
    """Who looks at a training while it goes on.

    Attributes:
        metric: name of the figure in metrics.jsonl.
        is_hopeless: (epoch of all stages from 1, the figure of validation) -> whether
            to stop.
    """

    metric: str
    is_hopeless: Callable[[int, float], bool]


# Seconds between looks at a training.
_LOOK_SECONDS = 1.0


class Costs:
    """What candidates cost; the data set is read once."""

    def __init__(self, base: Run, space: spaces.Space) -> None:
        # TensorFlow: seconds that a wrong command line need not wait for.
        from tfpipeline.jobs import candidates

        self._graphs = candidates.Graphs(base)
        self._space = space

    @property
    def is_better_higher(self) -> bool:
        """Whether a higher value of the most telling figure is the better one."""
        return self._graphs.figure.is_better_higher

    @property
    def metric(self) -> str:
        """Name of the most telling figure of validation in metrics.jsonl."""
        return f"val_{self._graphs.figure.name}"

    def layers_with_weights(self, config: Run) -> list[str]:
        """Names of those of a run's network.

        Raises:
            PipelineError: it cannot be built, or not be read as a graph.
        """
        return self._graphs.layers_with_weights(config)

    def of(self, config: Run) -> dict[str, Mapping[str, float | None]]:
        """Target -> costs of a candidate in its first number format.

        Raises:
            Refused: it cannot be built, does not fit, or breaks a constraint.
        """
        if not self._space.targets:
            return {}
        name = config.quantization.number_formats[0].name
        try:
            g = self._graphs.of(config)
            widths = config.quantization.given_policy
            estimates = estimating.of_format(
                g,
                name,
                widths.weight_bits,
                self._space.targets,
                layer_bits=widths.overrides,
            )
        except errors.PipelineError as error:
            raise Refused(str(error)) from error
        records = cost_tables.to_dict(config.network.name, estimates)["targets"]
        missing = [x for x in self._space.targets if x not in records]
        if missing:
            raise errors.UsageError(f"{name} does not run on {', '.join(missing)}")
        for target, record in records.items():
            if record["violations"]:
                raise Refused(f"{target}: {record['violations'][0]}")
        found: dict[str, Mapping[str, float | None]] = {
            name: comparison.costs(each) for name, each in records.items()
        }
        for bound in self._space.constraints:
            value = measured(found, bound.of)
            if value > bound.most:
                raise Refused(f"{bound.of.title}: {value:.4g}, above {bound.most:g}")
        return found


def measured(found: Mapping[str, Mapping[str, float | None]], of: spaces.Cost) -> float:
    """A cost of `Costs.of`.

    Raises:
        UsageError: nobody knows it.
    """
    value = found[of.target][of.cost]
    if value is None:
        raise errors.UsageError(f"{of.title} is unmeasured: no search can go by it")
    return value


def train(config: Run, watch: Watch | None = None) -> float:
    """Trains a candidate in a process of its own, or resumes it.

    Args:
        config: of the candidate, with its folder.
        watch: is asked behind each epoch.

    Returns:
        The most telling figure of the validation split, of the deployed form.

    Raises:
        Stopped: `watch` gave it up.
        Failed: the training ended with an error, or was killed.
    """
    folder = run_folder.of(config.workdir)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(config, theirs))
    child.start()
    theirs.close()
    message, seen = None, 0
    try:
        while not ours.poll(_LOOK_SECONDS):
            if watch is not None:
                seen = _looked(folder.metrics, seen, watch)
        message = ours.recv()
    except EOFError:
        # Killed before it could say anything.
        pass
    finally:
        if message is None and child.is_alive():
            child.terminate()
        child.join()
    if message is None:
        raise Failed(f"its process ended with code {child.exitcode}")
    if message:
        raise Failed(message)
    return figure(atomic_files.read_json(folder.results_json))[1]


def _looked(path: pathlib.Path, seen: int, watch: Watch) -> int:
    """How many epochs were looked at.

    Raises:
        Stopped: behind the last of them.
    """
    if not path.exists():
        return seen
    # A line that has no end yet is being written.
    records = content.read_text(path).rpartition("\n")[0].splitlines()
    for epoch, line in enumerate(records[seen:], start=seen + 1):
        value = json_values.parse(line, str(path)).get(watch.metric)
        if value is not None and watch.is_hopeless(epoch, float(value)):
            raise Stopped(f"behind epoch {epoch}, at {float(value):.5g}")
    return len(records)


def figure(results: Mapping[str, Any]) -> tuple[Any, float]:
    """The most telling figure of validation, and its value, of the deployed form.

    Raises:
        Failed: none was measured.
    """
    kind = tasks.named(results.get("task", tasks.DEFAULT_RECORD)["name"])
    form = results["findings"]["answers"]["deployed"]
    [row] = [each for each in results["accuracy"] if each["network"] == form]
    for each in kind.figures:
        value = row.get(f"validation_{each.name}")
        if value is not None:
            return each, float(value)
    raise Failed("no figure of the validation split was measured")


def _work(config: Run, pipe: Any) -> None:
    """In the child: trains, and says why it failed; nothing where it did not."""
    # A line a candidate is enough; what libraries say would stand between them.
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        from tfpipeline import train as command

        command.run(config)
        pipe.send("")
    except errors.PipelineError as error:
        pipe.send(str(error))
    except Exception as error:
        pipe.send(f"unexpected {type(error).__name__}: {error}")


def place(root: pathlib.Path, number: int) -> pathlib.Path:
    """The folder of a trial."""
    return root / "trials" / f"{number:05d}"
