"""NNTool takes our script as it is, and computes what our simulation does.

It chooses formats by its own rule; the program that is compared has those.
"""

import dataclasses

import numpy as np
import pytest

from export.gap8 import files, generator_calls, network
from tests import graph_builder
from tests.export.gap8 import nntool
from tests.targets.gap8 import networks, reference_files
from tfpipeline.ir import from_tflite, graph
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import fixed_point, lowering, program, simulate

_MISSING = nntool.missing()
pytestmark = [
    pytest.mark.vendor,
    pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING)),
]


def trained(net, seed=0):
    """The graph with random weights, each kernel's about as large as its sums allow."""
    random = np.random.default_rng(seed)
    g = net.build() if isinstance(net, graph_builder.Builder) else net
    constants = {
        name: (
            random.normal(0, 1 / np.sqrt(max(1, values[0].size)), values.shape)
        ).astype(np.float32)
        for name, values in g.constants.items()
    }
    return dataclasses.replace(g, constants=constants)


def fire():
    net = graph_builder.Builder((33, 33, 1), "fire")
    net.conv(3, 1, relu=False)
    net.conv(8, 3, stride=2, padding="valid")
    net.pool(3, stride=2)
    networks.fire(net, 4, 6, False)
    networks.fire(net, 4, 8, True)
    net.conv(10, 1)
    return trained(net)


def strided():
    """Color, padding that is odd, a depthwise convolution, a pool of its own."""
    net = graph_builder.Builder((24, 20, 3), "strided")
    net.conv(8, 3, stride=2)
    net.depthwise(3)
    net.conv(12, 1)
    net.conv(12, 5, stride=2)
    net.pool(3, stride=2)
    net.flatten()
    net.dense(6)
    return trained(net, 1)


def averaged():
    net = graph_builder.Builder((18, 18, 1), "averaged")
    net.conv(4, 3)
    net.mean()
    return trained(net, 3)


def images_of(g, count=8):
    shape = g.tensors[g.inputs[0]].shape[1:]
    random = np.random.default_rng(5)
    return random.uniform(-1, 127 / 128, (count, *shape)).astype(np.float32)


def in_formats_of(g, result):
    """The program with the fraction bits of the tool's calls, and its steps in order.

    Where a layer reads fewer fraction bits than are written, the tool converts; here it
    is a concatenation of one part.
    """
    draft = lowering.lower(g, 16)
    calls = {call.step: call for call in result.calls}
    converted = [n for n in calls if calls[n].generator == "CNN_Convert"]
    copied = [n for n in calls if calls[n].generator == "CNN_Copy"]
    order = sorted({*calls, *result.stacks} - {*copied})
    assert len(order) == len(draft.steps) + len(converted)
    first = calls[order[0]].arguments[4]
    tensors = {draft.input: program.Tensor(draft.input, draft.input_shape, first)}
    names = {draft.input: draft.input}
    layers = []
    steps = iter(draft.steps)
    for number in order:
        if number in converted:
            following = calls[min(n for n in calls if n > number)].arguments[4]
            layers.append(conversion(tensors, layers[-1].output, following))
            names[layers[-1].inputs[0]] = layers[-1].output
            continue
        step = next(steps)
        inputs = tuple(names[name] for name in step.inputs)
        names[step.output] = step.output
        fields = {**step.fields, "inputs": inputs, "output": step.output}
        out_q = tensors[inputs[0]].q
        if step.weights is not None:
            form = fixed_point.Format(*calls[number].arguments[4:8])
            out_q = form.out_q
            fields |= {
                "format": form,
                "weights": fixed_point.quantize(step.weights, form.weight_q, 16),
                "bias": fixed_point.quantize(step.bias, form.bias_q, 16),
            }
        elif issubclass(step.kind, program.Joined):
            fields["norms"] = (0,) * len(inputs)
        layers.append(step.kind(name=step.name, **fields))
        tensors[step.output] = program.Tensor(step.output, step.shape, out_q)
    p = program.Program(
        name=draft.name,
        num_bits=16,
        tensors=tensors,
        layers=tuple(layers),
        inputs=(draft.input,),
        outputs=draft.outputs,
    )
    return p, order


def conversion(tensors, source, q):
    """A shift of `source` to `q` fraction bits."""
    tensor = tensors[source]
    name = f"{source}/converted"
    tensors[name] = program.Tensor(name, tensor.shape, q)
    return program.Concat(
        name=name, inputs=(source,), output=name, norms=(tensor.q - q,)
    )


def run(g, images, tmp_path):
    found = network.from_float(g, images)
    files.write(tmp_path / "out", found)
    image = images[0].transpose(2, 0, 1)
    return nntool.run(tmp_path / "out", found.name, image, tmp_path)


@pytest.mark.parametrize("build", [fire, strided], ids=lambda build: build.__name__)
def test_integers_and_calls_equal_ours(build, tmp_path):
    check_equal(build(), images_of(build()), tmp_path)


@pytest.mark.real_data
def test_chain_equals_ours(tmp_path):
    path = reference_files.FOLDER / "chain_f32.tflite"
    _, arrays = reference_files.load("nntool_chain")
    check_equal(from_tflite.read_file(path), arrays["calib"], tmp_path)


def check_equal(g, images, tmp_path):
    result = run(g, images, tmp_path)
    p, order = in_formats_of(g, result)
    integers = simulate.quantize_images(p, images[:1])
    expected = simulate.outputs(p, integers, simulate.DOUBLE)
    np.testing.assert_array_equal(result.outputs[0], expected[p.input.name][0])
    for number, layer in zip(order, p.layers, strict=True):
        ours = expected[layer.output][0]
        theirs = result.outputs[number]
        assert ours.any()
        np.testing.assert_array_equal(theirs.reshape(ours.shape), ours, layer.name)
    if any(any(getattr(layer, "norms", ())) for layer in p.layers):
        return  # We write no calls for a conversion.
    ours = generator_calls.make(p).calls
    assert len(ours) == len(result.calls)
    for call, theirs in zip(ours, result.calls, strict=True):
        assert call.generator == theirs.generator
        assert tuple(call.arguments.values()) == theirs.arguments
        assert (call.pad_type is None) == (theirs.control == "0")
        if call.pad_type is not None:
            assert f'"PADTYPE", AT_OPT_VAL({call.pad_type})' in result.model


def test_the_tools_average_over_the_plane_is_another(tmp_path):
    """It calls CNN_GlobalPool, and its own execution of that overflows 16 bits."""
    g = averaged()
    result = run(g, images_of(g), tmp_path)
    assert [call.generator for call in result.calls][1:] == ["CNN_GlobalPool"]
    before, after = (result.outputs[call.step] for call in result.calls)
    in_q, out_q = result.calls[1].arguments[2:4]
    exact = before.reshape(len(before), -1).mean(axis=1) * 2.0 ** (out_q - in_q)
    differs = np.abs(after.ravel() - exact) > 2
    assert differs.any() and not differs.all()


def test_the_descriptor_network_equals_ours(tmp_path):
    """All 26 convolutions, with random weights; without the average at the end."""
    g = catalog.load("reid_squeezenet")
    *layers, mean = g.layers
    assert isinstance(mean, graph.Mean)
    tensors = {name: g.tensors[name] for name in g.tensors if name != mean.output}
    shell = {"tensors": tensors, "layers": tuple(layers), "outputs": mean.inputs}
    g = dataclasses.replace(g, **shell)
    g = trained(g, 4)
    check_equal(g, images_of(g, 2), tmp_path)
