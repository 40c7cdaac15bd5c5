"""What a network costs on each target: operations, memory and time, layer by layer.

    python -m tfpipeline.estimate --model=cmsisnet --target=max78000,stm32f746

Needs no board, no network and no TensorFlow (but for Keras files).
"""

import json
from collections.abc import Sequence

from absl import flags

from tfpipeline import entry, errors, model_source
from tfpipeline.cost import estimate
from tfpipeline.report import costs
from tfpipeline.targets import catalog

_BOTH = "both"
_LATENCY_MODELS = ("ai8x", "kernel_parallel", _BOTH)

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "The name of a network, a .tflite, .keras or .h5 file, a graph.json or its folder, "
    "or the folder of a run.",
)
_TARGET = flags.DEFINE_list(
    "target", [], f"Targets, all if not given: {', '.join(catalog.NAMES)}."
)
_LATENCY_MODEL = flags.DEFINE_enum(
    "latency_model",
    _BOTH,
    _LATENCY_MODELS,
    "Of MAX78000: ai8x, the vendor tool's cycles; kernel_parallel, the face study's.",
)
_WEIGHT_BITS = flags.DEFINE_enum(
    "weight_bits",
    None,
    ["1", "2", "4", "8", "16"],
    "Bits of a weight on MAX78000; if not given 8, 4 for facenet_v3, and as stored for "
    "files of fewer bits. 16 is for GAP8, activations alike.",
)
_ACTIVATION_BITS = flags.DEFINE_enum(
    "activation_bits",
    None,
    ["8", "16"],
    "Bits of an activation of a network that is not quantized yet, on STM32, tflm and "
    "GAP8 (whose weights are as wide); if not given 8, 16 for reid_squeezenet.",
)
_FOLD = flags.DEFINE_integer(
    "fold",
    1,
    "Side of the blocks of pixels that are moved into the input's channels, on "
    "MAX78000. The folded network must be trained anew.",
    lower_bound=1,
    upper_bound=16,
)
_SPLIT_KERNELS = flags.DEFINE_bool(
    "split_kernels",
    False,
    "On MAX78000, count 5x5 and 7x7 kernels as two and three 3x3. That is another "
    "network: what was trained is lost, and it must be trained anew.",
)
_CLOCK_MHZ = flags.DEFINE_float(
    "clock_mhz", None, "Clock instead of each target's own.", lower_bound=0.001
)
_FORMAT = flags.DEFINE_enum("format", "text", ["text", "json", "csv"], "Of the output.")


def main(argv: Sequence[str]) -> None:
    """Prints the estimate of --model; fails where a target that was asked for fails."""
    del argv  # entry.run refuses any.
    if not _MODEL.value:
        raise errors.UsageError(
            "say what to estimate: --model=NAME_OR_PATH. Networks: "
            f"{', '.join(model_source.names())}"
        )
    targets = list(dict.fromkeys(_TARGET.value)) or list(catalog.NAMES)
    catalog.require_known(targets)
    source = model_source.load(_MODEL.value)
    found = catalog.estimate_all(source.graph, targets, _options(source))
    print(_render(source.graph.name, found), end="")
    _require_fit(found)


def _options(source: model_source.Source) -> estimate.Options:
    bits = source.weight_bits if _WEIGHT_BITS.value is None else int(_WEIGHT_BITS.value)
    activation = _ACTIVATION_BITS.value or source.activation_bits
    model = _LATENCY_MODEL.value
    return estimate.Options(
        weight_bits=bits,
        activation_bits=int(activation),
        fold=_FOLD.value,
        split_kernels=_SPLIT_KERNELS.value,
        clock_hz=None if _CLOCK_MHZ.value is None else 1e6 * _CLOCK_MHZ.value,
        latency_models=() if model == _BOTH else (model,),
    )


def _render(model: str, found: Sequence[estimate.Estimate]) -> str:
    if _FORMAT.value == "json":
        return json.dumps(costs.to_dict(model, found), indent=2) + "\n"
    if _FORMAT.value == "csv":
        return costs.to_csv(model, found)
    return costs.to_text(model, found)


def _require_fit(found: Sequence[estimate.Estimate]) -> None:
    """Fails for what was asked by name; in the survey of all, some may not fit."""
    failing = [each for each in found if each.violations]
    if not failing or (not _TARGET.value and len(failing) < len(found)):
        return
    raise errors.TargetError(
        f"'{_MODEL.value}' does not fit "
        f"{', '.join(each.target for each in failing)}: "
        f"{costs.first_reason(failing[0])}"
    )


if __name__ == "__main__":
    entry.run(main, "estimate")
