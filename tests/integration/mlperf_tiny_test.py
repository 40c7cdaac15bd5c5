"""The networks of MLPerf Tiny as their authors publish them, through all our readers.

Needs a checkout of github.com/mlcommons/tiny: its folder in TFPIPELINE_MLPERF_TINY.
"""

import os
import pathlib

import numpy as np
import pytest

from tests.cost import recorded_head_test
from tfpipeline.cost import estimate, macs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import estimate as tflm
from tfpipeline.targets.tflm import interpreter

pytestmark = pytest.mark.vendor

# File -> MACs of the benchmark's own tables; parameters counted in its `.tflite`.
INT8 = {
    "pretrainedResnet_quant.tflite": (12_501_632, 77_706),
    "vww_96_int8.tflite": (7_489_664, 210_850),
    "kws_ref_model.tflite": (2_656_768, 22_604),
    "ad01_int8.tflite": (264_192, 265_864),
    "str_ww_ref_model.tflite": (826_368, 46_883),
}
FLOAT = {
    "pretrainedResnet.tflite": "pretrainedResnet_quant.tflite",
    "vww_96_float.tflite": "vww_96_int8.tflite",
    "ad01_fp32.tflite": "ad01_int8.tflite",
}
KERAS = {
    "pretrainedResnet.h5": "pretrainedResnet.tflite",
    "vww_96.h5": "vww_96_float.tflite",
    "ad01.h5": "ad01_fp32.tflite",
}


def _file(name):
    folder = os.environ.get("TFPIPELINE_MLPERF_TINY")
    if not folder:
        pytest.skip("TFPIPELINE_MLPERF_TINY does not name a checkout of mlcommons/tiny")
    found = sorted(pathlib.Path(folder).rglob(name))
    assert found, f"no {name} in {folder}"
    return found[0]


@pytest.mark.parametrize("name", INT8)
def test_counts(name):
    count = macs.graph_count(from_tflite.read_file(_file(name)))
    assert (count.macs, count.parameters) == INT8[name]


@pytest.mark.parametrize("name", INT8)
def test_simulation_equals_tflite_micro(name):
    path = _file(name)
    g, model = from_tflite.read_file(path), path.read_bytes()
    shape = g.tensors[g.inputs[0]].shape[1:]
    images = np.random.default_rng(0).integers(-128, 128, (8, *shape), np.int8)
    expected = interpreter.predict(model, images)
    np.testing.assert_array_equal(execution.predict(g, images), expected)


def test_arenas_are_the_recorded_heads():
    paths = [_file(name) for name in INT8]
    heads = recorded_head_test.recorded_heads([path.read_bytes() for path in paths])
    for path, head in zip(paths, heads, strict=True):
        g = from_tflite.read_file(path)
        memory = tflm.estimate_graph(g, estimate.Options()).memory
        assert memory["arena_greedy_bytes"] == head
        assert memory["arena_planned_bytes"] == memory["arena_bound_bytes"]


@pytest.mark.parametrize("name", FLOAT)
def test_float_files_cost_what_the_int8_files_do(name):
    found, other = (
        macs.graph_count(from_tflite.read_file(_file(n))) for n in (name, FLOAT[name])
    )
    assert found == other


@pytest.mark.parametrize("name", KERAS)
def test_keras_files_cost_what_the_float_files_do(name):
    from tfpipeline.readers import from_keras

    found = from_keras.read_file(_file(name))
    other = from_tflite.read_file(_file(KERAS[name]))
    assert macs.graph_count(found).macs == macs.graph_count(other).macs
    assert _activations(found) == _activations(other)


def _activations(g):
    # Converters of that time kept a reshape before the last layer; today's does not.
    kept = [layer for layer in g.layers if not isinstance(layer, graph.Reshape)]
    return [(layer.kind, g.tensors[layer.output].shape) for layer in kept]
