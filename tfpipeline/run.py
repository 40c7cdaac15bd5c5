"""Runs a network on a board, over a serial line, and compares every answer.

    tfpipeline run --model=RUN --port=/dev/ttyACM0
    tfpipeline run --model=EXPORT --port=exec:EXPORT/harness/build/pc
    tfpipeline run --model=FILE.tflite --dataset=DATA --port=tcp:127.0.0.1:5555

The board has the firmware of `harness/`, which every export to C and to TensorFlow Lite
Micro has: docs/boards.md. A run is measured on the test examples of its own data;
without data inputs are random.
"""

import contextlib
import dataclasses
import json
import pathlib
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from export.given import Given
from tfpipeline import entry, errors, measured_data, run_folder
from tfpipeline.board import (
    answers,
    kept_results,
    measured,
    measurement,
    messages,
    networks,
    ports,
    session,
    watching,
)
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.cost import estimate
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.simulate import execution
from tfpipeline.targets import catalog
from tfpipeline.tasks import catalog as tasks

_RANDOM = 20
_DATA = measured_data.Data()
# Examples that are named where answers differ.
_NAMED = 4


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[
        str | None,
        Flag("The network that the board runs: a run, an export or a .tflite."),
    ] = None
    port: Annotated[
        str | None,
        Flag(
            "The line: a serial device such as /dev/ttyACM0, tcp:HOST:PORT, or "
            "exec:COMMAND, a program whose standard input and output are the line."
        ),
    ] = None
    baud: Annotated[int, Flag("Of a serial device, 8N1.", low=1)] = ports.BAUD
    limit: Annotated[
        int | None,
        Flag("So many test examples at most; of random inputs there are 20.", low=1),
    ] = None
    random: Annotated[
        bool, Flag("Random inputs, also where the network comes with data.")
    ] = False
    target: Annotated[
        str | None,
        Flag(
            "Beside whose estimate the cycles are set, as estimate has it.",
            choices=catalog.NAMES,
        ),
    ] = None
    measurement: Annotated[
        str | None,
        Flag(
            "With --target: a .json that keeps the cycles, by which estimate "
            "--measurement scales what its models say."
        ),
    ] = None
    records: Annotated[
        str | None,
        Flag(
            "A .jsonl that keeps every answer as it comes; the same command goes on "
            "where it ended."
        ),
    ] = None
    silence: Annotated[
        float,
        Flag("Seconds without an answer after which it gives up.", low=0.1, high=3600),
    ] = session.SILENCE_SECONDS
    watch: Annotated[
        bool, Flag("Show the last input, the answer and the rate in the terminal.")
    ] = False
    output: Annotated[
        str, Flag("How the figures are printed.", choices=("text", "json"))
    ] = "text"
    task: Annotated[
        str,
        Flag(
            "What the network is for; auto: what a run learned, else the task that is "
            "plain from the targets and the end of the network.",
            choices=tasks.NAMES,
        ),
    ] = tasks.AUTO
    seed: Annotated[int, Flag("Of what is drawn.", low=0)] = 0
    data: Annotated[measured_data.Data, Group("data")] = _DATA

    def check(self) -> None:
        """Flags that go with others."""
        if self.measurement is not None and self.target is None:
            raise errors.UsageError("--measurement is of a target: give --target=NAME")


@dataclasses.dataclass(frozen=True, eq=False)
class _Inputs:
    """What goes to the board.

    Attributes:
        title: what they are.
        examples: their numbers in the data.
        integers: for each input of the network `[N, ...]`.
        stored: as the data set has them, to be shown.
        names: of the outputs.
        data: what measures them; None of random ones.
    """

    title: str
    examples: Sequence[int]
    integers: list[graph.Array]
    stored: npt.NDArray[Any]
    names: tuple[str, ...]
    data: measured_data.MeasuredData | None


@dataclasses.dataclass(frozen=True)
class Found:
    """What a board answered.

    Attributes:
        greeting: of the board.
        title: what the inputs were.
        inputs: how many.
        differing: examples whose answer is not the simulated one.
        figures: of the task, on the board; empty without data.
        simulated: the same of the simulated answers.
        shown: figures as text, by title: on the board, and simulated.
        cycles: of the board's counter.
        compared: models of latency beside it.
        traffic: of this command; answers that were kept took none.
        answered: in this command.
        seconds: that it took.
    """

    greeting: messages.Greeting
    title: str
    inputs: int
    differing: tuple[int, ...]
    figures: Mapping[str, float | None]
    simulated: Mapping[str, float | None]
    shown: Mapping[str, tuple[str, str]]
    cycles: measured.Cycles
    compared: tuple[measured.Compared, ...]
    traffic: session.Traffic
    answered: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "board": self.greeting.board,
            "export": self.greeting.export,
            "network": self.greeting.network,
            "digest": self.greeting.digest.hex(),
            "title": self.title,
            "inputs": self.inputs,
            "differing": list(self.differing),
            "figures": dict(self.figures),
            "simulated": dict(self.simulated),
            **measured.to_dict(self.cycles, self.compared),
            "line": {
                **dataclasses.asdict(self.traffic),
                "answers": self.answered,
                "seconds": self.seconds,
            },
        }


