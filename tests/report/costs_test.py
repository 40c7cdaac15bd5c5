"""The estimate's three forms: schema, sums, and text that a person can read."""

import csv
import io
import json

import pytest

from tfpipeline.cost import estimate
from tfpipeline.report import costs

# Key -> type, for every object of the JSON form: docs/performance.md promises it.
LAYER = {
    "name": str,
    "kind": str,
    **dict.fromkeys(costs.COUNTS, int),
    "latency": dict,
}
TARGET = {
    "layers": list,
    "totals": dict,
    "latency": dict,
    "memory": dict,
    "maps": list,
    "violations": list,
    "notes": list,
}
MAP = {
    "title": str,
    "steps": list,
    "blocks": list,
    "lanes": list,
    "bound_bytes": (int, type(None)),
    "available_bytes": (int, type(None)),
    "peak_bytes": int,
}
BLOCK = {
    "name": str,
    "offset": int,
    "bytes": int,
    "first": int,
    "last": int,
    "is_weights": bool,
}
LATENCY = {
    "cycles": (int, float),
    "seconds": float,
    "relative_error": (float, type(None)),
    "joules": (float, type(None)),
    "evidence": str,
}


def require_schema(value):
    """Asserts that `value` has the documented form."""
    assert set(value) == {"model", "targets"}
    assert isinstance(value["model"], str)
    for target in value["targets"].values():
        _require(target, TARGET)
        for layer in (*target["layers"], target["totals"]):
            _require(layer, LAYER)
            assert set(layer["latency"]) == set(target["latency"])
        for latency in target["latency"].values():
            _require(latency, LATENCY)
        assert all(type(size) is int for size in target["memory"].values())
        for each in target["maps"]:
            _require(each, MAP)
            for block in each["blocks"]:
                _require(block, BLOCK)
        assert all(type(line) is str for line in target["violations"])


def _require(value, types):
    assert set(value) == set(types)
    for name, kind in types.items():
        assert isinstance(value[name], kind), name


def _layer(name, cycles, **counts):
    zero = dict.fromkeys(costs.COUNTS, 0)
    return estimate.Layer(
        name=name, kind="Conv2D", latency_cycles=cycles, **(zero | counts)
    )


CHIP = estimate.Estimate(
    target="chip",
    layers=(
        _layer("a", {"exact": 100, "rough": 10.5}, macs=800, macc=800, weight_bytes=9),
        _layer("b", {"exact": 50, "rough": 4.5}, macs=200, macc=200, comp=7),
    ),
    latency={
        "exact": estimate.Latency(cycles=151, seconds=1.51e-6),
        "rough": estimate.Latency(
            cycles=15.0,
            seconds=1.5e-7,
            relative_error=0.25,
            joules=2e-6,
            evidence="unmeasured",
        ),
    },
    memory={"weight_bytes": 9, "bias_bytes": 2, "ram_bytes": 64},
    notes=("a note",),
    sections={"more": "text\n"},
)
RUNTIME = estimate.Estimate(
    target="runtime",
    layers=(_layer("a", {}, macs=800, macc=800, weight_bytes=9),),
    latency={},
    memory={"arena_planned_bytes": 1024},
    violations=("too large", "too deep"),
)
ESTIMATES = [CHIP, RUNTIME]


def test_json_has_the_documented_form():
    value = costs.to_dict("net", ESTIMATES)
    require_schema(value)
    assert json.loads(json.dumps(value)) == value
    chip = value["targets"]["chip"]
    assert chip["totals"]["macs"] == 1000
    assert chip["totals"]["comp"] == 7
    # The network's cycles, of which one is no layer's.
    assert chip["totals"]["latency"] == {"exact": 151, "rough": 15}
    assert chip["layers"][0]["latency"] == {"exact": 100, "rough": 10.5}
    assert value["targets"]["runtime"]["violations"] == ["too large", "too deep"]


def test_csv_has_a_line_a_layer_and_model():
    rows = list(csv.DictReader(io.StringIO(costs.to_csv("net", ESTIMATES))))
    assert tuple(rows[0]) == costs.CSV_COLUMNS
    found = [(r["target"], r["layer"], r["latency_model"]) for r in rows]
    assert found == [
        *[("chip", name, m) for name in ("a", "b", "total") for m in CHIP.latency],
        *[("runtime", name, "") for name in ("a", "total")],
    ]
    assert rows[5]["latency_cycles"] == "15"
    assert rows[5]["macs"] == "1000"


def test_comparison_has_a_line_a_model():
    *lines, why = costs.comparison(ESTIMATES).splitlines()
    assert why == "runtime does not fit: too large (and 1 more)"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["chip", "exact"],
        ["chip", "rough"],
        ["runtime", "-"],
    ]
    exact, rough, runtime = lines[1:]
    assert "0.002 ms" in exact and "6.62" in exact and exact.endswith("yes")
    assert "+-25 % unmeasured" in rough and "66.67" in rough
    assert "1,024 B" in runtime and runtime.endswith("no")


def test_text_shows_everything():
    text = costs.to_text("net", ESTIMATES)
    for part in (
        "== chip ==",
        "does not fit: too large",
        "note: a note",
        "-- more --\ntext",
        "latency exact: 0.002 ms, 151 cycles, 6.62 MAC/cycle",
        "energy rough: 2 uJ an inference",
    ):
        assert part in text
    total = next(line for line in text.splitlines() if line.startswith("total"))
    assert total.split() == ["total", "1,000", "7", "9", "151", "15"]
    # No operations of these kinds, and macc says what macs says: no columns.
    assert not any(word in text for word in ("bitwise", " mul ", " macc "))


def test_text_of_macs_that_the_target_counts_differently():
    other = _layer("a", {}, macs=800, macc=900)
    found = estimate.Estimate(target="t", layers=(other,), latency={}, memory={})
    assert " macc" in costs.to_text("net", [found])


def test_a_target_that_cannot_run_the_network_at_all():
    found = estimate.Estimate(
        target="t", layers=(), latency={}, memory={}, violations=("no conv3d",)
    )
    require_schema(costs.to_dict("net", [found]))
    text = costs.to_text("net", [found])
    assert "\nt does not fit: no conv3d\n" in text
    assert text.splitlines()[3].startswith("t ")


def test_macs_per_cycle():
    assert CHIP.macs_per_cycle("rough") == pytest.approx(1000 / 15)
