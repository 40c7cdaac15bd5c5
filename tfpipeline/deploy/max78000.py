"""A trained run in the integers of the MAX78000: PTQ, QAT, files of the vendor."""

import dataclasses
import logging
from typing import Any

import numpy as np

from export.max78000 import files, network
from tfpipeline import number_formats
from tfpipeline.compat import keras
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import deployment
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.post_training import max78000 as post_training
from tfpipeline.quantization import input_ranges
from tfpipeline.quantization.max78000 import rewrites
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.readers import from_max78000
from tfpipeline.targets.max78000 import (
    assemble,
    lost_weights,
    lowering,
    program,
    simulate,
)
from tfpipeline.targets.max78000 import policy as policies
from tfpipeline.training import scheme

_FORMAT = number_formats.named("max78000")
_LOG = logging.getLogger("tfpipeline.train")
# The device has none of them.
_HOST_FUNCTIONS = ("softmax", "sigmoid", "tanh", "hard_swish")


def _check(g: graph.Graph, choices: choices_lib.Choices) -> None:
    """Places the network before any training.

    Raises:
        TargetError: all constraints that it breaks, and memories that are too small.
        UsageError: a policy for layers that it does not have, or inputs out of range.
    """
    input_ranges.require_signed(choices.input_range)
    policy = _policy(choices)
    names = tuple(x.name for x in g.layers if isinstance(x, graph.Weighted))
    policy.check_names(names, g.name)
    bits = {name: policy.bits(name) for name in names}
    network.place(lowering.lower(g, weight_bits=bits))


def _training(choices: choices_lib.Choices) -> scheme.Scheme:
    options = max78000.Scheme(_policy(choices))
    return scheme.Scheme(
        prepare=lambda model, images: max78000.prepare_qat(model, images, options),
        build=lambda model: max78000.build(model, options),
        target=rewrites.TARGET,
    )


def _policy(choices: choices_lib.Choices) -> policies.Policy:
    """Weight bits by layer, of the file or of --weight_bits."""
    if choices.policy is None:
        return policies.Policy(weight_bits=choices.weight_bits)
    return policies.parse(choices.policy)


def _rehearse(job: jobs.Job) -> None:
    if _FORMAT.name in job.quantized:
        model = job.quantized[_FORMAT.name].model
    else:
        model = _after_training(job)
    g, _ = _bind(model, job.network)
    files.contents(network.prepare(g), job.network)


def _after_training(job: jobs.Job) -> keras.Model:
    """The float network in the device's integers, without training for them."""
    options = max78000.Scheme(_policy(job.choices))
    return post_training.prepared(job.trained.model, job.calibration, options)


def _deploy(job: jobs.Job) -> deployment.Deployed:
    _LOG.info("post-training quantization in the same integers, for comparison")
    model = _after_training(job)
    g, bound = _bind(model, job.network)
    rows = [job.row(_FORMAT.ptq, _predict(job, g, bound).real)]
    agreed = None
    if _FORMAT.name in job.quantized:
        model = job.quantized[_FORMAT.name].model
        fake_quantized = job.logits(max78000.exact(model))
        g, bound = _bind(model, job.network)
        integers = _predict(job, g, bound)
        more, agreed = job.trained_rows(_FORMAT, fake_quantized, integers)
        rows += more
    export = _export(job, g) if _FORMAT.name in job.quantization.exports else None
    if export is not None and agreed is not None:
        export["fake_quantized"] = agreed
    float_graph, options = from_max78000.float_network(model)
    notes = lost_weights.notes(float_graph, options.policy)
    return deployment.Deployed(tuple(rows), g, export, float_graph, notes)


def _export(job: jobs.Job, g: graph.Graph) -> dict[str, Any]:
    # The image that the vendor's tool simulates, and whose results the chip compares.
    prepared = network.prepare(g, _integers(job.inputs["test"][0]))
    prepared = dataclasses.replace(prepared, metadata=job.metadata)
    folder = job.folder.export(_FORMAT.name)
    files.write(folder, prepared, f"{job.network}_{job.dataset.name}")
    size = (folder / files.CHECKPOINT_FILE).stat().st_size
    return {"file": files.DESCRIPTION_FILE, "checkpoint_bytes": size}


def _bind(model: keras.Model, name: str) -> tuple[graph.Graph, program.Program]:
    g = from_max78000.read(model, name=name)
    return g, assemble.assemble(lowering.lower(g), g)


def _predict(job: jobs.Job, g: graph.Graph, bound: program.Program) -> jobs.ChipOutputs:
    """Integers of the device."""
    steps = [each.output for each in lowering.lower(g).steps]
    places = [steps.index(name) for name in g.outputs] if len(g.outputs) > 1 else [-1]
    outputs = {}
    for split in jobs.SPLITS:
        images = _integers(job.inputs[split])
        # The device has rows, columns and channels, also of a line or a vector.
        images = images.reshape(len(images), *bound.input_shape)
        computed = simulate.outputs_of(bound, images, places)
        rows = [values.reshape(len(values), -1) for values in computed]
        outputs[split] = np.concatenate(rows, axis=1)
    head = job.objective.head
    return jobs.ChipOutputs(
        outputs,
        step=_steps(g),
        head=head,
        # `from_max78000` reads what the device computes.
        ends_on_host=head.function in _HOST_FUNCTIONS,
    )


def _steps(g: graph.Graph) -> np.ndarray:
    """What an integer of each value of the outputs stands for."""
    steps = []
    for name in g.outputs:
        tensor = g.tensors[name]
        assert tensor.quant is not None
        steps.append(np.full(tensor.num_elements, tensor.quant.scale[0]))
    return np.concatenate(steps)


def _integers(inputs: np.ndarray) -> np.ndarray:
    """int8 of the network's inputs, in steps of 1/128; a pixel is pixel - 128."""
    return np.clip(np.rint(inputs * np.float32(128)), -128, 127).astype(np.int8)


DEPLOYMENT = deployment.Deployment(_FORMAT, _check, _training, _rehearse, _deploy)
