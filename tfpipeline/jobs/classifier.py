"""What a run of tfpipeline.train does: data, stages, evaluation, export, summary."""

import contextlib
import dataclasses
import logging
import time
from typing import Any

import numpy as np

from export.audio import beside
from export.tflite import float32 as float32_export
from tfpipeline import (
    atomic_files,
    driver,
    errors,
    number_formats,
    run_artifacts,
    run_folder,
    run_lock,
)
from tfpipeline.audio import front_end
from tfpipeline.configs.run import Run
from tfpipeline.data import catalog, parts, preprocessing, splits
from tfpipeline.data.own import labels
from tfpipeline.deploy import catalog as deployments
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
from tfpipeline.deploy import rehearsal
from tfpipeline.ir import graph, serialize
from tfpipeline.jobs import classifier_findings
from tfpipeline.metadata import flags as metadata_flags
from tfpipeline.metadata import model_metadata
from tfpipeline.models import forms, specs
from tfpipeline.post_training import float_network
from tfpipeline.readers import from_keras
from tfpipeline.report import summary
from tfpipeline.report.findings import estimating
from tfpipeline.report.run_pages import run_page
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import head
from tfpipeline.tasks import kind as kinds
from tfpipeline.training import (
    kept_stages,
    loop,
    objectives,
    precision,
    stages,
    strategies,
    teachers,
)
from tfpipeline.training import scheme as schemes
from tfpipeline.training.tasks import supervised

_LOG = logging.getLogger("tfpipeline.train")


def run(config: Run) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    with contextlib.ExitStack() as held:
        return _run(config, held)


def _run(config: Run, held: contextlib.ExitStack) -> dict[str, Any]:
    started = time.monotonic()
    folder = run_folder.of(config.workdir)
    stages.set_up_tensorflow(config.seed)
    strategy = strategies.create(config.strategy)
    parts.require_shares(config.classes.batch_size, strategy.num_replicas_in_sync)
    dataset = load(config)
    objective = objective_of(config, dataset)
    choices = choices_lib.Choices(
        preprocessing=_preprocessing(config, dataset, objective),
        weight_bits=config.quantization.weight_bits,
        policy=config.quantization.policy,
    )
    _check(config, choices, dataset, objective)
    if not run_folder.of(config.workdir).history(run_folder.FLOAT).exists():
        _rehearse(config, choices, dataset, objective)
    calibrating = splits.calibration_indices(
        len(dataset.train), config.quantization.calibration_images, config.seed
    )
    if strategies.is_chief(strategy):
        held.enter_context(run_lock.held(folder.root))
        _begin(config, dataset, objective, calibrating, folder)
    if _is_complete(config.quantization.exports, folder):
        return driver.ended(folder, run_page.write)

    recipe = _recipe(config, choices, objective)
    if config.teacher.path is not None:
        recipe = dataclasses.replace(recipe, taught=_taught(config, recipe, dataset))
        _restore_seeds(config, dataset, objective)
    classifier = stages.Classifier(config.network, recipe, dataset, folder, strategy)
    calibration = choices.preprocessing.real(dataset.train.inputs[calibrating])
    trained, quantized = _train(config, classifier, choices, calibration)
    if not strategies.is_chief(strategy):
        return {}

    # The test split is touched from here on, once, with every choice made.
    job = jobs.Job(
        config.network.name,
        config.quantization,
        choices,
        dataset,
        objective,
        calibration,
        folder,
        trained,
        quantized,
        _metadata(config, dataset, choices, objective),
    )
    given = config.images.reading.sound.value
    results = {"flags": config.identity(), **_evaluate_and_export(job, given)}
    results["seconds_this_start"] = time.monotonic() - started
    kept_stages.restore_metrics(folder, [trained.stage, *_qat_stages(config)])
    text = summary.render(results, folder)
    return driver.finish(folder, results, text, run_page.write)


def _preprocessing(
    config: Run, dataset: splits.Dataset, objective: kinds.Objective
) -> preprocessing.Preprocessing:
    """What the network takes of a stored input.

    A network of one's own that begins with a scaling takes pixels as they are, unless
    the flags say otherwise.
    """
    given, stored = config.images, dataset.train.inputs
    is_said = given.input_range != preprocessing.AUTO or not given.normalize
    is_ours = config.network.form.kind is forms.Kind.NAME
    if is_said or is_ours or stored.dtype != np.uint8:
        return preprocessing.of(given.input_range, given.normalize, stored)
    model = stages.build(config.network, dataset, objective.num_outputs)
    # Fresh weights depend on what was built before them.
    stages.set_up_tensorflow(config.seed)
    if not float_network.begins_scaled(model):
        return preprocessing.of(given.input_range, given.normalize, stored)
    _LOG.info("the network begins with a scaling: it takes pixels of 0 to 255")
    return preprocessing.of(preprocessing.PIXELS, given.normalize, stored)


