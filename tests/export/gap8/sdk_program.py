"""A program in C that calls the SDK's own kernels, compiled for a PC.

Each layer is one tile: the calls that the AutoTiler's generators would make of it, with
the kernels that they would find by size and stride. Nothing of the SDK is in this
project; its sources are compiled where `GAP8_NNTOOL` names a checkout.
"""

import os
import pathlib
import subprocess

import numpy as np

from export.c import literals
from tfpipeline.targets.gap8 import fixed_point, kernels, program

LIBRARIES = (
    "CNN_Conv_BasicKernels",
    "CNN_Conv_DP_BasicKernels",
    "CNN_Conv_DW_BasicKernels",
    "CNN_Conv_DW_DP_BasicKernels",
    "CNN_BiasReLULinear_BasicKernels",
    "CNN_Pooling_BasicKernels",
    "CNN_MatAlgebra",
)
_FOLDERS = ("Emulation", "CNN_Libraries", "CNN_Libraries_SQ8", "CNN_Libraries_fp16")
# Its headers define variables, which -fcommon lets several files share.
_OPTIONS = ("-w", "-O1", "-fcommon", "-D__EMUL__", "-std=gnu99")

_MAIN = """\
#include <stdio.h>
#include <string.h>
#include "CNN_BasicKernels.h"

typedef {value} value;
{tables}
static int wide[{largest}];
static value plane[{largest}];
{tensors}
int main(void)
{{
    while (fread({input}, sizeof {input}, 1, stdin) == 1) {{
{calls}
        fwrite({output}, sizeof {output}, 1, stdout);
    }}
    return 0;
}}
"""


def libraries(folder):
    """Compiles the SDK's kernels; returns the objects and the options to use them."""
    root = pathlib.Path(os.environ["GAP8_NNTOOL"]) / "tools" / "autotiler_v3"
    includes = [f"-I{root / each}" for each in (*_FOLDERS, "DSP_Libraries")]
    objects = []
    for name in LIBRARIES:
        objects.append(str(folder / f"{name}.o"))
        source = str(root / "CNN_Libraries" / f"{name}.c")
        _gcc(*_OPTIONS, *includes, "-c", source, "-o", objects[-1])
    return objects, includes


