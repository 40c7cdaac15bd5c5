"""What a run of tfpipeline.train_descriptor does: data, stages, verification."""

import contextlib
import dataclasses
import functools
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, driver, errors, run_artifacts, run_folder, run_lock
from tfpipeline import descriptor_forms as forms
from tfpipeline.configs.descriptor import DescriptorRun
from tfpipeline.data import (
    lfw_people,
    people,
    preprocessing,
    specs,
    splits,
    verification_sets,
)
from tfpipeline.data import unlabeled as unlabeled_pictures
from tfpipeline.deploy import catalog as deployments
from tfpipeline.deploy import choices, rehearsal
from tfpipeline.identification import matching, network
from tfpipeline.ir import graph, serialize
from tfpipeline.readers import from_keras
from tfpipeline.report import costs
from tfpipeline.report import verification as tables
from tfpipeline.report.findings import estimating, evidence, histories, networks
from tfpipeline.report.findings import pairs as pair_findings
from tfpipeline.report.run_pages import run_page
from tfpipeline.study.measures import verification
from tfpipeline.targets.gap8 import program, program_file
from tfpipeline.training import (
    descriptor_qat,
    descriptor_stage,
    kept_stages,
    loop,
    precision,
    stages,
    strategies,
    teachers,
)
from tfpipeline.training.tasks import embedding

_LOG = logging.getLogger("tfpipeline.train_descriptor")
# Forms whose integers the run keeps for tfpipeline.identify, and where.
_APPLICATIONS = {"gap8": "gap8", "gap8_qat": "gap8_16_qat"}
# In what is written of a threshold.
_RATE = "max_false_accept_rate"


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    """A trained run that is about to be verified.

    Attributes:
        config: of the run.
        source: all photographs.
        calibration: photographs that set ranges, uint8 [N, S, S, 1].
        folder: of the run.
        trained: the float network.
        quantized: form -> the network trained for it, of those trained now.
        graph: the float network's.
    """

    config: DescriptorRun
    source: people.People
    calibration: np.ndarray
    folder: run_folder.RunFolder
    trained: kept_stages.Trained
    quantized: Mapping[str, kept_stages.Trained]
    graph: graph.Graph


def run(config: DescriptorRun) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    with contextlib.ExitStack() as held:
        return _run(config, held)


def _run(config: DescriptorRun, held: contextlib.ExitStack) -> dict[str, Any]:
    folder = run_folder.of(config.workdir)
    stages.set_up_tensorflow(config.seed)
    strategy = strategies.create(config.strategy)
    source = _load(config)
    positions, split = descriptor_stage.training_split(
        source, config.people.held_out, config.people.min_images
    )
    unlabeled = None
    if config.teacher.unlabeled is not None:
        unlabeled = unlabeled_pictures.read(config.teacher.unlabeled, specs.LFW_SIDE)
    if not folder.history(run_folder.FLOAT).exists():
        _rehearse(config, source, split, folder)
    if strategies.is_chief(strategy):
        held.enter_context(run_lock.held(folder.root))
        _begin(config, source, unlabeled, positions, folder)
    config = with_damaged(config, folder)
    for form in config.forms:
        descriptor_qat.require_same(config.quantization, form, folder)
    verified = _verified(config, folder)
    validation = config.people.validation_folds
    descriptors = descriptor_stage.Descriptors(
        network=config.network,
        source=source,
        split=split,
        validation=source.pairs.take(validation) if validation else None,
        folder=folder,
        strategy=strategy,
    )
    forms_to_train = [
        form for form in config.forms if form in forms.TRAINED and form not in verified
    ]
    recipe = _recipe(config)
    to_train = (run_folder.FLOAT, *map(forms.stored_name, forms_to_train))
    if config.teacher.path is not None and not all(
        folder.history(stage).exists() for stage in to_train
    ):
        recipe = dataclasses.replace(
            recipe, taught=_taught(config, source, positions, unlabeled)
        )
        stages.set_up_tensorflow(config.seed)
    job = _train(config, recipe, descriptors, forms_to_train)
    if not strategies.is_chief(strategy):
        return {}
    serialize.write(job.graph, folder.graph)

    # The tested folds are touched from here on, with every choice made.
    distances: dict[str, np.ndarray] = {}
    results = {
        "flags": config.identity(),
        "people": int(split.targets.max()) + 1,
        "images": len(split),
        **job.trained.record(),
        "verification": {
            forms.stored_name(form): record
            for form, record in _verify(job, verified, distances).items()
        },
    }
    results["findings"] = _findings(job, distances)
    trained_stages = [forms.stored_name(form) for form in forms.TRAINED]
    kept_stages.restore_metrics(folder, [job.trained.stage, *trained_stages])
    return driver.finish(folder, results, _summary(results), run_page.write)