def _metadata(
    config: Run,
    dataset: splits.Dataset,
    choices: choices_lib.Choices,
    objective: kinds.Objective,
) -> model_metadata.Metadata:
    """How the network is fed and what it says, for its exports."""
    reading = config.images.reading
    return model_metadata.Metadata(
        choices.preprocessing,
        dataset.train.inputs.dtype == np.uint8,
        () if objective.kind.learns_inputs else dataset.class_names,
        metadata_flags.reading(reading),
        reading.sound.value,
        objective.to_dict(),
    )


def load(config: Run) -> splits.Dataset:
    """The data of a run, as its task reads them."""
    given = config.images
    shape = _own_input_shape(config)
    if config.task.name == tasks.AUTO:
        return catalog.load_flags(given, config.seed, input_shape=shape)
    kind = tasks.named(config.task.name)
    if kind.reads_numbers and given.reading.targets == labels.AUTO:
        reading = dataclasses.replace(given.reading, targets=labels.NUMBERS)
        given = dataclasses.replace(given, reading=reading)
    return catalog.load_flags(
        given,
        config.seed,
        needs_every_class=kind.needs_every_class,
        reads_boxes=kind.reads_boxes,
        input_shape=shape,
    )


def _own_input_shape(config: Run) -> tuple[int, int, int] | None:
    """What a network by its name takes unless it is told otherwise."""
    if config.network.form.kind is forms.Kind.NAME:
        return specs.named(config.network.model).input_shape
    return None


def _train(
    config: Run,
    classifier: stages.Classifier,
    choices: choices_lib.Choices,
    calibration: np.ndarray,
) -> tuple[kept_stages.Trained, dict[str, kept_stages.Trained]]:
    """The float network, and by number format those trained for integers."""
    trained = stages.train_float(classifier, _float_stage(config), _precision(config))
    quantized: dict[str, kept_stages.Trained] = {}
    if config.quantization.method == "qat":
        for each in config.quantization.number_formats:
            stage = _qat_stage(config, each.stage)
            phases: list[kept_stages.Trained] = []
            for bits in config.quantization.bits_schedule[:-1]:
                phase = stages.train_qat(
                    classifier,
                    dataclasses.replace(stage, name=_phase(each, bits)),
                    _scheme_of_bits(each, bits, choices),
                    trained,
                    calibration,
                    earlier=(*quantized.values(), *phases),
                    start=phases[-1] if phases else None,
                )
                phases.append(phase)
            quantized[each.name] = stages.train_qat(
                classifier,
                stage,
                deployments.of(each.name).training(choices),
                trained,
                calibration,
                earlier=(*quantized.values(), *phases),
                start=phases[-1] if phases else None,
            )
    return trained, quantized


def _phase(number_format: number_formats.NumberFormat, bits: int) -> str:
    """The stage in which a format is trained with other bits first."""
    return f"{number_format.stage}_from_{bits}"


def _scheme_of_bits(
    number_format: number_formats.NumberFormat, bits: int, choices: choices_lib.Choices
) -> schemes.Scheme:
    """What trains a format with weights of other bits."""
    if number_formats.scheme_named(number_format.scheme).has_policy:
        chosen = dataclasses.replace(choices, weight_bits=bits)
        return deployments.of(number_format.name).training(chosen)
    [other] = [
        each for each in number_formats.alike(number_format) if each.weight_bits == bits
    ]
    return deployments.of(other.name).training(choices)


def objective_of(config: Run, dataset: splits.Dataset) -> kinds.Objective:
    """What the network of a run learns."""
    options = config.task.options(
        config.classes.label_smoothing, balances_classes=config.balances_classes
    )
    if objectives.traits(dataset).has_boxes:
        objective = objectives.of_detector(
            config.task.name,
            options,
            dataset,
            config.network.name,
            lambda values: stages.build(config.network, dataset, values),
        )
        stages.set_up_tensorflow(config.seed)
        return objective
    if config.network.is_detector:
        raise errors.UsageError(
            f"--model={config.network.model} is a detector, whose outputs are boxes, "
            f"and the targets of {dataset.name} are "
            f"{tasks.told(objectives.traits(dataset))}: give pictures with boxes "
            "(docs/data.md), or choose another network"
        )
    if config.network.form.kind is forms.Kind.NAME:
        return objectives.of(config.task.name, options, dataset)

    def read_head(num_outputs: int) -> head.Head:
        return objectives.head_of(stages.build(config.network, dataset, num_outputs))

    objective = objectives.of(config.task.name, options, dataset, read_head)
    # Fresh weights depend on what was built before them.
    stages.set_up_tensorflow(config.seed)
    return objective