def main(command: Command) -> None:
    """Prints what was found; fails where an answer is not the simulated one."""
    found = run(command)
    if command.output == "json":
        print(json.dumps({"model": command.model, **found.to_dict()}, indent=2))
    else:
        print("\n".join(_lines(found)))
    _keep(command, found)
    if command.measurement is not None and command.target is not None:
        kept = measurement.of(
            command.target, found.greeting, found.cycles, list(found.compared)
        )
        measurement.write(command.measurement, kept)
    if found.differing:
        raise errors.VerificationError(
            f"{len(found.differing)} of {found.inputs} answers are not the simulated "
            f"ones: examples {errors.listed(found.differing, _NAMED)}. Is the compiler "
            "right, and the memory of the board?"
        )


def _keep(command: Command, found: Found) -> None:
    """Puts what was found on the page of the run, if it is one that has ended."""
    assert command.model is not None
    folder = run_folder.RunFolder(pathlib.Path(command.model))
    if not run_folder.is_run(folder) or not folder.results_json.exists():
        return
    kept_results.add(folder, found.to_dict())
    # Matplotlib, which a board's answers need not wait for.
    from tfpipeline.report.run_pages import run_page, stored_runs

    run_page.write(folder, stored_runs.results(folder))
    if command.output == "text":
        print(f"page       {folder.report}")


def run(command: Command) -> Found:
    """Sends inputs to a board and compares its answers.

    Raises:
        UsageError: what is missing, or does not go together.
        TargetError: the board has another network, does not answer, or is gone; what it
            has answered is in the records.
        PipelineError: the network or the data cannot be had.
    """
    if not command.model or not command.port:
        raise errors.UsageError(
            "say what and where: --model=RUN_OR_FILE --port=/dev/ttyACM0"
        )
    candidates = networks.candidates(command.model)
    with contextlib.closing(ports.opened(command.port, command.baud)) as port:
        talk = session.Session(port, silence_seconds=command.silence)
        greeting = talk.hello()
        network = networks.of_board(candidates, greeting.digest, greeting.network)
        if not greeting.is_ready:
            raise errors.TargetError(
                "the board could not set its network up: for TensorFlow Lite Micro the "
                "arena may be too small (docs/targets/tflm.md)"
            )
        kept = answers.Answers(command.records, greeting)
        inputs = _inputs(command, network.graph)
        expected = execution.run(network.graph, inputs.integers)
        start = time.monotonic()
        try:
            found, answered = _answered(
                command, talk, greeting, kept, inputs, network.graph, expected
            )
        except (
            ports.LineError,
            session.SilenceError,
            session.OtherInputError,
        ) as error:
            raise errors.TargetError(f"{error}. {_resumption(command)}") from error
        seconds = time.monotonic() - start
    return _found(
        command,
        network.graph,
        greeting,
        inputs,
        expected,
        found,
        talk.traffic,
        answered,
        seconds,
    )


def _resumption(command: Command) -> str:
    if command.records is None:
        return "With --records=FILE.jsonl the same command would go on from here"
    return f"{command.records} keeps the answers: the same command goes on from there"


def _inputs(command: Command, g: graph.Graph) -> _Inputs:
    """Test examples, or random integers where there are no data."""
    assert command.model is not None
    model = networks.source(command.model)
    is_run = run_folder.is_run(run_folder.RunFolder(pathlib.Path(model)))
    if command.random or not (command.data.dataset or is_run):
        return _random(command.limit or _RANDOM, g, command.seed)
    if len(g.inputs) != 1:
        raise errors.UsageError(
            f"data are for networks of one input; this one has {len(g.inputs)}: "
            "--random=true"
        )
    data = measured_data.find(
        Given(model),
        measured_data.Asked(
            command.data, command.task, limit=command.limit, seed=command.seed
        ),
    )
    source = g.tensors[g.inputs[0]]
    assert source.quant is not None
    integers = affine.quantized_float32(
        data.inputs, source.quant.scale[0], source.quant.zero_point[0], source.dtype
    )
    return _Inputs(
        "test examples",
        data.positions.tolist(),
        [integers],
        data.stored,
        data.names,
        data,
    )


