"""What a run of train says of itself for its page, and what it keeps of its answers."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.cost import estimate
from tfpipeline.deploy import deployment
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.report import costs, summary
from tfpipeline.report.findings import (
    answers,
    evidence,
    histories,
    layer_errors,
    networks,
)
from tfpipeline.training import progress

_LOG = logging.getLogger("tfpipeline.train")


def of(
    job: jobs.Job,
    deployed: Mapping[str, deployment.Deployed],
    deployed_graph: graph.Graph,
    estimates: Mapping[str, Sequence[estimate.Estimate]],
) -> dict[str, Any]:
    """All of it, as JSON values; writes the run's predictions.

    Args:
        job: deployed, so that its answers are there.
        deployed: number format -> the network in it.
        deployed_graph: the network that the run's graph is of.
        estimates: number format -> what it costs on each target.

    Raises:
        StorageError: a file cannot be written.
    """
    started = time.monotonic()
    kind = job.objective.kind
    rows = next(iter(deployed.values())).rows if deployed else ()
    form = rows[-1]["network"] if rows else summary.FLOAT
    module = answers.of_kind(kind)
    found = evidence.Evidence(module.targets(job.examples["test"]), job.answers)
    names = () if kind.learns_inputs else job.dataset.class_names
    record, shown = answers.measure(found, kind, names, form)
    shown = list(dict.fromkeys(shown))
    inputs = job.dataset.test.inputs[np.array(shown, np.int64)]
    evidence.write(job.folder.predictions, found, shown, inputs)
    _show_mistakes(job, record)
    stages = (job.trained, *job.quantized.values())
    result = {
        "answers": record,
        "history": {each.stage: histories.columns(each.history) for each in stages},
        "network": networks.describe(deployed_graph),
        "targets": {
            name: costs.to_dict(job.network, each)["targets"]
            for name, each in estimates.items()
        },
        "layer_errors": {
            name: _layer_errors(job, each) for name, each in deployed.items()
        },
    }
    _LOG.info("what the answers say, in %.1f s", time.monotonic() - started)
    return result


def _show_mistakes(job: jobs.Job, record: Mapping[str, Any]) -> None:
    """Pictures of the surest mistakes, as TensorBoard has them."""
    mistakes = record.get("mistakes", [])
    inputs = job.dataset.test.inputs
    is_of_pictures = inputs.dtype == np.uint8 and inputs.shape[3:] in ((1,), (3,))
    if not mistakes or not is_of_pictures:
        return
    chosen = inputs[np.array([each["example"] for each in mistakes], np.int64)]
    titles = [
        ", ".join(f"{name} {value}" for name, value in each.items())
        for each in mistakes
    ]
    progress.show_examples(job.folder, chosen, titles)


def _layer_errors(job: jobs.Job, network: deployment.Deployed) -> dict[str, Any]:
    if network.real is None:
        return {"reason": "not measured: these integers are no graph of layers"}
    inputs = job.inputs["validation"]
    return layer_errors.measure(network.real, network.graph, inputs)
