"""Each constraint at its limit and one step beyond, on each device that has it."""

import dataclasses
import re

import pytest

from tests.targets.max78000 import layer_chains, layer_drafts
from tfpipeline import errors
from tfpipeline.targets.max78000 import constraints, draft, page, violation
from tfpipeline.targets.max78000 import spec as specs

_CONV = draft.Layer(
    kind="Conv2D",
    name="body",
    operator="conv2d",
    operands=("input",),
    output="output",
    in_channels=4,
    in_dim=(8, 8),
    out_channels=4,
    out_dim=(8, 8),
    kernel=(3, 3),
    padding=((1, 1), (1, 1)),
    weights="weights",
)
_LINE = {
    "operator": "conv1d",
    "in_dim": (8, 1),
    "out_dim": (8, 1),
    "kernel": (3, 1),
    "padding": ((1, 1), (0, 0)),
}
_PASS = {
    "operator": "passthrough",
    "kernel": (1, 1),
    "padding": draft.NO_PADDING,
    "weights": None,
}
_LINEAR = _PASS | {"operator": "linear", "in_dim": (1, 1), "out_dim": (1, 1)}
_FLAT = _LINEAR | {"in_dim": (2, 2), "flatten": True}
_TRANSPOSED = {
    "operator": "convtranspose2d",
    "stride": (2, 2),
    "out_dim": (16, 16),
    "padding": ((1, 0), (1, 0)),
}
_BARE = {"padding": draft.NO_PADDING}


def _net(*layers, **fields):
    """A network of these layers."""
    first = layers[0]
    values = {"in_channels": first.in_channels, "in_dim": first.in_dim} | fields
    return draft.Network(name="net", layers=layers, **{"inputs": ("input",), **values})


def _changed(layer=_CONV, **changes):
    """A layer with changes, and the size that they leave."""
    layer = dataclasses.replace(layer, **changes)
    return dataclasses.replace(layer, out_dim=draft.natural_dim(layer))


def _one(**changes):
    """A network of one 3x3 convolution with changes."""
    return _net(_changed(**changes))


def _sum(count=2, **changes):
    """A sum of several tensors."""
    operands = tuple(f"operand {i}" for i in range(count))
    return _one(**{"operands": operands, "eltwise": "add"} | changes)


def _joined(*channels, reader=_CONV, **fields):
    """A concatenation of the outputs of layers with so many channels."""
    layers = tuple(
        dataclasses.replace(
            _CONV, name=f"part{i}", out_channels=count, output=f"part {i}"
        )
        for i, count in enumerate(channels)
    )
    whole = draft.Concatenation(
        name="join",
        output="joined",
        parts=tuple((f"part {i}", count) for i, count in enumerate(channels)),
        **fields,
    )
    reads = dataclasses.replace(
        reader, operands=("joined",), in_channels=whole.channels
    )
    return _net(*layers, reads, concatenations=(whole,))


def _streams(*flags, mode="fifo", **changes):
    layers = tuple(
        _changed(**{"name": f"layer{i}", "streaming": flag} | changes)
        for i, flag in enumerate(flags)
    )
    return _net(*layers, input_mode=mode)


def _swapped():
    """Two tensors joined in both orders."""
    net = _joined(8, 8)
    other = draft.Concatenation(
        name="swap", output="swapped", parts=(("part 1", 8), ("part 0", 8))
    )
    return dataclasses.replace(net, concatenations=(*net.concatenations, other))


def _wide_stream(channels):
    layer = _changed(streaming=True, in_dim=(1024, 1024), in_channels=channels)
    return _net(layer, input_mode="fifo", in_channels=4)