def _load(config: DescriptorRun) -> people.People:
    """The photographs.

    Raises:
        UsageError: they have fewer folds than the run names.
    """
    source = verification_sets.load(
        config.people.dataset,
        data_dir=config.people.data_dir,
        pairs=config.people.pairs,
        side=config.people.image_side,
        photographs=config.people.photographs,
        keeps_colors=config.teacher.path is not None,
    )
    folds = source.pairs.num_folds
    unknown = [fold for fold in config.people.held_out if fold >= folds]
    if unknown:
        raise errors.UsageError(
            f"{config.people.dataset} has folds 0 to {folds - 1}; found "
            f"{', '.join(map(str, unknown))}"
        )
    return source


def _rehearse(
    config: DescriptorRun,
    source: people.People,
    split: splits.Split,
    folder: run_folder.RunFolder,
) -> None:
    """Describes a photograph by the untrained network in every form, in memory.

    Afterwards everything is as if this had not been.

    Raises:
        PipelineError: it cannot be; names the form, and the layer in the way.
    """
    _LOG.info("rehearsing the forms, in memory")
    name = config.network.model
    model = descriptor_stage.build(config.network, source)
    calibration = split.inputs[: rehearsal.CALIBRATION_IMAGES]

    def describe(form: str) -> None:
        chosen, quantized = forms.GAP8[form], {}
        g = from_keras.read(model, name=name)
        check = deployments.of(chosen.number_format.name).check
        if check is not None:
            check(g, choices.Choices())
        if chosen.is_trained:
            prepared = descriptor_qat.prepare(model, chosen, calibration, name)
            quantized[form] = kept_stages.Trained(prepared.network, 0, ())
        job = _Job(
            config=config,
            source=source,
            calibration=calibration,
            folder=folder,
            trained=kept_stages.Trained(model, 0, ()),
            quantized=quantized,
            graph=g,
        )
        p = _integers(job, form)
        if form in _APPLICATIONS:
            program_file.to_bytes(p)
        forms.gap8_describer(chosen, p)(calibration[:1])

    writings = {
        form: functools.partial(describe, form)
        for form in dict.fromkeys(config.forms)
        if form in forms.GAP8
    }
    rehearsal.require_all(model, name, writings)
    stages.set_up_tensorflow(config.seed)


def _taught(
    config: DescriptorRun,
    source: people.People,
    positions: np.ndarray,
    unlabeled: np.ndarray | None,
) -> teachers.OfDescriptors:
    """What the teacher says of the photographs that are trained on.

    Args:
        config: of the run.
        source: all photographs.
        positions: of those that are trained on.
        unlabeled: further ones, uint8 [M, S, S, 3].

    Raises:
        PipelineError: the teacher cannot be read, or does not look at pictures.
    """
    asked = config.teacher
    form = asked.form
    if form is None:
        raise ValueError("there is no teacher")
    model = teachers.load(form)
    shown = (source.images if source.colors is None else source.colors)[positions]
    taken = preprocessing.SIGNED
    if asked.input_range != preprocessing.AUTO:
        taken = preprocessing.of(asked.input_range, True, shown)
    more = None
    if unlabeled is not None:
        seen = people.box_resized(lfw_people.gray(unlabeled), config.people.image_side)
        more = seen, unlabeled
    _LOG.info(
        "the teacher %s looks at %d photographs",
        form.title,
        len(shown) + (0 if unlabeled is None else len(unlabeled)),
    )
    return teachers.of_descriptors(
        model,
        shown,
        more,
        taken,
        asked,
        mirrored=config.augmentation.horizontal_flip,
    )


