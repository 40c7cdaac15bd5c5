"""Ethos-U in the table beside all others: Vela's figures, and a price for the CPU."""

import pytest

from export.tflite import from_graph
from tests.targets.ethosu import compiled_networks as networks
from tfpipeline import errors
from tfpipeline import estimate as command_line
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite
from tfpipeline.precision import assumed
from tfpipeline.targets import catalog, with_compilers
from tfpipeline.targets.ethosu import estimate as ethosu
from tfpipeline.targets.stm32 import cost, lowering, spec

pytestmark = networks.NEEDS_VELA


def _options(model, **changes):
    return estimate.Options(to_tflite=lambda: model, **changes)


def _compiled_before(monkeypatch, name):
    """Lets estimates take what tests compile once."""
    found = networks.placed(name)
    monkeypatch.setattr(ethosu.placement, "place", lambda model, config: found)


def test_a_network_that_the_npu_runs_whole(monkeypatch):
    _compiled_before(monkeypatch, "mlperf_int8/squeeze")
    model = (networks.GOLDEN / "mlperf_int8/squeeze.tflite").read_bytes()
    g = from_tflite.read(model)
    found = with_compilers.TARGETS["ethos-u55-128"].estimate(g, _options(model))
    [(name, latency)] = found.latency.items()
    compiled = networks.placed("mlperf_int8/squeeze").compiled
    assert name == "vela"
    assert latency.cycles == compiled.cycles == compiled.number("cycles_total")
    assert latency.seconds == pytest.approx(compiled.number("inference_time"))
    assert (latency.relative_error, latency.evidence) == (None, "by Vela")
    cycles = sum(layer.latency_cycles["vela"] for layer in found.layers)
    assert cycles == compiled.cycles
    assert found.memory["ram_bytes"] == compiled.num_bytes("sram_memory_used")
    assert found.memory["file_bytes"] == len(compiled.model)
    assert any("Ethos_U55_High_End_Embedded (500 MHz)" in note for note in found.notes)
    assert found.violations == ()
    half = ethosu.estimate_graph(g, _options(model, clock_hz=250e6), networks.U55)
    assert half.latency["vela"].seconds == 2 * latency.seconds


def test_what_is_left_to_the_cpu_costs_as_on_a_cortex_m55(monkeypatch):
    _compiled_before(monkeypatch, "refused")
    model = networks.refused_file()
    g = from_tflite.read(model)
    found = ethosu.estimate_graph(g, _options(model), networks.U55)
    core = spec.CORES["cortex-m55"]
    expected = (
        cost.count_instructions(lowering.lower(g)[1], core)
        * core.cycles_per_instruction
    )
    assert expected > 0
    npu, both = (found.latency[model] for model in ("vela", "vela + cortex-m55"))
    assert both.cycles == npu.cycles + expected
    left = found.layers[1]
    assert left.latency_cycles == {"vela": 0, "vela + cortex-m55": expected}
    assert any(
        note == f"DepthwiseConv2D '{left.name}' (DEPTHWISE_CONV_2D) is left to the "
        "CPU: Unsupported kernel stride: 4, 4; Kernel stride must be in the range "
        "(1,3)."
        for note in found.notes
    )


def test_a_float_network_is_compiled_in_made_up_integers():
    g = networks.refused_stride()
    model = from_graph.to_bytes(assumed.integers(g, 8))
    found = ethosu.estimate_graph(g, _options(model), networks.U55)
    [_, left, *_] = found.layers
    assert left.name == "layer1"
    assert left.latency_cycles["vela"] == 0 < found.layers[0].latency_cycles["vela"]
    assert any("in integers of made-up scales" in note for note in found.notes)
    # Scales and weights change what is stored, by how far it compresses; not the time.
    trained = networks.placed("refused").compiled
    assert found.latency["vela"].cycles == pytest.approx(trained.cycles, rel=0.02)


def test_a_graph_without_a_file_is_refused():
    g = networks.int8(networks.refused_stride())
    with pytest.raises(errors.UsageError, match=r"of a \.tflite file only"):
        ethosu.estimate_graph(g, estimate.Options(), networks.U55)
    assert "ethos-u55-128" not in catalog.NAMES


def test_a_network_that_vela_cannot_compile_does_not_fit(monkeypatch):
    def refuse(model, config):
        raise errors.ExportError("Vela cannot compile the network")

    monkeypatch.setattr(ethosu.placement, "place", refuse)
    g = networks.int8(networks.refused_stride())
    found = ethosu.estimate_graph(g, _options(b""), networks.U55)
    assert found.violations == ("Vela cannot compile the network",)


def test_the_command_compiles_the_user_s_own_file(monkeypatch):
    found = networks.placed("mlperf_int8/squeeze")
    file = networks.GOLDEN / "mlperf_int8/squeeze.tflite"
    compiled = []

    def place(model, config):
        compiled.append((model, config.name))
        return found

    monkeypatch.setattr(ethosu.placement, "place", place)
    command = command_line.Command(
        model=str(file), target=("tflm", "ethos-u55-128"), clock_mhz=250.0
    )
    _, [_, estimated] = command_line.run(command)
    assert compiled == [(file.read_bytes(), "ethos-u55-128")]
    latency = estimated.latency["vela"]
    assert latency.seconds == latency.cycles / 250e6
