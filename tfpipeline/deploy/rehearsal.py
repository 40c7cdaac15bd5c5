"""Before any training: can what is asked for be written at all?

The untrained network goes the way of the trained one: prepared for each number format
with a few calibration images, and written in memory by the code that deploys.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping

from tfpipeline import errors, run_folder
from tfpipeline.compat import keras
from tfpipeline.configs.quantization import Quantization
from tfpipeline.data import splits
from tfpipeline.deploy import catalog, deployment
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
from tfpipeline.readers import from_keras
from tfpipeline.tasks import classification
from tfpipeline.tasks import kind as kinds
from tfpipeline.training import kept_stages

# Ranges need not be good, only there.
CALIBRATION_IMAGES = 8


def require(
    model: keras.Model,
    name: str,
    quantization: Quantization,
    choices: choices_lib.Choices,
    dataset: splits.Dataset,
    objective: kinds.Objective = classification.OF_LOGITS,
) -> None:
    """Checks that a network can be written in all number formats of a run.

    Args:
        model: the float network, with any weights.
        name: its name, for messages.
        quantization: the formats, and whether they are trained for.
        choices: of the run.
        dataset: whose first train images calibrate.
        objective: of the run.

    Raises:
        PipelineError: it cannot; names the format, and the layer in the way.
    """
    calibration = choices.preprocessing.real(dataset.train.inputs[:CALIBRATION_IMAGES])
    job = jobs.Job(
        network=name,
        quantization=quantization,
        choices=choices,
        dataset=dataset,
        objective=objective,
        calibration=calibration,
        # Nothing is written there.
        folder=run_folder.RunFolder(pathlib.Path("rehearsal")),
        trained=kept_stages.Trained(model, 0, ()),
        quantized={},
    )
    is_trained = quantization.method == "qat"
    require_all(
        model,
        name,
        {
            each.name: functools.partial(
                _rehearse, catalog.of(each.name), job, is_trained
            )
            for each in quantization.number_formats
        },
        outputs=objective.head.outputs,
    )


def require_all(
    model: keras.Model,
    name: str,
    writings: Mapping[str, Callable[[], object]],
    outputs: int = 1,
) -> None:
    """Checks that a network has a graph, its outputs, and all forms that are asked for.

    Args:
        model: the float network, with any weights.
        name: its name, for messages.
        writings: form -> does with the network what is done with it after training, in
            memory; raises a PipelineError that says why it cannot be.
        outputs: that the network must have.

    Raises:
        PipelineError: it cannot; names the form, and the layer in the way.
    """
    # Layers that have no place in a graph, by their names.
    from_keras.read(model, name=name)
    if len(model.outputs) != outputs:
        told = "one output" if outputs == 1 else f"{outputs} outputs"
        layers = ", ".join(f"'{each.node.layer.name}'" for each in model.outputs)
        raise errors.QuantizationError(
            f"what is learned needs {told} of a network; '{name}' has "
            f"{len(model.outputs)}, of the layers {layers[:200]}"
        )
    for form, write in writings.items():
        try:
            write()
        except errors.PipelineError as error:
            lead = f"'{name}' cannot be written as {form}: "
            raise type(error)(errors.told(lead, [str(error)])) from error


def _rehearse(each: deployment.Deployment, job: jobs.Job, is_trained: bool) -> None:
    if is_trained:
        scheme = each.training(job.choices)
        prepared = scheme.prepare(scheme.fold(job.trained.model), job.calibration)
        quantized = {each.number_format.name: kept_stages.Trained(prepared, 0, ())}
        job = dataclasses.replace(job, quantized=quantized)
    each.rehearse(job)