def _train(
    config: DescriptorRun,
    recipe: embedding.Config,
    descriptors: descriptor_stage.Descriptors,
    forms_to_train: Sequence[str],
) -> _Job:
    """Trains in float, and then in every form that is asked for."""
    stage = _stage(config)
    trained = descriptor_stage.train(
        descriptors, stage, recipe, precision.resolve(config.training.precision)
    )
    split = descriptors.split
    chosen = splits.calibration_indices(
        len(split), config.quantization.calibration_images, config.seed
    )
    calibration = split.inputs[chosen]
    quantized = {
        form: descriptor_qat.train(
            *(descriptors, form, stage, recipe, config.quantization),
            *(trained, calibration),
        )
        for form in forms_to_train
    }
    return _Job(
        config=config,
        source=descriptors.source,
        calibration=calibration,
        folder=descriptors.folder,
        trained=trained,
        quantized=quantized,
        graph=from_keras.read(trained.model, name=config.network.model),
    )


def _stage(config: DescriptorRun) -> loop.StageConfig:
    return loop.StageConfig(
        name=run_folder.FLOAT,
        epochs=config.training.epochs,
        optimizer=config.optimizer,
        patience=config.training.patience,
        seed=config.seed * 10 + 1,
        ema_decay=config.training.ema_decay,
        jit_compile=config.training.jit_compile,
    )


def _recipe(config: DescriptorRun) -> embedding.Config:
    return embedding.Config(
        people=config.batches.people,
        images=config.batches.images,
        groups_per_person=config.batches.groups_per_person,
        loss=config.loss,
        augmentation=config.augmentation,
    )


def _begin(
    config: DescriptorRun,
    source: people.People,
    unlabeled: np.ndarray | None,
    positions: np.ndarray,
    folder: run_folder.RunFolder,
) -> None:
    data = {"fingerprint": source.fingerprint(), "train": len(positions)}
    if unlabeled is not None:
        pixels = np.ascontiguousarray(unlabeled).data
        digest = hashlib.sha256(str(data["fingerprint"]).encode("ascii"))
        digest.update(pixels)
        data = {**data, "fingerprint": digest.hexdigest(), "unlabeled": len(unlabeled)}
    driver.begin(folder, config, data, seed=config.seed)
    atomic_files.write_json(folder.splits_json, {"train_positions": positions.tolist()})
    _LOG.info(
        "%s: %d photographs of %d people to train on, %d pairs to test",
        config.people.dataset,
        len(positions),
        len(np.unique(source.labels[positions])),
        len(source.pairs.take(config.people.test_folds)),
    )


def _verified(config: DescriptorRun, folder: run_folder.RunFolder) -> dict[str, Any]:
    """Results of earlier starts by form, without those that have to be had again."""
    if not folder.results_json.exists():
        return {}
    results = atomic_files.read_json(folder.results_json).get("verification", {})
    named = {forms.named(stored): record for stored, record in results.items()}
    return {
        form: record
        for form, record in named.items()
        if form not in config.forms or _is_current(config, form, folder)
    }


def with_damaged(config: DescriptorRun, folder: run_folder.RunFolder) -> DescriptorRun:
    """The config, which also asks for forms of earlier starts that are damaged."""
    if not folder.results_json.exists():
        return config
    results = atomic_files.read_json(folder.results_json).get("verification", {})
    known = {forms.named(stored) for stored in results}
    damaged = [
        form
        for form in forms.NAMES
        if form in known - set(config.forms) and _is_damaged(form, folder)
    ]
    return dataclasses.replace(config, evaluate=(*config.evaluate, *damaged))


def _is_current(config: DescriptorRun, form: str, folder: run_folder.RunFolder) -> bool:
    """Says whether nothing is to be done for a form that has figures.

    Its own training must still be there, and for the application a threshold that was
    chosen by today's rate.
    """
    if form in forms.TRAINED and not folder.model(forms.stored_name(form)).exists():
        return False
    if _is_damaged(form, folder):
        return False
    if form not in _APPLICATIONS:
        return True
    record = network.threshold_record(folder.export(_APPLICATIONS[form]))
    return record.get(_RATE) == config.max_false_accept_rate


