"""Where operators go: all are somewhere, and those of the CPU stay as they were."""

import math

import pytest

from tests.targets.ethosu import compiled_networks as networks
from tfpipeline import errors
from tfpipeline.ir import from_tflite, tflite_file
from tfpipeline.targets.ethosu import placement, spec, vela

pytestmark = networks.NEEDS_VELA

# What may be a part of another operator: it computes nothing.
_MOVED = {"PAD", "RESHAPE", "CONCATENATION"}
_FILES = sorted(
    f"{path.parent.name}/{path.stem}"
    for folder in ("tflite_int8", "mlperf_int8", "tflite_int16")
    for path in (networks.GOLDEN / folder).glob("*.tflite")
)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", _FILES)
def test_no_operator_is_lost_and_no_cycle(name):
    found = networks.placed(name)
    assert [each.operator for each in found.operators] == list(found.program.operators)
    assert {each.operator.name for each in found.merged} <= _MOVED
    assert not found.on_cpu
    assert sum(each.cycles for each in found.operators) == found.compiled.cycles
    compiled = tflite_file.parse(found.compiled.model)
    assert [each.name for each in compiled.operators] == ["CUSTOM 'ethos-u'"]


def test_what_the_npu_cannot_is_left_and_named_with_the_reason():
    found = networks.placed("refused")
    [left] = found.on_cpu
    assert left.operator.name == "DEPTHWISE_CONV_2D"
    assert left.reason == (
        "Unsupported kernel stride: 4, 4; Kernel stride must be in the range (1,3)."
    )
    compiled = tflite_file.parse(found.compiled.model)
    assert [each.name for each in compiled.operators] == [
        placement.CUSTOM,
        "DEPTHWISE_CONV_2D",
        placement.CUSTOM,
    ]
    kept, before = (
        program.tensors[program.operators[1].inputs[1]]
        for program in (compiled, found.program)
    )
    assert bytes(kept.data) == bytes(before.data)
    assert sum(each.cycles for each in found.operators) == found.compiled.cycles


def test_operators_are_told_by_the_user_s_layers():
    found = networks.placed("mlperf_int8/squeeze")
    file = networks.GOLDEN / "mlperf_int8/squeeze.tflite"
    layers = found.layer_of(from_tflite.read_file(file))
    assert list(layers.values())[::-1] == [
        "zero_padding2d",
        "conv2d",
        "global_max_pooling2d",
        "conv2d_1",
        "conv2d_1#4",
        "multiply",
        "conv2d_transpose",
        "activation",
        "global_max_pooling2d_1",
        "StatefulPartitionedCall:0",
    ]


@pytest.mark.parametrize("name", ["mlperf_int8/squeeze", "refused"])
def test_memory_is_that_of_the_file_s_tensors(name):
    """Shared SRAM: the scratch tensor is the arena, the read-only one the flash."""
    compiled = networks.placed(name).compiled
    program = tflite_file.parse(compiled.model)
    by_name = {}
    for tensor in program.tensors:
        by_name.setdefault(tensor.name, []).append(tensor)
    [scratch] = by_name["scratch"]
    assert math.prod(scratch.shape) == compiled.num_bytes("sram_memory_used")
    [constants] = by_name["read_only"]
    assert constants.data.size == compiled.num_bytes("off_chip_flash_memory_used")
    assert compiled.num_bytes("dram_memory_used") == 0


def test_ends_keep_shape_type_and_quantization():
    for name in ("mlperf_int8/squeeze", "refused"):
        found = networks.placed(name)
        compiled = tflite_file.parse(found.compiled.model)
        for role in ("inputs", "outputs"):
            before, after = (
                [
                    (each.shape, each.dtype, each.scales, each.zero_points)
                    for each in (program.tensors[i] for i in getattr(program, role))
                ]
                for program in (found.program, compiled)
            )
            assert after == before


def test_damaged_files_end_before_vela(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(vela.subprocess, "run", never)
    model = networks.refused_file()
    for data in (b"", b"TFL3", model[: len(model) // 2]):
        with pytest.raises(errors.GraphError):
            placement.place(data, networks.U55)


def test_what_vela_says_when_it_fails_is_one_line(monkeypatch):
    config = spec.Config(
        name="ethos-u55-128", system_config="None_Such", memory_mode="Shared_Sram"
    )
    with pytest.raises(errors.ExportError, match="Vela cannot compile") as found:
        vela.compile_file(networks.refused_file(), config)
    assert "None_Such" in str(found.value)
    assert len(str(found.value).splitlines()) == 1
