"""Whether TensorFlow Lite Micro computes what the scales of a file say."""

from collections.abc import Iterator

from tfpipeline import errors
from tfpipeline.ir import from_tflite, tflite_file
from tfpipeline.simulate import activation_functions, support


def require(model: bytes) -> None:
    """Checks that TFLite Micro computes what the scales of a file say.

    It runs some files, and writes other numbers than they mean: a RELU6 between two
    scales, or scales so far apart that its integers overflow.

    Args:
        model: an integer `.tflite`, maybe with operators that no graph has.

    Raises:
        ExportError: naming the first operator in the way and why.
        GraphError: not a TFLite file, or damaged.
    """
    program = tflite_file.parse(model)
    try:
        found = support.misread(from_tflite.read(model))
    except errors.GraphError:
        found = [
            f"operator {operator.index} RELU6: {reason}"
            for operator in program.operators
            if operator.name == "RELU6"
            for reason in _of_relu6(program, operator)
        ]
    if found:
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        raise errors.ExportError(
            f"TensorFlow Lite Micro computes other numbers than the file says: "
            f"{found[0]}{more}"
        )


def _of_relu6(
    program: tflite_file.Program, operator: tflite_file.Operator
) -> Iterator[str]:
    ends = [program.tensors[each[0]] for each in (operator.inputs, operator.outputs)]
    if all(len(end.scales) == 1 == len(end.zero_points) for end in ends):
        source, result = ((end.scales[0], end.zero_points[0]) for end in ends)
        if source != result:
            yield activation_functions.unscaled(source, result)
