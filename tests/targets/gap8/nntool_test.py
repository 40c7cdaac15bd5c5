"""A float .tflite as NNTool 4.1 executes it in 16 bits with power-of-two scales."""

import numpy as np
import pytest

from tests.targets.gap8 import reference_files
from tfpipeline.ir import from_tflite
from tfpipeline.targets.gap8 import fixed_point, lowering, program, simulate

# Steps of NNTool's network, and of ours: the names in its recorded tensors.
_LAYERS = {
    "c1": ("1_model_1c1Conv2D", "2_model_1c1Relumodel_1c1BiasAddm"),
    "c2": ("4_arithconstant1", "5_arithconstant"),
    "StatefulPartitionedCall:0": ("7_arithconstant2", "8_arithconstant3"),
}
_RESULTS = ("3_CONV_2D_0_0_fusion", "6_CONV_2D_0_2_fusion", "9_FULLY_CONNECTED_0_5")


def _q(described, recorded):
    """Fraction bits of a recorded tensor: `Q2.14` has 14."""
    return int(described["qformats"][recorded.split("_", 1)[1]].split(".")[1])


@pytest.fixture
def chain():
    """The network in NNTool's formats, which it chooses by a rule of its own."""
    described, arrays = reference_files.load("nntool_chain")
    path = reference_files.FOLDER / "chain_f32.tflite"
    draft = lowering.lower(from_tflite.read_file(path), 16)
    tensors = {draft.input: program.Tensor(draft.input, draft.input_shape, 14)}
    layers = []
    for step, result in zip(draft.steps, _RESULTS, strict=True):
        weights, bias = _LAYERS[step.name]
        form = fixed_point.Format(
            in_q=tensors[step.inputs[0]].q,
            weight_q=_q(described, weights),
            bias_q=_q(described, bias),
            out_q=_q(described, result),
        )
        tensors[step.output] = program.Tensor(step.output, step.shape, form.out_q)
        layers.append(
            step.kind(
                name=step.name,
                inputs=step.inputs,
                output=step.output,
                weights=fixed_point.quantize(step.weights, form.weight_q, 16),
                bias=fixed_point.quantize(step.bias, form.bias_q, 16),
                format=form,
                **step.fields,
            )
        )
    p = program.Program(
        name="chain",
        num_bits=16,
        tensors=tensors,
        layers=tuple(layers),
        inputs=(draft.input,),
        outputs=draft.outputs,
    )
    return p, arrays


@pytest.mark.real_data
def test_weights_equal_nntool(chain):
    p, arrays = chain
    assert [layer.name for layer in p.layers] == list(_LAYERS)
    for layer in p.layers:
        weights, bias = (arrays[f"pow2/{name}"] for name in _LAYERS[layer.name])
        np.testing.assert_array_equal(layer.weights, weights)
        np.testing.assert_array_equal(layer.bias, bias)


@pytest.mark.real_data
def test_activations_equal_nntool(chain):
    p, arrays = chain
    images = simulate.quantize_images(p, arrays["float_in"])
    np.testing.assert_array_equal(images[0], arrays["pow2/0_input_1"])
    for found in (simulate.outputs(p, images), simulate.outputs_readable(p, images)):
        for layer, name in zip(p.layers, _RESULTS, strict=True):
            expected = arrays[f"pow2/{name}"]
            result = found[layer.output][0].reshape(expected.shape)
            np.testing.assert_array_equal(result, expected)
        expected = arrays["nntool_pow2_out"]
        np.testing.assert_array_equal(found[p.outputs[0]][:, :, 0, 0], expected)