# By id, of a device: a network that keeps the constraint, one that breaks it, and what
# is found in that.
CASES = {
    "KIND-01": lambda s: (_one(), _one(operator="Softmax"), "Softmax"),
    "CONV-01": lambda s: (
        _one(kernel=(1, 1), **_BARE),
        _one(kernel=(5, 5), padding=((2, 2), (2, 2))),
        "5x5",
    ),
    "CONV-02": lambda s: (_one(**_LINE), _one(**_LINE, stride=(2, 1)), "2x1"),
    "CONV-03": lambda s: (
        _one(dilation=(s.max_dilation,) * 2),
        _one(dilation=(s.max_dilation + 1,) * 2),
        f"{s.max_dilation + 1}x{s.max_dilation + 1}",
    ),
    "CONV-04": lambda s: (_one(), _one(groups=4), "4 groups"),
    "CONV-05": lambda s: (_one(groups=4), _one(groups=2), "2 groups, 4 to 4"),
    "PAD-01": lambda s: (
        _one(**_LINE),
        _one(padding=((0, 1), (0, 1))),
        "0 and 1 rows, 0 and 1 columns",
    ),
    "PAD-02": lambda s: (
        _one(padding=((2, 2), (2, 2))),
        _one(kernel=(1, 1)),
        "1 beside 1 taps",
    ),
    "PAD-03": lambda s: (
        _one(**_LINE, in_channels=64),
        _one(**_LINE, in_channels=65),
        "1 of 65 channels",
    ),
    "CONV1D-01": lambda s: (
        _one(**_LINE | {"kernel": (9, 1)}),
        _one(**_LINE | {"kernel": (10, 1)}),
        "10",
    ),
    "CONV1D-02": lambda s: (
        _one(**_LINE | _BARE, dilation=(s.max_dilation_1d, 1)),
        _one(**_LINE, dilation=(5, 1)),
        "3 taps, dilation 5",
    ),
    "TCONV-01": lambda s: (
        _one(**_TRANSPOSED),
        _one(**_TRANSPOSED | {"stride": (3, 3)}),
        "3x3, stride 3x3",
    ),
    "TCONV-02": lambda s: (
        _one(**_TRANSPOSED | {"padding": ((2, 1), (2, 1))}),
        _one(**_TRANSPOSED | {"padding": ((0, 1), (0, 1))}),
        "0 and 1 rows, 0 and 1 columns",
    ),
    "ACT-01": lambda s: (_one(activation="Abs"), _one(activation="relu6"), "relu6"),
    "ACT-02": lambda s: (_one(**_PASS), _one(**_PASS, activation="ReLU"), "ReLU"),
    "CHAN-01": lambda s: (
        _one(in_channels=1024, out_channels=1024),
        _one(out_channels=1025),
        "4 in, 1025 out",
    ),
    "BIAS-01": lambda s: (
        _one(bias="bias", out_channels=min(s.bias_bytes_per_quadrant, s.max_channels)),
        _one(bias="bias", out_channels=s.bias_bytes_per_quadrant + 1),
        f"{s.bias_bytes_per_quadrant + 1}",
    ),
    "BIAS-02": lambda s: (
        _one(bias="bias"),
        _one(bias="bias", bias_bits=32),
        "32 bits",
    ),
    "DIM-01": lambda s: (
        _one(in_dim=(s.max_dim, 1)),
        _one(in_dim=(8, s.max_dim + 1)),
        f"8x{s.max_dim + 1} to 8x{s.max_dim + 1}",
    ),
    "SHAPE-01": lambda s: (
        _one(pool=(3, 1)),
        _net(dataclasses.replace(_CONV, out_dim=(7, 8))),
        "8x8 to 7x8",
    ),
    "WEIGHT-01": lambda s: (_one(weight_bits=1), _one(weight_bits=3), "3"),
    "SHIFT-01": lambda s: (_one(output_shift=-15), _one(output_shift=16), "16"),
    "OUT-01": lambda s: (
        _one(output_width=32),
        _one(output_width=32, activation="ReLU"),
        "32 bits, activation ReLU",
    ),
    "LIN-01": lambda s: (
        _one(**_LINEAR),
        _one(**_LINEAR | {"in_dim": (2, 2)}),
        "2x2 pixels, not flattened",
    ),
    "FLAT-01": lambda s: (
        _one(**_FLAT | {"in_dim": (16, 16)}),
        _one(**_FLAT | {"in_dim": (1, 257)}),
        "257",
    ),
    "FLAT-02": lambda s: (
        _one(**_FLAT | {"in_dim": (16, 16)}, in_channels=64),
        _one(**_FLAT | {"in_dim": (16, 16)}, in_channels=65),
        "16,640",
    ),
    "FLAT-03": lambda s: (
        _one(**_FLAT),
        _one(**_FLAT, pool=(2, 2), pool_stride=(2, 2)),
        "a pool of 2x2",
    ),
    "FLAT-04": lambda s: (
        _one(**_FLAT, in_channels=72),
        _one(**_FLAT, in_channels=70),
        "70 channels, 36 in a pass",
    ),
    "STREAM-01": lambda s: (_wide_stream(64), _wide_stream(65), "2,097,152"),
    "STREAM-02": lambda s: (
        _streams(True),
        _streams(True, bias="bias"),
        "4 biases",
    ),
    "STREAM-03": lambda s: (_streams(True), _streams(True, **_PASS), "passthrough"),
    "FEATURE-01": lambda s: (
        _one(features=s.features),
        _one(features=("read_gap", "warp")),
        "warp" if s.features else "read_gap, warp",
    ),
    "POOL-01": lambda s: (
        _one(pool=(16, 1), pool_stride=(2, 2)),
        _one(pool=(17, 1), in_dim=(32, 32)),
        "17x1",
    ),
    "POOL-02": lambda s: (
        _one(pool_stride=(16, 16)),
        _one(pool_stride=(17, 17)),
        "17x17",
    ),
    "POOL-03": lambda s: (
        _one(**_LINE, pool=(2, 1), pool_stride=(2, 1)),
        _one(pool=(2, 1), pool_stride=(2, 1)),
        "2x1",
    ),
    "POOL-04": lambda s: (
        _one(pool=(2, 2), pool_stride=(2, 2)),
        _one(pool=(3, 3), pool_stride=(2, 2), pool_padding=((0, 1), (0, 1))),
        "0 and 1 rows, 0 and 1 columns",
    ),
    "POOL-05": lambda s: (
        _one(pool=(2, 2), pool_dilation=(s.max_pool_dilation,) * 2),
        _one(pool=(2, 2), pool_dilation=(s.max_pool_dilation + 1, 1)),
        f"{s.max_pool_dilation + 1}x1",
    ),
    "POOL-06": lambda s: (
        _one(**_PASS, pool=(8, 8), in_channels=65, out_channels=65),
        _one(**_PASS, pool=(7, 7), in_channels=65, out_channels=65),
        "65 channels, 2x2 behind the pool",
    ),
    "PASS-01": lambda s: (_one(**_PASS), _one(**_PASS, out_channels=8), "4 to 8"),
    "NORM-01": lambda s: (
        _one(**_PASS),
        _one(**_PASS, scales="activation"),
        "one behind something else",
    ),
    "NORM-02": lambda s: (
        _one(**_PASS),
        _one(**_PASS, scales="input"),
        "a layer that scales it",
    ),
    "ELT-01": lambda s: (_sum(eltwise="xor"), _sum(eltwise="mul"), "mul"),
    "ELT-02": lambda s: (_sum(16), _sum(17), "17"),
    "ELT-03": lambda s: (
        _sum(),
        _sum(broadcasts=True),
        "a constant or another shape",
    ),
    "ELT-04": lambda s: (
        _sum(2, in_channels=128),
        _sum(3, in_channels=65),
        "65 channels",
    ),
    "ELT-05": lambda s: (
        _sum(2, pool=(2, 2), pool_first=False),
        _sum(3, pool=(2, 2), pool_first=False),
        "3",
    ),
    "ELT-06": lambda s: (
        _sum(in_channels=65),
        _sum(in_channels=8, bias="bias"),
        "a bias",
    ),
    "CONCAT-01": lambda s: (_joined(8, 8), _joined(3, 3), "parts of 3, 3"),
    "CONCAT-02": lambda s: (
        _joined(64, 64),
        _joined(96, 32),
        "parts of 96, 32, 64 in a pass",
    ),
    "CONCAT-03": lambda s: (
        _joined(8, 8),
        _joined(8, 8, along=draft.ANOTHER_AXIS),
        "another axis",
    ),
    "CONCAT-04": lambda s: (_joined(8, 8), _swapped(), "several"),
    "CONCAT-05": lambda s: (_joined(8, 8), _joined(8, 4), "parts of 8, 4"),
    "NET-01": lambda s: (_one(), _net(_CONV, inputs=("input", "b")), "input, b"),
    "NET-02": lambda s: (
        _net(*[_CONV] * s.max_layers),
        _net(*[_CONV] * (s.max_layers + 1)),
        f"{s.max_layers + 1}",
    ),
    "NET-03": lambda s: (
        _net(_CONV, maps={"input": 0xF << 16, "output": 0xF}),
        _net(_CONV, maps={"input": 0xF << 16, "output": 0xF << 32}),
        "processors 0x0000000f000f0000",
    ),
    "FIFO-01": lambda s: (
        _net(_CONV, input_mode="fifo", in_channels=16),
        _net(_CONV, input_mode="fifo", in_channels=5, input_format="CHW"),
        "5 in CHW",
    ),
    "FIFO-02": lambda s: (
        _net(_CONV, input_mode="fast_fifo", in_channels=4),
        _net(_CONV, input_mode="fast_fifo", in_channels=5),
        "5 in HWC",
    ),
    "STREAM-04": lambda s: (
        _streams(True),
        _streams(True, mode="memory"),
        "input in the data memory",
    ),
    "STREAM-05": lambda s: (
        _streams(True, True, False),
        _streams(True, False, True),
        "layers 0, 2",
    ),
    "STREAM-06": lambda s: (_streams(True), _streams(True, **_BARE), "no padding"),
}