def _random(count: int, g: graph.Graph, seed: int) -> _Inputs:
    random = np.random.default_rng(seed)
    drawn = []
    for name in g.inputs:
        tensor = g.tensors[name]
        limits = np.iinfo(tensor.dtype)
        shape = (count, *tensor.shape[1:])
        low, high = limits.min, limits.max
        drawn.append(random.integers(low, high, shape, tensor.dtype, endpoint=True))
    return _Inputs("random inputs", range(count), drawn, drawn[0], (), None)


def _answered(
    command: Command,
    talk: session.Session,
    greeting: messages.Greeting,
    kept: answers.Answers,
    inputs: _Inputs,
    g: graph.Graph,
    expected: Sequence[graph.Array],
) -> tuple[list[answers.Answer], int]:
    """All answers, in the order of the inputs, and how many are new."""
    given = networks.to_bytes(inputs.integers)
    right = networks.to_bytes(list(expected))
    found: list[answers.Answer] = []
    new = 0
    begun = time.monotonic()
    with contextlib.ExitStack() as held:
        # Whatever ends it: Ctrl-C, a cable, a signal.
        held.callback(kept.flush)
        show = None
        if command.watch:
            show = held.enter_context(watching.live(inputs.names, len(given)))
        for place, (example, data) in enumerate(
            zip(inputs.examples, given, strict=True)
        ):
            crc = zlib.crc32(data)
            answer = kept.known(example, crc)
            if answer is None:
                start = time.monotonic()
                said = talk.run(data, greeting.output_bytes)
                answer = answers.Answer(
                    example, crc, said.outputs, said.cycles, time.monotonic() - start
                )
                kept.add(answer)
                new += 1
            found.append(answer)
            if show is not None:
                show(
                    inputs.stored[place],
                    _real(g, [answer.outputs])[0],
                    answer.outputs == right[place],
                    len(found),
                    new / max(time.monotonic() - begun, 1e-9),
                )
    return found, new


def _real(g: graph.Graph, data: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """What answers stand for, all outputs of an input in one row."""
    tensors = [g.tensors[name] for name in g.outputs]
    rows = [
        values if tensor.quant is None else affine.dequantized(values, tensor.quant)
        for tensor, values in zip(
            tensors, networks.to_arrays(data, tensors), strict=True
        )
    ]
    if len(rows) == 1:
        return np.asarray(rows[0], np.float32)
    flat = [np.asarray(row, np.float32).reshape(len(row), -1) for row in rows]
    return np.concatenate(flat, axis=1)


def _found(
    command: Command,
    g: graph.Graph,
    greeting: messages.Greeting,
    inputs: _Inputs,
    expected: Sequence[graph.Array],
    found: Sequence[answers.Answer],
    traffic: session.Traffic,
    answered: int,
    seconds: float,
) -> Found:
    right = networks.to_bytes(list(expected))
    figures: Mapping[str, float | None] = {}
    simulated: Mapping[str, float | None] = {}
    shown: dict[str, tuple[str, str]] = {}
    if inputs.data is not None:
        figures = inputs.data.measure(_real(g, [each.outputs for each in found]))
        simulated = inputs.data.measure(_real(g, right))
        shown = {
            each.title: (each.text(figures[each.name]), each.text(simulated[each.name]))
            for each in inputs.data.kind.figures
        }
    cycles = measured.cycles_of(found, greeting)
    compared: list[measured.Compared] = []
    if command.target is not None:
        [costs] = catalog.estimate_all(g, (command.target,), estimate.Options())
        compared = measured.compared(cycles, costs)
    return Found(
        greeting,
        inputs.title,
        len(found),
        tuple(
            answer.example
            for answer, expected_bytes in zip(found, right, strict=True)
            if answer.outputs != expected_bytes
        ),
        figures,
        simulated,
        shown,
        cycles,
        tuple(compared),
        traffic,
        answered,
        seconds,
    )


def _lines(found: Found) -> Iterator[str]:
    greeting = found.greeting
    yield (
        f"board      {greeting.board}: {greeting.network} "
        f"({networks.shown(greeting.digest)}), exported to {greeting.export}"
    )
    same = found.inputs - len(found.differing)
    yield (
        f"answers    {same} of {found.inputs} {found.title} as simulated, to the last "
        "bit"
    )
    for title, (board, simulated) in found.shown.items():
        yield f"{title:<10} {board} on the board, {simulated} simulated"
    yield from measured.cycle_lines(found.cycles)
    yield from measured.compared_lines(found.compared)
    yield measured.line_text(found.traffic, found.answered, found.seconds)


if __name__ == "__main__":
    entry.start(main, "run", Command(), arguments=("model",))
