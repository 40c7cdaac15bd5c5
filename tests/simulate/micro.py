"""TFLite Micro as the tests of kernels run it: in this process, on given integers.

A child for each operator would take a minute; the arenas are far larger than needed.
"""

import dataclasses

import numpy as np
from tflite_micro import runtime

from tfpipeline.ir import from_tflite, tflite_file, tflite_names
from tfpipeline.simulate import execution


def random_images(g, count, seed=0):
    """Integers of the input's whole range, `[count, ...]`."""
    tensor = g.tensors[g.inputs[0]]
    limits = np.iinfo(tensor.dtype)
    random = np.random.default_rng(seed)
    shape = (count, *tensor.shape[1:])
    return random.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype)


def random_inputs(g, count, seed=0):
    """The same for every input."""
    return [
        random_images(dataclasses.replace(g, inputs=(name,)), count, seed + i)
        for i, name in enumerate(g.inputs)
    ]


def run(model, inputs, outputs, arena_bytes=2**21, *, keep=False):
    """For each output what TFLite Micro computes, its state reset for each image.

    With `keep` the state goes on from image to image.
    """
    found = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    results = []
    for image in zip(*inputs, strict=True):
        if not keep:
            found.reset()
        for position, values in enumerate(image):
            found.set_input(values[np.newaxis], position)
        found.invoke()
        results.append([found.get_output(i).copy() for i in range(outputs)])
    return [np.concatenate(values) for values in zip(*results, strict=True)]


def activations(model, image):
    """What TFLite Micro's operators write for one image, by the graph's names."""
    found = runtime.Interpreter.from_bytes(
        model,
        arena_size=2**25,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    found.set_input(image[np.newaxis], 0)
    found.invoke()
    program = tflite_file.parse(model)
    written = {index for operator in program.operators for index in operator.outputs}
    names = tflite_names.tensor_names(program.tensors)
    return {
        names[index]: found.GetTensor(index, 0)["tensor_data"].copy()
        for index in sorted(written)
    }


def predict(model, images, arena_bytes=2**21):
    """The output for each image."""
    found = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    outputs = []
    for image in images:
        found.set_input(image[np.newaxis], 0)
        found.invoke()
        outputs.append(found.get_output(0).copy())
    return np.concatenate(outputs)


def assert_equal_in_every_tensor(model, images, kernels):
    """Checks what every operator of the file writes."""
    g = from_tflite.read(model)
    for image in images:
        expected = activations(model, image)
        found = execution.activations(g, [image[np.newaxis]], kernels)
        assert len(expected) >= len(g.layers) - 1
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