_PAIRS = [
    pytest.param(constraint, spec, id=f"{spec.name}-{constraint.id}")
    for constraint in constraints.CONSTRAINTS
    for spec in specs.SPECS.values()
    if spec.name in constraint.devices
]


def _ids(net, spec):
    return [each.id for each in constraints.check(net, spec)]


def test_every_constraint_has_its_cases_and_a_name_of_its_own():
    ids = [constraint.id for constraint in constraints.CONSTRAINTS]
    assert sorted(ids) == sorted(CASES)
    assert all(re.fullmatch(r"[A-Z0-9]+-\d\d", name) for name in ids)


@pytest.mark.parametrize(("constraint", "spec"), _PAIRS)
def test_at_the_limit_and_beyond(constraint, spec):
    keeping, breaking, found = CASES[constraint.id](spec)
    name = f"{spec.name.upper()}-{constraint.id}"
    assert _ids(keeping, spec) == []
    violations = [each for each in constraints.check(breaking, spec) if each.id == name]
    assert [each.found for each in violations[:1]] == [found]
    subject, rule = violations[0].subject, constraint.sentence(spec)
    assert str(violations[0]) == (
        f"{subject}: {rule}; found {found} [{name}]; {constraint.fix}"
    )
    assert "{" not in str(violations[0])