def _precision(config: Run) -> str:
    """The number format of float training."""
    is_ours = config.network.form.kind is forms.Kind.NAME
    if config.training.precision == "auto" and not is_ours:
        # Nobody knows whether a network of one's own bears less precision.
        return "float32"
    return precision.resolve(config.training.precision)


def _recipe(
    config: Run, choices: choices_lib.Choices, objective: kinds.Objective
) -> supervised.Config:
    return supervised.Config(
        batch_size=config.classes.batch_size,
        augmentation=config.augmentation,
        objective=objective,
        preprocessing=choices.preprocessing,
    )


def _float_stage(config: Run) -> loop.StageConfig:
    return loop.StageConfig(
        name=run_folder.FLOAT,
        epochs=config.float_epochs,
        optimizer=config.optimizer,
        patience=config.training.patience,
        seed=config.seed * 10 + 1,
        ema_decay=config.training.ema_decay,
        jit_compile=config.training.jit_compile,
    )


def _qat_stage(config: Run, name: str) -> loop.StageConfig:
    qat, optimizer = config.quantization, config.optimizer
    return loop.StageConfig(
        name=name,
        epochs=qat.epochs,
        optimizer=dataclasses.replace(
            optimizer,
            name=optimizer.name if qat.optimizer == "same" else qat.optimizer,
            learning_rate=optimizer.learning_rate / qat.learning_rate_divisor,
            schedule=qat.schedule,
            warmup_epochs=0.0,
            milestones=(),
        ),
        patience=qat.patience,
        seed=config.seed * 10 + 2,
        ema_decay=config.training.ema_decay,
        jit_compile=config.training.jit_compile,
    )


def _qat_stages(config: Run) -> list[str]:
    """Names of all quantization-aware trainings, in their order."""
    return [
        name
        for each in config.quantization.number_formats
        for name in (
            *(_phase(each, bits) for bits in config.quantization.bits_schedule[:-1]),
            each.stage,
        )
    ]


def _is_complete(exports: tuple[str, ...], folder: run_folder.RunFolder) -> bool:
    return run_artifacts.is_complete(folder) and all(
        folder.export_file(name).exists() for name in exports
    )


def _check(
    config: Run,
    choices: choices_lib.Choices,
    dataset: splits.Dataset,
    objective: kinds.Objective,
) -> None:
    """Refuses, before any training, what a number format has no place for."""
    for each in config.quantization.number_formats:
        check = deployments.of(each.name).check
        if check is None:
            continue
        # A network for each check and none without: fresh weights depend on what was
        # built before them, and those of a seed are to stay what they were.
        untrained = stages.build(config.network, dataset, objective.num_outputs)
        scheme = deployments.of(each.name).training(choices)
        if scheme.is_rewritten(untrained):
            untrained = scheme.fold(untrained)
        check(from_keras.read(untrained, name=config.network.name), choices)


def _rehearse(
    config: Run,
    choices: choices_lib.Choices,
    dataset: splits.Dataset,
    objective: kinds.Objective,
) -> None:
    """Writes the untrained network in every number format, in memory.

    What cannot be written is refused before training instead of after it. Fresh weights
    depend on the networks that were built before them: afterwards everything is as if
    this had not been.
    """
    _LOG.info("rehearsing the export, in memory")
    rehearsal.require(
        stages.build(config.network, dataset, objective.num_outputs),
        config.network.name,
        config.quantization,
        choices,
        dataset,
        objective,
    )
    _restore_seeds(config, dataset, objective)


def _restore_seeds(
    config: Run, dataset: splits.Dataset, objective: kinds.Objective
) -> None:
    """Makes fresh weights those that there are behind `_check`, and nothing else."""
    stages.set_up_tensorflow(config.seed)
    for each in config.quantization.number_formats:
        if deployments.of(each.name).check is not None:
            stages.build(config.network, dataset, objective.num_outputs)


