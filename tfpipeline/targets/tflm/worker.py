"""The child process of `pool.py`: runs one task on one network, without TensorFlow.

`main(FOLDER)` reads `request.json`, `model.tflite` and `arrays.npz` there, and leaves
`values.json` and `results.npz`. What the tasks need is imported at the top, once for
all jobs.
"""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import interpreter as litert
from tflite_micro import runtime

from tfpipeline.ir import from_tflite, tflite_file
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import detach, ports

Arrays = Mapping[str, npt.NDArray[Any]]
Result = tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]


def tflm_predict(model: bytes, arrays: Arrays, options: Mapping[str, Any]) -> Result:
    """Runs images through TFLite Micro in an arena of the given size.

    Each image is the first one: what lasts from run to run is as at the start.

    The option `report` prints the recorded allocations to stderr, where C++ writes.
    """
    interpreter = _micro(model, options["arena_bytes"], preserve=False)
    is_stateful = _is_stateful(model)
    outputs = []
    for image in zip(*ports.listed(ports.INPUT, arrays), strict=True):
        if is_stateful:
            interpreter.reset()
        for position, values in enumerate(image):
            interpreter.set_input(values[np.newaxis], position)
        interpreter.invoke()
        outputs.append(
            [interpreter.get_output(i)[0].copy() for i in range(options["outputs"])]
        )
    if options.get("report"):
        interpreter.print_allocations()
    return ports.named(ports.OUTPUT, _stacked(outputs)), {}


def tflite_predict(model: bytes, arrays: Arrays, options: Mapping[str, Any]) -> Result:
    """Runs images through TFLite, one at a time.

    A batch of one needs no resize, which a network with a constant RESHAPE would not
    survive, and is as fast as one of a hundred (cmsisnet by XNNPACK on one thread:
    1,754 to 1,973 against 1,810 to 1,908 images a second of processor time).
    """
    interpreter = _lite(model, options["kernels"])
    sources = [each["index"] for each in interpreter.get_input_details()]
    targets = [each["index"] for each in interpreter.get_output_details()]
    is_stateful = _is_stateful(model)
    outputs = []
    for image in zip(*ports.listed(ports.INPUT, arrays), strict=True):
        if is_stateful:
            interpreter.reset_all_variables()
        for source, values in zip(sources, image, strict=True):
            interpreter.set_tensor(source, values[np.newaxis])
        interpreter.invoke()
        outputs.append([interpreter.get_tensor(target)[0] for target in targets])
    return ports.named(ports.OUTPUT, _stacked(outputs)), {}


def _stacked(outputs: list[list[npt.NDArray[Any]]]) -> ports.Arrays:
    """Of lists of an image's outputs, the arrays of each output."""
    return tuple(np.stack(values) for values in zip(*outputs, strict=True))


def _is_stateful(model: bytes) -> bool:
    return any(tensor.is_variable for tensor in tflite_file.parse(model).tensors)


def simulate(model: bytes, arrays: Arrays, options: Mapping[str, Any]) -> Result:
    """Runs images through our own kernels, without an interpreter."""
    del options
    g = from_tflite.read(model)
    outputs = execution.run(g, ports.listed(ports.INPUT, arrays))
    return ports.named(ports.OUTPUT, outputs), {}


def compare_operators(
    model: bytes, arrays: Arrays, options: Mapping[str, Any]
) -> Result:
    """Compares each operator of TFLite's reference with TFLite Micro's, on its own.

    TFLite Micro records all tensors; each reference operator then reads what TFLite
    Micro's operator read. Returns, an operator result: how many elements were compared,
    how many differ and by how much at most.
    """
    detached, forced, produced = detach.detach(model)
    micro = _micro(model, options["arena_bytes"], preserve=True)
    reference = _lite(detached, "reference")
    sources = [detail["index"] for detail in reference.get_input_details()]
    targets = [detail["index"] for detail in reference.get_output_details()]
    elements = np.zeros(len(produced), np.int64)
    differing = np.zeros(len(produced), np.int64)
    largest = np.zeros(len(produced), np.int64)
    for image in zip(*ports.listed(ports.INPUT, arrays), strict=True):
        for position, values in enumerate(image):
            micro.set_input(values[np.newaxis], position)
        micro.invoke()
        for source, tensor in zip(sources, forced, strict=True):
            reference.set_tensor(source, micro.GetTensor(tensor, 0)["tensor_data"])
        reference.invoke()
        for row, (target, tensor) in enumerate(zip(targets, produced, strict=True)):
            expected = micro.GetTensor(tensor, 0)["tensor_data"].astype(np.int64)
            error = np.abs(reference.get_tensor(target) - expected)
            elements[row] += error.size
            differing[row] += np.count_nonzero(error)
            largest[row] = max(largest[row], error.max(initial=0))
    return {
        "tensors": np.array(produced, np.int64),
        "elements": elements,
        "differing": differing,
        "largest": largest,
    }, {}


Task = Callable[[bytes, Arrays, Mapping[str, Any]], Result]
TASKS: dict[str, Task] = {
    "tflm_predict": tflm_predict,
    "tflite_predict": tflite_predict,
    "compare_operators": compare_operators,
    "simulate": simulate,
}


def main(folder: pathlib.Path) -> None:
    """Runs the request that stands in `folder`."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        inputs = {name: stored[name] for name in stored.files}
    model = (folder / "model.tflite").read_bytes()
    arrays, values = TASKS[request["task"]](model, inputs, request["options"])
    (folder / "values.json").write_text(json.dumps(values), encoding="utf-8")
    results: dict[str, Any] = arrays
    np.savez(folder / "results.npz", **results)


def _micro(model: bytes, arena_bytes: int, *, preserve: bool) -> Any:
    configuration = runtime.InterpreterConfig
    return runtime.Interpreter.from_bytes(
        model,
        arena_size=arena_bytes,
        intrepreter_config=(
            configuration.kPreserveAllTensors
            if preserve
            else configuration.kAllocationRecording
        ),
    )


def _lite(model: bytes, kernels: str) -> Any:
    resolver = litert.OpResolverType
    interpreter = litert.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=(
            resolver.BUILTIN_REF if kernels == "reference" else resolver.AUTO
        ),
    )
    interpreter.allocate_tensors()
    return interpreter