def test_constraints_of_one_device_leave_the_other_alone():
    for constraint in constraints.CONSTRAINTS:
        for spec in specs.SPECS.values():
            if spec.name not in constraint.devices:
                own = specs.SPECS[constraint.devices[0]]
                _, breaking, _ = CASES[constraint.id](own)
                assert not any(
                    name.endswith(constraint.id) for name in _ids(breaking, spec)
                )


def test_all_violations_of_all_layers_at_once():
    bad = _changed(kernel=(7, 7), stride=(2, 2), activation="tanh")
    net = _net(bad, dataclasses.replace(bad, name="tail", weight_bits=5))
    found = [(each.subject, each.id) for each in constraints.check(net, specs.MAX78000)]
    assert found == [
        (subject, f"MAX78000-{name}")
        for name in ("CONV-01", "CONV-02", "ACT-01")
        for subject in ("Conv2D 'body'", "Conv2D 'tail'")
    ] + [("Conv2D 'tail'", "MAX78000-WEIGHT-01")]


def test_fast_fifo_wants_a_first_layer_with_weights():
    net = _net(dataclasses.replace(_CONV, **_PASS), input_mode="fast_fifo")
    (found,) = constraints.check(net, specs.MAX78000)
    assert (found.id, found.found) == ("MAX78000-FIFO-02", "passthrough, 8 bits")


def test_pool_in_a_convolution_is_named_by_its_own_layer():
    net = _one(pool=(20, 20), in_dim=(40, 40), pool_layer="MaxPool 'pool'")
    (found,) = constraints.check(net, specs.MAX78000)
    assert found.subject == "MaxPool 'pool'"


def test_layers_by_hand_are_judged_by_the_same_table():
    steps = [
        layer_chains.conv2d(4),
        layer_chains.pooling((2, 2)),
        layer_chains.conv2d(8, size=5),
    ]
    layers = layer_chains.chain(4, (32, 32), steps)
    found = layer_drafts.check(layers, specs.MAX78000)
    assert [(each.id, each.subject) for each in found] == [
        ("MAX78000-CONV-01", "conv2d 'layer 2'")
    ]
    transposed = layer_chains.chain(4, (8, 8), [layer_chains.conv_transpose2d(4)])
    for pad in range(4):
        layer = dataclasses.replace(transposed[0], pad=(pad, pad))
        is_fine = not layer_drafts.check([layer], specs.MAX78000)
        assert is_fine == (pad < 3)
    assert layer_drafts.check([], specs.MAX78000) == ()


def test_violation_reads_as_one_line():
    line = violation.Violation("A-01", "Conv2D 'a'", "must be b", "c", "do d")
    assert str(line) == "Conv2D 'a': must be b; found c [A-01]; do d"


def test_page_lists_the_table_as_it_is():
    with open("docs/targets/max78000.md", encoding="utf-8") as file:
        text = file.read()
    assert page.replace_table(text) == text, "make it anew as page.py says"


def test_page_without_markers_is_refused():
    for text in ("", page.BEGIN, page.END + page.BEGIN, (page.BEGIN + page.END) * 2):
        with pytest.raises(errors.UsageError, match="the page must hold the lines"):
            page.replace_table(text)
