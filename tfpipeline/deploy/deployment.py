"""What the driver asks of a number format, one shape for all."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tfpipeline import number_formats
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph as ir_graph
from tfpipeline.training import scheme


@dataclasses.dataclass(frozen=True, eq=False)
class Deployed:
    """A run's network in a number format.

    Attributes:
        rows: of the accuracy table, PTQ first.
        graph: of the network that is deployed: QAT's, else PTQ's.
        export: what results.json says of the files; `None` where none were asked for.
        real: float graph that the integers stand for; None where they are no graph.
        notes: what a user must know of the integers, one line each.
    """

    rows: tuple[dict[str, Any], ...]
    graph: ir_graph.Graph
    export: dict[str, Any] | None
    real: ir_graph.Graph | None = None
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Deployment:
    """How networks get into a number format.

    Attributes:
        number_format: the format.
        check: (float graph of the untrained network, choices); raises a PipelineError
            that names all that stands in the way of the format; None where training
            and conversion say so themselves.
        training: how it is trained.
        rehearse: writes the job's network in memory, by the code of `deploy`, without
            looking at accuracies; raises a PipelineError where `deploy` would.
        deploy: quantizes, evaluates and, where --export has the format, writes;
            raises VerificationError where integers are not what training promised.
    """

    number_format: number_formats.NumberFormat
    check: Callable[[ir_graph.Graph, choices_lib.Choices], None] | None
    training: Callable[[choices_lib.Choices], scheme.Scheme]
    rehearse: Callable[[jobs.Job], None]
    deploy: Callable[[jobs.Job], Deployed]
