"""How far a layer that writes over its input must stay behind, told by every pixel."""

import dataclasses

import pytest

from tests.targets.max78000 import placement_check
from tfpipeline.targets.max78000 import accelerator_layer, overlap
from tfpipeline.targets.max78000 import spec as specs

_PLAIN = accelerator_layer.AcceleratorLayer(
    operator="conv2d",
    in_channels=8,
    in_dim=(9, 7),
    out_channels=8,
    processors=0xFF,
    output_processors=0xFF,
)
_LAYERS = {
    "pixels": _PLAIN,
    "padded": dataclasses.replace(_PLAIN, kernel=(3, 3), pad=(1, 1)),
    "valid": dataclasses.replace(_PLAIN, kernel=(3, 3)),
    "pooled": dataclasses.replace(
        _PLAIN, kernel=(3, 3), pad=(1, 1), pool=(2, 2), pool_stride=(2, 2)
    ),
    "steps": dataclasses.replace(_PLAIN, pool_stride=(3, 3)),
    "wider": dataclasses.replace(_PLAIN, out_channels=130),
    "narrower": dataclasses.replace(_PLAIN, in_channels=130),
    "line": dataclasses.replace(
        _PLAIN, operator="conv1d", in_dim=(20, 1), kernel=(3, 1), pad=(1, 0)
    ),
}


@pytest.mark.parametrize("name", _LAYERS)
def test_nothing_is_overwritten_before_its_last_use(name):
    layer = _LAYERS[name]
    assert overlap.is_possible(layer)
    margin = overlap.margin_words(layer, specs.MAX78000)
    inputs, outputs = -(-layer.in_channels // 64), -(-layer.out_channels // 64)
    lasts = placement_check.last_uses(layer)
    for output in range(layer.out_dim[0] * layer.out_dim[1]):
        for word in range(outputs):
            pixel, _ = divmod(output * outputs + word - margin, inputs)
            assert not 0 <= pixel < len(lasts) or lasts[pixel] < output


def test_a_padded_layer_stays_behind_by_a_row_and_more():
    assert overlap.margin_words(_LAYERS["pixels"], specs.MAX78000) == 1
    assert overlap.margin_words(_LAYERS["padded"], specs.MAX78000) == 7 + 2


def test_layers_of_several_operands_or_flattened_ones_do_not():
    added = dataclasses.replace(_PLAIN, operands=2, eltwise="add")
    assert not overlap.is_possible(added)
    linear = {"operator": "linear", "flatten": True}
    assert not overlap.is_possible(dataclasses.replace(_PLAIN, **linear))
