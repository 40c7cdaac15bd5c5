"""Layers that keep a state as C: an LSTM and an SVDF, and their states."""

from export.c import literals, place
from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point, recurrent

# The cell that no int16 exceeds.
_NO_CLIP = 2**15


def lstm(which: place.Place, layer: graph.Layer) -> place.Code:
    """Four gates' kernels and biases, and a struct of everything else."""
    assert isinstance(layer, graph.Lstm)
    g, label = which.g, which.label
    dtype = g.tensors[layer.output].dtype
    is_wide = dtype == "int16"
    bias_type = "int64_t" if is_wide else "int32_t"
    tables, gates = [], []
    for number, gate in enumerate(recurrent.gates(g, layer)):
        names = [f"{label}_{n}{number}" for n in ("input", "hidden", "bias")]
        for ctype, name, values in (
            ("int8_t", names[0], gate.input_kernel),
            ("int8_t", names[1], gate.recurrent_kernel),
            (bias_type, names[2], gate.bias),
        ):
            tables.append(literals.array(ctype, name, values.ravel().tolist()))
        of_gate = {
            **{"input_weights": names[0], "hidden_weights": names[1], "bias": names[2]},
            "input": _gate_factor(gate.input_factor, is_wide),
            "hidden": _gate_factor(gate.recurrent_factor, is_wide),
        }
        gates.append(f"{label}_gate{number}")
        tables.append(literals.struct(f"gate_{dtype}", gates[-1], of_gate))
    batches, rows, channels = g.tensors[layer.inputs[0]].shape
    steps = {"batch_step": rows, "row_step": 1}
    if layer.time_major:
        batches, rows = rows, batches
        steps = {"batch_step": 1, "row_step": batches}
    cell = recurrent.cell(g, layer)
    fields: place.Fields = {
        **{"batches": batches, "rows": rows, **steps, "channels": channels},
        "units": g.tensors[layer.output].shape[-1],
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        **_bounds(g, layer),
        "clip": _NO_CLIP if cell.clip is None else cell.clip,
        **{"forget": cell.forget, "taken_in": cell.taken_in, "shown": cell.hidden},
        **{"tanh": cell.tanh, "gates": [f"&{name}" for name in gates]},
    }
    kernel = f"run_lstm_{dtype}"
    pointers = (which.inputs[0], which.output, *which.states)
    return place.Code(
        (*tables, literals.struct(f"lstm_{dtype}", f"{label}_lstm", fields)),
        (place.call(kernel, *pointers, f"&{label}_lstm"),),
        (kernel,),
    )


def svdf(which: place.Place, layer: graph.Layer) -> place.Code:
    """Both kernels, the biases, and a struct of everything else."""
    assert isinstance(layer, graph.Svdf)
    g, label = which.g, which.label
    dtype = g.tensors[layer.states[0]].dtype
    batches, channels = g.tensors[layer.inputs[0]].shape
    into, out = recurrent.svdf_factors(g, layer)
    fields = {
        **{"batches": batches, "channels": channels},
        "units": g.tensors[layer.output].shape[-1],
        **{"rank": layer.rank, "moments": g.tensors[layer.time_weights].shape[-1]},
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        "state_zero": derived.zero_point(g, layer.states[0]),
        **_bounds(g, layer),
        **{"into": into, "out": out},
    }
    names = [f"{label}_{name}" for name in ("weights", "time_weights", "bias")]
    tables = [
        literals.array(
            f"{g.tensors[each].dtype}_t", name, g.constants[each].ravel().tolist()
        )
        for each, name in zip(graph.constant_names(layer), names, strict=True)
    ]
    kernel = f"run_svdf_{dtype}"
    pointers = (which.inputs[0], which.output, which.states[0])
    return place.Code(
        (*tables, literals.struct("svdf", f"{label}_svdf", fields)),
        (place.call(kernel, *pointers, *names, f"&{label}_svdf"),),
        (kernel,),
    )


def _bounds(g: graph.Graph, layer: graph.Stateful) -> place.Fields:
    """Zero point of the result, and its type's bounds before that is added."""
    zero = derived.zero_point(g, layer.output)
    low, high = (bound - zero for bound in derived.type_bounds(g, layer.output))
    return {"zero": zero, "low": low, "high": high}


def _gate_factor(value: derived.Factor, is_wide: bool) -> derived.Factor:
    """As `gated` of the type takes it: for sums of 64 bits a shift to the right."""
    multiplier, shift = value
    if not is_wide:
        return value
    return fixed_point.reduced_multiplier(multiplier), 15 - shift