def _is_damaged(form: str, folder: run_folder.RunFolder) -> bool:
    """Whether a file of a form is not as it was written, or is gone."""
    places = []
    if form in forms.TRAINED:
        places.append(folder.model(forms.stored_name(form)))
    if form in _APPLICATIONS:
        places.append(folder.export(_APPLICATIONS[form]))
    return any(run_artifacts.changed(folder, place) for place in places)


def _findings(job: _Job, distances: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the run says of itself for its page; writes the distances of pairs.

    Args:
        job: verified.
        distances: stored name of a form that was verified now -> its distances.
    """
    folds = job.config.people
    same = job.source.pairs.take(folds.held_out).same
    earlier = None
    if job.folder.predictions.exists():
        earlier = evidence.read(job.folder.predictions)
    found = pair_findings.evidence(distances, same, earlier)
    evidence.write(job.folder.predictions, found, (), np.zeros((0, 1), np.uint8))
    name = forms.GAP8["gap8"].number_format.name
    estimates = estimating.of_format(job.graph, name)
    trained = (job.trained, *job.quantized.values())
    return {
        "pairs": pair_findings.measure(found),
        "history": {each.stage: histories.columns(each.history) for each in trained},
        "network": networks.describe(job.graph),
        "targets": {name: costs.to_dict(job.graph.name, estimates)["targets"]},
    }


def _verify(
    job: _Job, verified: Mapping[str, Any], found: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Results by form: `verified`, and those that are asked for besides.

    The distances of these are put into `found`, by the form's stored name.
    """
    folds = job.config.people
    results = dict(verified)
    pairs = job.source.pairs.take(folds.held_out)
    for form in job.config.forms:
        if form in results:
            continue
        describe = _describer(job, form)
        started = time.monotonic()
        distances = descriptor_stage.pair_distances(describe, job.source, pairs)
        _LOG.info("%s: described in %.0f s", form, time.monotonic() - started)
        found[forms.stored_name(form)] = distances
        results[form] = verification.verify(
            distances,
            pairs.same,
            pairs.folds,
            test=folds.test_folds,
            choice=folds.validation_folds,
        ).record()
        if form in _APPLICATIONS:
            _write_threshold(job.config, form, distances, pairs, job.folder)
    return {form: results[form] for form in forms.NAMES if form in results}


def _describer(job: _Job, form: str) -> forms.Describer:
    """A form of the network; integers for the application are kept in the folder."""
    if form == forms.FLOAT:
        return embedding.describer(job.trained.model)
    p = _integers(job, form)
    if form in _APPLICATIONS:
        export = job.folder.export(_APPLICATIONS[form])
        program_file.write(export / program_file.FILE_NAME, p)
    return forms.gap8_describer(forms.GAP8[form], p)


def _integers(job: _Job, form: str) -> program.Program:
    """The network in the integers of a form."""
    chosen = forms.GAP8[form]
    if chosen.is_trained:
        return descriptor_qat.integers(
            job.quantized[form].model, chosen, job.calibration, job.graph.name
        )
    return forms.gap8_program(chosen, job.graph, job.calibration)


def _write_threshold(
    config: DescriptorRun,
    form: str,
    distances: np.ndarray,
    pairs: people.Pairs,
    folder: run_folder.RunFolder,
) -> None:
    """Writes what tfpipeline.identify takes for one person's, for a network in use.

    Chosen on the validation folds where there are any; the figures of the tested folds
    have thresholds of their own.
    """
    folds = config.people.validation_folds or config.people.test_folds
    chosen = np.isin(pairs.folds, folds)
    distances, same = distances[chosen], pairs.same[chosen]
    rate = config.max_false_accept_rate
    threshold = matching.choose_threshold(distances, same, rate)
    network.write_threshold(
        folder.export(_APPLICATIONS[form]),
        threshold,
        {
            _RATE: rate,
            "chosen_on": "validation" if config.people.validation_folds else "test",
            "chosen_on_folds": list(folds),
            "pairs": len(same),
            "true_accept_rate": float(np.mean(distances[same] <= threshold)),
            "false_accept_rate": float(np.mean(distances[~same] <= threshold)),
        },
    )


def _summary(results: dict[str, Any]) -> str:
    return (
        f"trained on {results['images']} photographs of {results['people']} people, "
        f"epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['seconds']:.0f} s\n\n"
        + tables.table(
            {forms.named(stored): x for stored, x in results["verification"].items()}
        )
    )