def _taught(
    config: Run, recipe: supervised.Config, dataset: splits.Dataset
) -> teachers.OfClasses:
    """What the teacher says of the train split.

    Raises:
        UsageError: the task has no classes, or the teacher gives others.
        DataError: inputs are no pictures.
        PipelineError: the teacher cannot be read.
    """
    asked, kind = config.teacher, recipe.objective.kind
    form = asked.form
    if form is None:
        raise ValueError("there is no teacher")
    if kind.name != "classification":
        raise errors.UsageError(
            f"--teacher says how likely each class is, and --task={kind.name} has one "
            "answer only: leave it out"
        )
    if not dataset.train.has_pictures:
        raise errors.DataError("--teacher looks at pictures, and the inputs are none")
    model = teachers.load(form)
    inputs = dataset.train.inputs
    taken = recipe.preprocessing
    if asked.input_range != preprocessing.AUTO:
        taken = preprocessing.of(asked.input_range, True, inputs)
    _LOG.info("the teacher %s looks at %d pictures", form.title, len(inputs))
    return teachers.of_classes(
        model,
        objectives.head_of(model),
        inputs,
        taken,
        asked,
        num_classes=recipe.objective.num_outputs,
        mirrored=config.augmentation.horizontal_flip,
    )


def _begin(
    config: Run,
    dataset: splits.Dataset,
    objective: kinds.Objective,
    calibrating: np.ndarray,
    folder: run_folder.RunFolder,
) -> None:
    chosen = _precision(config)
    data = {
        "fingerprint": dataset.fingerprint(),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
    }
    driver.begin(folder, config, data, seed=config.seed, float_precision=chosen)
    atomic_files.write_json(
        folder.splits_json,
        {
            "validation_indices": dataset.validation_indices.tolist(),
            "calibration_indices": dataset.train_indices[calibrating].tolist(),
        },
    )
    _LOG.info("%s", dataset.description)
    _LOG.info(
        "%s on %s: %s; %d train, %d validation, %d test inputs %s; float training in "
        "%s",
        config.network.form.title,
        config.images.dataset,
        objective.kind.name,
        len(dataset.train),
        len(dataset.validation),
        len(dataset.test),
        "x".join(map(str, dataset.input_shape)),
        chosen,
    )


def _evaluate_and_export(
    job: jobs.Job, given: front_end.FrontEnd | None
) -> dict[str, Any]:
    folder, trained = job.folder, job.trained
    results: dict[str, Any] = {
        **_task_record(job.objective),
        "float": trained.record(),
        "accuracy": [job.row(summary.FLOAT, job.float_logits)],
        "exports": {},
    }
    if job.metadata is not None:
        results["metadata"] = job.metadata.to_json()
    for quantized in job.quantized.values():
        results[quantized.stage] = quantized.record()
    deployed = {
        each.name: deployments.of(each.name).deploy(job)
        for each in job.quantization.number_formats
    }
    for name, network in deployed.items():
        results["accuracy"] += network.rows
        if network.export is not None:
            results["exports"][name] = network.export
            if given is not None:
                _export_front_end(job, given, name, network.graph)
        if network.notes:
            results.setdefault("notes", {})[name] = list(network.notes)
    if number_formats.FLOAT in job.quantization.exports:
        results["exports"][number_formats.FLOAT] = float32_export.export(
            trained.model, folder.export(number_formats.FLOAT)
        )
    graphs = {name: network.graph for name, network in deployed.items()}
    if not graphs:
        read = from_keras.read(trained.model, name=job.network)
        graphs = {number_formats.FLOAT: read}
    estimates = {name: estimating.of_format(g, name) for name, g in graphs.items()}
    for place, (name, g) in enumerate(graphs.items()):
        text = estimating.text(estimates[name])
        if place == 0:
            serialize.write(g, folder.graph)
            results["estimate"] = text
        else:
            serialize.write(g, folder.other_graph(name))
            results.setdefault("other_estimates", {})[name] = text
    first = next(iter(graphs.values()))
    results["findings"] = classifier_findings.of(job, deployed, first, estimates)
    return results


def _export_front_end(
    job: jobs.Job, given: front_end.FrontEnd, name: str, g: graph.Graph
) -> None:
    """Writes the C of a front end beside the export of a number format."""
    place = job.folder.export(f"{name}_{beside.FOLDER}")
    beside.write(place, given, job.network, g.tensors[g.inputs[0]])
    _LOG.info("%s: the front end as C is in %s", name, place)


def _task_record(objective: kinds.Objective) -> dict[str, Any]:
    """What results.json says of the task; nothing of classes, as it always was."""
    record = objective.to_dict()
    return {"task": record} if record else {}
