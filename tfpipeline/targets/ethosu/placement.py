"""What of a network Vela put on the NPU, operator by operator of the file.

Vela's tables name parts by tensors, with ends of its own. A copy of the file whose
tensors are named by their numbers is compiled instead, so that each name says which.
"""

import collections
import dataclasses
import re
from collections.abc import Mapping, Sequence

from tfpipeline import errors
from tfpipeline.ir import graph, tflite_file, tflite_names
from tfpipeline.targets.ethosu import spec, vela

CUSTOM = "CUSTOM 'ethos-u'"

NPU = "NPU"
CPU = "CPU"
# On the NPU as a part of another operator: padding, a change of shape, a bound.
MERGED = "merged"

# How Vela's names of operators differ from the schema's, in letters and digits.
_SPELLED = (("averagepool", "avgpool"), ("2d", ""))

_MARK = re.compile(r"@(\d+)@")


@dataclasses.dataclass(frozen=True)
class Placed:
    """An operator of the file.

    Attributes:
        operator: of it.
        where: NPU, CPU or MERGED.
        cycles: of the NPU.
        reason: Vela's, why it is on the CPU; empty elsewhere and where it gives none.
    """

    operator: tflite_file.Operator
    where: str
    cycles: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Placement:
    """A compiled network.

    Attributes:
        program: the file as it was.
        operators: of it, in its order.
        compiled: what Vela wrote of the copy.
    """

    program: tflite_file.Program
    operators: tuple[Placed, ...]
    compiled: vela.Compiled

    @property
    def on_cpu(self) -> tuple[Placed, ...]:
        """Operators that the CPU runs."""
        return tuple(each for each in self.operators if each.where == CPU)

    @property
    def merged(self) -> tuple[Placed, ...]:
        """Operators that have no step of their own."""
        return tuple(each for each in self.operators if each.where == MERGED)

    def layer_of(self, g: graph.Graph) -> dict[int, str]:
        """Operator -> name of the layer of `g` that it is, or is a part of.

        Args:
            g: what a reader makes of the file, or what the file was written of.
        """
        names = tflite_names.tensor_names(self.program.tensors)
        writers = {
            name: layer.name
            for layer in g.layers
            for name in graph.written_names(layer)
        }
        found: dict[int, str] = {}
        following = g.layers[-1].name
        # What no layer writes is a step of the next one that does.
        for operator in reversed(self.program.operators):
            own = [writers[names[i]] for i in operator.outputs if names[i] in writers]
            following = own[0] if own else following
            found[operator.index] = following
        return found


def place(model: bytes, config: spec.Config) -> Placement:
    """Compiles a `.tflite`, and finds where its operators went.

    Raises:
        PipelineError: as `vela.compile_file`; Vela names what is not in the file.
    """
    vela.require_installed()
    program = tflite_file.parse(model)
    compiled = vela.compile_file(_marked(model), config)
    cycles: dict[int, int] = {}
    rows = vela.rows(compiled)
    for row, index in zip(rows, _operators_of(rows, program), strict=True):
        if row.is_on_npu:
            cycles[index] = cycles.get(index, 0) + row.cycles
    left = _left(compiled.model, program)
    reasons = {
        _writer(name, program): reason
        for name, reason in vela.refusals(compiled).items()
    }
    operators = tuple(
        Placed(operator, CPU, 0, reasons.get(operator.index, ""))
        if operator.index in left
        else Placed(operator, NPU, cycles[operator.index])
        if operator.index in cycles
        else Placed(operator, MERGED)
        for operator in program.operators
    )
    return Placement(program, operators, compiled)


def _marked(model: bytes) -> bytes:
    """The file with the number of each tensor for its name."""
    # Imports that estimates of other targets do not wait for.
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    from export.tflite import packing

    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    for index, tensor in enumerate(parsed.subgraphs[0].tensors):
        tensor.name = f"@{index}@".encode()
    parsed.buffers = packing.buffers(parsed)
    return packing.pack(parsed)


def _left(model: bytes, program: tflite_file.Program) -> set[int]:
    """Operators of `program` that stand in the compiled file as they were."""
    compiled = tflite_file.parse(model)
    return {
        _writer(compiled.tensors[operator.outputs[0]].name, program)
        for operator in compiled.operators
        if operator.name != CUSTOM
    }


def _operators_of(rows: Sequence[vela.Row], program: tflite_file.Program) -> list[int]:
    """The operator that each row is a part of, in the order of execution."""
    found: list[int] = []
    begun: collections.Counter[str] = collections.Counter()
    for row in rows:
        if _MARK.match(row.name) is None:
            # A constant of its own, which the steps before and after share.
            found.append(found[-1] if found else program.operators[0].index)
            continue
        begun[row.name] += _letters(row.made) == _letters(row.original)
        matching = _matching(row, program)
        found.append(matching[min(max(begun[row.name], 1), len(matching)) - 1])
    return found


def _matching(row: vela.Row, program: tflite_file.Program) -> list[int]:
    """The operators that a row may be a part of, one or more.

    Steps are named after what the operator writes. Where that is written by an operator
    of another kind than the row says, it is one that reads it, if the name goes on, as
    those of a softmax do; else one that is before it: what writes into a part of a
    concatenation, or has a function behind it, is named after the end of both.
    """
    tensor = _tensor_of(row.name)
    own = _letters(row.original)
    writer = _writer(row.name, program)
    if _letters(program.operators[writer].name) == own:
        return [writer]
    needed = program.operators[writer].inputs
    sources = [
        each.index
        for each in program.operators
        if set(each.outputs) & set(needed) and _letters(each.name) == own
    ]
    readers = [
        each.index for each in _readers(tensor, program) if _letters(each.name) == own
    ]
    goes_on = row.name != f"@{tensor}@"
    return (readers if goes_on else []) or sources or readers or [writer]


def _tensor_of(name: str) -> int:
    """The number that a name of Vela's begins with.

    Raises:
        ExportError: it begins with none.
    """
    found = _MARK.match(name)
    if found is None:
        raise errors.ExportError(
            f"Vela names {errors.brief(name)}, which no tensor is called: "
            f"{spec.PACKAGE} {spec.VERSION} is the one that was tested"
        )
    return int(found[1])


def _writer(name: str, program: tflite_file.Program) -> int:
    """The operator that writes the tensor that a name of Vela's begins with."""
    tensor = _tensor_of(name)
    for operator in program.operators:
        if tensor in operator.outputs:
            return operator.index
    return _readers(tensor, program)[0].index


def _readers(tensor: int, program: tflite_file.Program) -> list[tflite_file.Operator]:
    return [each for each in program.operators if tensor in each.inputs]


def _letters(name: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    for theirs, short in _SPELLED:
        letters = letters.replace(theirs, short)
    return letters


def cycles_by_layer(placement: Placement, g: graph.Graph) -> Mapping[str, int]:
    """Cycles of the NPU for each layer of which it runs something."""
    layers = placement.layer_of(g)
    found: dict[str, int] = {}
    for each in placement.operators:
        if each.where == NPU:
            name = layers[each.operator.index]
            found[name] = found.get(name, 0) + each.cycles
    return found
