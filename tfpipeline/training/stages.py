"""The stages of a network: float training, then quantization-aware.

Each number format has a quantization-aware stage of its own, all from the same float
network. The schedule is the face-classification study's: train in float until the
validation loss stops improving (best epoch E), start QAT from the weights of epoch E
with the learning rate divided by 10, stop early again (best network N).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfpipeline import run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.configs.network import Network
from tfpipeline.data import splits
from tfpipeline.keras_networks import float_twin, stochastic_depth
from tfpipeline.models import forms, registry
from tfpipeline.own_networks import prepared
from tfpipeline.training import kept_stages, loop, precision, strategies
from tfpipeline.training import scheme as schemes
from tfpipeline.training.tasks import supervised


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """What the stages of a run share.

    Attributes:
        network: what is built.
        recipe: what it learns, and how.
        dataset: train and validation are used, test is not.
        folder: of the run.
        strategy: devices.
    """

    network: Network
    recipe: supervised.Config
    dataset: splits.Dataset
    folder: run_folder.RunFolder
    strategy: tf.distribute.Strategy


def set_up_tensorflow(seed: int) -> None:
    """Makes everything that follows repeatable on this machine."""
    tf.config.experimental.enable_op_determinism()
    # Dropout then draws from generators that the loop can restart at each epoch.
    keras.backend.experimental.enable_tf_random_generator()
    # Names that layers get by themselves count from one again.
    keras.backend.reset_uids()
    keras.utils.set_random_seed(seed)


def train_float(
    classifier: Classifier, stage: loop.StageConfig, number_format: str
) -> kept_stages.Trained:
    """Float training, resumed or already done where the folder says so.

    Args:
        classifier: of the run.
        stage: how long, with which optimizer; of no epochs, the network stays as it
            is built.
        number_format: of the arithmetic, "float32" or "bfloat16".
    """
    done = kept_stages.find(classifier.folder, stage.name)
    if done is not None:
        return done

    def built(arithmetic: str) -> keras.Model:
        objective = classifier.recipe.objective
        return build(
            classifier.network, classifier.dataset, objective.num_outputs, arithmetic
        )

    if not stage.epochs:
        return kept_stages.keep(
            kept_stages.Trained(built("float32"), 0, (), stage.name),
            classifier.folder,
            classifier.strategy,
        )
    with classifier.strategy.scope():
        model, twin = precision.with_twin(built, number_format)
    model = strategies.as_one(classifier.strategy, model)
    task = supervised.task(
        stage, classifier.recipe, classifier.dataset, model, evaluated=twin
    )
    return kept_stages.train(
        stage,
        model,
        task,
        classifier.folder,
        classifier.strategy,
        rebuild=lambda: built("float32"),
    )


def train_qat(
    classifier: Classifier,
    stage: loop.StageConfig,
    scheme: schemes.Scheme,
    trained: kept_stages.Trained,
    calibration: np.ndarray,
    earlier: Sequence[kept_stages.Trained] = (),
    start: kept_stages.Trained | None = None,
) -> kept_stages.Trained:
    """Quantization-aware training from the best float weights, resumed likewise.

    Every number format sees the same batches in the same order.

    Args:
        classifier: of the run.
        stage: of the number format.
        scheme: of the number format.
        trained: the float network.
        calibration: inputs that set ranges, float32 [N, H, W, C].
        earlier: stages between the float network's and this one, for metrics.jsonl.
        start: of them the one whose weights this one begins with; those of the float
            network if None.
    """
    done = kept_stages.find(classifier.folder, stage.name)
    if done is not None:
        return done
    before = trained.model if start is None else float_twin.extract(start.model)
    folded = scheme.fold(before)
    calibrated = scheme.prepare(folded, calibration)
    model = strategies.distributed(
        classifier.strategy, calibrated, lambda: scheme.build(folded)
    )
    task = supervised.task(
        stage,
        classifier.recipe,
        classifier.dataset,
        model,
        after_epoch=scheme.after_epoch,
    )
    return kept_stages.train(
        stage,
        model,
        task,
        classifier.folder,
        classifier.strategy,
        rebuild=lambda: calibrated,
        earlier=[record for each in (trained, *earlier) for record in each.history],
    )


def build(
    network: Network,
    dataset: splits.Dataset,
    num_outputs: int,
    number_format: str = "float32",
) -> keras.Model:
    """The network that training begins with, for the inputs of `dataset`.

    Raises:
        PipelineError: a network of one's own cannot be read, or does not fit the data.
        UsageError: it has no residual branches to leave out.
    """
    model = _built(network, dataset, num_outputs, number_format)
    if network.stochastic_depth:
        return stochastic_depth.insert(model, network.stochastic_depth)
    return model


def _built(
    network: Network, dataset: splits.Dataset, num_outputs: int, number_format: str
) -> keras.Model:
    if network.form.kind is not forms.Kind.NAME:
        own = prepared.prepare(
            network.form,
            network.form.digest(),
            network.model_options,
            dataset.input_shape,
            num_outputs,
            network.custom_objects,
        )
        return own.build(number_format, fresh=not network.has_weights)
    with precision.computing_in(number_format):
        return registry.build(
            network.model,
            input_shape=dataset.input_shape,
            num_classes=num_outputs,
            batch_norm=network.batch_norm,
            dropout=network.dropout,
            width=network.width,
        )
