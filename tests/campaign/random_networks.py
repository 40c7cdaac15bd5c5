"""Random networks through every writer, against what `simulate` says of them.

C is compiled with sanitizers and runs here. TensorFlow Lite Micro runs the file of its
writer; what is written for the MAX78000 is taken apart again, as its own tool is not
here.
"""

import io
import pathlib
import shutil
import tempfile
import traceback

import numpy as np
import yaml

from export.gap8 import files as gap8_files
from export.gap8 import network as gap8_network
from export.gap8 import precisions
from export.max78000 import files as max78000_files
from export.tflite import from_graph
from export.tflm import bundle
from export.tflm import files as tflm_files
from tests.campaign import part
from tests.export.c import compiler, network_test
from tests.export.gap8 import c_network_test, programs
from tests.export.max78000 import random_networks as max78000_networks
from tests.simulate import micro, random_files
from tests.targets.max78000 import placement_check
from tfpipeline import errors
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution
from tfpipeline.targets.gap8 import program, simulate

_IMAGES = 3


def _graph(seed: int) -> object:
    """A network of some layers, or of one operator with odd options."""
    if seed % 3:
        return network_test.random_graph(seed)
    return from_tflite.read(random_files.case(seed).model)


def _c(seed: int, folder: pathlib.Path) -> str:
    g = _graph(seed)
    built = compiler.Program(folder, {"net": g}, *compiler.SANITIZERS)
    inputs = micro.random_inputs(g, _IMAGES, seed)
    for keep in (False, True):
        found = built.run("net", inputs, in_place=keep)
        for one, other in zip(found, execution.run(g, inputs), strict=True):
            np.testing.assert_array_equal(one, other)
    return "bit-exact, sanitized"


def random_program(seed: int) -> program.Program:
    """A program of the GAP8 of any layers."""
    random = np.random.default_rng(seed)
    channels, rows, columns = (int(n) for n in random.integers(1, 10, 3))
    num_bits = int(random.choice([16, 8]))
    net = programs.Builder((channels, rows, columns), num_bits, seed)
    for _ in range(random.integers(1, 7)):
        source = str(random.choice(list(net.tensors)))
        shape = net.tensors[source].shape
        relu = bool(random.integers(2))
        kernel = tuple(int(random.integers(1, min(n, 4) + 1)) for n in shape[1:])
        strides = tuple(int(n) for n in random.integers(1, 3, 2))
        match int(random.integers(6)):
            case 0 | 1:
                pads = tuple((int(n), int(n)) for n in random.integers(0, 2, 2))
                outputs = int(random.integers(1, 8))
                net.conv(
                    outputs, kernel, source, strides=strides, padding=pads, relu=relu
                )
            case 2:
                net.conv(shape[0], kernel, source, groups=shape[0], relu=relu)
            case 3:
                kind = str(random.choice(["max", "average"]))
                net.pool(kind, kernel, strides, source, relu=relu)
            case 4 if shape[0] < 40:
                same = [n for n, t in net.tensors.items() if t.shape[1:] == shape[1:]]
                net.concat(source, str(random.choice(same)))
            case _:
                same = [n for n, t in net.tensors.items() if t.shape == shape]
                net.add(source, str(random.choice(same)), relu=relu)
    if random.integers(2):
        net.linear(int(random.integers(1, 9)))
    return net.build()


def _gap8(seed: int, folder: pathlib.Path) -> str:
    p = random_program(seed)
    images = c_network_test.random_images(p, _IMAGES, seed)
    path = c_network_test.compiled(folder, p, "net", *compiler.SANITIZERS)
    for precision in precisions.possible(p):
        found = c_network_test.run(path, p, images, precision)
        expected = simulate.outputs_readable(p, images, precision)[p.outputs[0]]
        np.testing.assert_array_equal(found, expected)
    # The vendor's generator has limits that portable C has not.
    try:
        assert gap8_files.contents(gap8_network.from_program(p))
    except errors.PipelineError as error:
        _require_line(error)
        return "bit-exact, sanitized; no calls of the generator"
    return "bit-exact, sanitized"


def _require_line(error: errors.PipelineError) -> None:
    told = str(error)
    assert told and "\n" not in told, told[:200]


def _tflm(seed: int, folder: pathlib.Path) -> str:
    g = _graph(seed)
    model = from_graph.to_bytes(g)
    inputs = micro.random_inputs(g, _IMAGES, seed)
    expected = execution.run(from_tflite.read(model), inputs)
    for one, other in zip(
        micro.run(model, inputs, len(g.outputs)), expected, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(execution.run(g, inputs), expected, strict=True):
        np.testing.assert_array_equal(one, other.reshape(one.shape))
    made = bundle.prepare(model, "net")
    assert tflm_files.contents(made)[tflm_files.MODEL_FILE] == made.model
    return "bit-exact in TensorFlow Lite Micro"


def _max78000(seed: int, folder: pathlib.Path) -> str:
    found = max78000_networks.prepare(seed)
    assert placement_check.violations(found.lowered, found.placed) == ()
    max78000_files.write(folder / "files", found, "net")
    written = folder / "files"
    described = yaml.safe_load((written / max78000_files.DESCRIPTION_FILE).read_text())
    assert len(described["layers"]) >= len(found.lowered.layers)
    with np.load(written / max78000_files.KNOWN_ANSWER_FILE) as stored:
        for index, values in enumerate(found.outputs):
            np.testing.assert_array_equal(
                stored[f"layer_{index}"], max78000_files.channels_first(values)
            )
    data = (written / max78000_files.CHECKPOINT_FILE).read_bytes()
    assert len(data) > 0 and io.BytesIO(data).read(2) == b"PK"
    return "placed without a conflict, files whole"


_WRITERS = {"c": _c, "gap8": _gap8, "tflm": _tflm, "max78000": _max78000}


def run(limits: part.Limits, found: part.Findings) -> None:
    """Writes networks of successive numbers by the writers in turn."""
    if shutil.which("gcc") is None:
        found.notes.append("no C was compiled: gcc is not installed")
    with tempfile.TemporaryDirectory() as root:
        while limits.allow(found.counts["networks"]):
            number = found.counts["networks"]
            name = list(_WRITERS)[number % len(_WRITERS)]
            # Successive numbers of one writer: they choose the kinds of layers.
            seed = limits.seed * 1_000_000 + number // len(_WRITERS)
            folder = pathlib.Path(root, str(number))
            folder.mkdir()
            found.counts["networks"] += 1
            try:
                outcome = _WRITERS[name](seed, folder)
            except errors.PipelineError as error:
                outcome = "refused in one line"
                _require_line(error)
            except Exception as error:
                outcome = "faults"
                lines = traceback.format_exception_only(error)
                found.fault(f"{name}: {lines[-1][:300]}", seed=seed)
            found.counts[f"{name}: {outcome}"] += 1
            shutil.rmtree(folder)