def run(p, images, precision, folder, built):
    """Outputs of the SDK's kernels for int16 or int8 `[N, channels, rows, columns]`."""
    objects, includes = built
    source = folder / "sdk_program.c"
    source.write_text(text(p, precision))
    program_file = str(folder / "sdk_program")
    _gcc(*_OPTIONS, *includes, str(source), *objects, "-lm", "-o", program_file)
    done = subprocess.run(
        [program_file], input=images.tobytes(), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    shape = p.tensors[p.outputs[0]].shape
    return np.frombuffer(done.stdout, images.dtype).reshape(len(images), *shape)


def _gcc(*arguments):
    done = subprocess.run(["gcc", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def text(p, precision):
    """The program's text."""
    names = {name: f"tensor{i}" for i, name in enumerate(p.tensors)}
    tables, calls, largest = [], [], 1
    for index, layer in enumerate(p.layers):
        if isinstance(layer, program.Weighted):
            for what, array in (("w", layer.weights), ("b", layer.bias)):
                values = array.ravel().tolist()
                tables.append(literals.array("value", f"{what}{index}", values))
        if isinstance(layer, program.Conv):
            plane = p.tensors[layer.inputs[0]].shape[1:]
            size = len(layer.weights) * int(np.prod(layer.conv_plane(plane)))
            largest = max(largest, size)
        calls += _calls(p, layer, index, names, precision)
    return _MAIN.format(
        value="short int" if p.num_bits == 16 else "signed char",
        tables="".join(tables),
        largest=largest,
        tensors="".join(
            f"static value {names[name]}[{tensor.num_elements}];\n"
            for name, tensor in p.tensors.items()
        ),
        input=names[p.input.name],
        output=names[p.outputs[0]],
        calls="\n".join(f"        {call}" for call in calls),
    )


def _calls(p, layer, index, names, precision):
    sources = [names[name] for name in layer.inputs]
    result = names[layer.output]
    if isinstance(layer, program.Conv):
        return _conv(p, layer, index, sources[0], result, precision)
    suffix = "fp" if p.num_bits == 16 else "fps"
    low, high = fixed_point.value_range(p.num_bits)
    if isinstance(layer, program.Concat):
        assert not any(layer.norms)
        offsets = np.cumsum([0, *(p.tensors[n].num_elements for n in layer.inputs)])
        return [
            f"memcpy({result} + {offset}, {source}, sizeof {source});"
            for offset, source in zip(offsets, sources, strict=False)
        ]
    bounds = {"LB": 0 if layer.relu else low, "UB": high}
    if isinstance(layer, program.Linear):
        fields = {
            **{"In": sources[0], "InSize": layer.weights.shape[1]},
            **{"TotalInSize": layer.weights.shape[1], "OutSize": len(layer.weights)},
            **{"Filter": f"w{index}", "Bias": f"b{index}", "Out": result},
            **{"Norm": layer.format.norm, "NormBias": layer.format.bias_norm},
            **bounds,
        }
        kind = f"KerLinearLayerReLU_{suffix}"
        return [_call(f"KerParLinearLayerReLU_{suffix}", f"{kind}_T", fields)]
    channels, rows, columns = p.tensors[layer.inputs[0]].shape
    if isinstance(layer, program.Add):
        assert not any(layer.norms)
        fields = {"In1": sources[0], "In2": sources[1], "Out": result, "N": channels}
        fields |= {"W": columns, "H": rows, **bounds}
        kernel = "KerParMatAddReLU" if layer.relu else "KerParMatAdd"
        return [_call(f"{kernel}_{suffix}", f"KerMat3_{suffix}_T", fields)]
    plane = (rows, columns)
    return [_pool(p, layer, layer.window, plane, channels, sources[0], result)]


def _conv(p, layer, index, source, result, precision):
    suffix = "fp" if p.num_bits == 16 else "fps"
    low, high = fixed_point.value_range(p.num_bits)
    channels, *plane = p.tensors[layer.inputs[0]].shape
    rows, columns = layer.conv_plane(tuple(plane))
    outputs = len(layer.weights)
    is_double, is_deep = precision == kernels.DOUBLE, layer.groups > 1
    pool = layer.pool
    if layer.relu and pool is None and not is_double and p.num_bits == 8:
        # As our calls: the ReLU of 8 bits does not work.
        pool = program.Window((1, 1), (1, 1))
    unpooled = result if pool is None else "plane"
    summed = "wide" if is_double else unpooled
    shape = {"W": columns, "H": rows, "OutFeatures": outputs}
    calls = []
    if not is_deep:
        kind = f"KerSetBias_fpd_{suffix}" if is_double else f"KerSetBias_{suffix}"
        kernel = f"KerParSetBias_{'DP_' if is_double else ''}{suffix}"
        fields = {"Out": summed, **shape, "Bias": f"b{index}"}
        fields["NormBias"] = layer.format.bias_norm if is_double else 0
        calls.append(_call(kernel, f"{kind}_T", fields))
    pads, used = _used(plane, (rows, columns), layer)
    fields = {
        **{"In": source, "W": plane[1], "UsedW": used[1], "H": plane[0]},
        **{"UsedH": used[0], "InFeatures": channels, "OutFeatures": outputs},
        "TotalInFeatures": layer.format.bias_norm if is_deep else channels,
        **{"Filter": f"w{index}", "Out": f"(void *){summed}", "Pad": pads},
        **{"Norm": layer.format.norm, "Orientation": 1},
        **dict(zip(("Ny", "N"), layer.kernel_size, strict=True)),
        **dict(zip(("Sy", "S"), layer.strides, strict=True)),
        **dict(zip(("Dy", "D"), layer.dilation, strict=True)),
    }
    if is_deep:
        fields["Bias"] = f"b{index}"
    part = "DP_" if is_double and not is_deep else ""
    kernel = f"KerParConv{'DW' * is_deep}{'DP' * (is_double and is_deep)}"
    kernel += f"{_variant(layer)}_{part}{suffix}"
    calls.append(_call(kernel, f"KerConv_{part}{suffix}_T", fields))
    bounds = {"LB": 0 if layer.relu else low, "UB": high}
    if is_double:
        fields = {"In": "wide", "W": columns, "H": rows, "Out": unpooled}
        fields |= {"Norm": layer.format.norm, "InFeatures": outputs, **bounds}
        calls.append(_call(f"KerDP_{suffix}", f"KerDP_{suffix}_T", fields))
    elif layer.relu and pool is None:
        fields = {"In": unpooled, "Out": unpooled, **shape, **bounds}
        fields |= {"UsedW": columns, "UsedH": rows}
        calls.append(_call(f"KerParReLU_{suffix}", f"KerReLUPool_{suffix}_T", fields))
    if pool is not None:
        size = (rows, columns)
        calls.append(_pool(p, layer, pool, size, outputs, unpooled, result))
    return calls


def _pool(p, layer, window, plane, channels, source, result):
    suffix = "fp" if p.num_bits == 16 else "fps"
    low, high = fixed_point.value_range(p.num_bits)
    pads, used = _used(plane, window.plane(plane), window)
    is_average = isinstance(layer, program.AvgPool)
    kernel = "NxMStrideSxSy"
    if window.kernel_size[0] == window.kernel_size[1]:
        if window.strides[0] == window.strides[1]:
            kernel = "NxNStrideS"
        if window.kernel_size == window.strides == (2, 2):
            kernel = "2x2Stride2"
    fields = {
        **{"In": source, "W": plane[1], "UsedW": used[1], "H": plane[0]},
        **{"UsedH": used[0], "OutFeatures": channels, "Out": result, "Pad": pads},
        **dict(zip(("My", "M"), window.kernel_size, strict=True)),
        **dict(zip(("Sy", "S"), window.strides, strict=True)),
        **{"D": 1, "Dy": 1, "Orientation": 1, "Oper": 2 * is_average + layer.relu},
        **{"LB": 0 if layer.relu else low, "UB": high},
    }
    return _call(f"KerParPool{kernel}_{suffix}", f"KerReLUPool_{suffix}_T", fields)


def _used(plane, size, layer):
    """Padding left, right, top, bottom, and rows and columns that are read."""
    kernel, dilation = layer.kernel_size, getattr(layer, "dilation", (1, 1))
    pads, used = [], []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        reach = (size[axis] - 1) * layer.strides[axis] + extent
        front = layer.padding[axis][0]
        behind = max(0, reach - plane[axis] - front)
        pads.append((front, behind))
        used.append(reach - front - behind)
    (top, bottom), (left, right) = pads
    return f"{{{left}, {right}, {top}, {bottom}}}", used


def _variant(layer):
    """The kernel that the generators find by size, stride and dilation."""
    (fy, fx), (sy, sx) = layer.kernel_size, layer.strides
    if layer.dilation != (1, 1):
        return "NxMDxDyStrideSxSy"
    if fx == fy and sx == sy:
        if fx in (1, 3, 5):
            return f"{fx}x{fx}Stride{sx if sx < 3 else 'S'}"
        return "NxNStrideS"
    return "NxMStrideSxSy"


def _call(kernel, kind, fields):
    values = ", ".join(f".{name} = {value}" for name, value in fields.items())
    return f"{{ {kind} a = {{{values}}}; {kernel}(&a); }}"
