"""Quantization-aware training of a descriptor network in the GAP8's fixed point.

From the best float network and the head that it ended with, with the same losses,
batches of another order, and a lower learning rate. Each width is a stage of its own,
resumed as the float one is, and may be added to a finished run at any time.

At 16 bits the network takes pixels 0 to 255, and its first convolution has the
normalization inside. That convolution stays as it is: an optimizer's steps are of the
size of the other layers' weights, and 128 times too long for these.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors, run_artifacts, run_folder
from tfpipeline import descriptor_forms as forms
from tfpipeline.compat import keras, tf
from tfpipeline.configs.descriptor import Quantization
from tfpipeline.ir import graph
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.readers import from_gap8, from_keras
from tfpipeline.targets.gap8 import calibrate, program, simulate
from tfpipeline.training import (
    checkpoints,
    descriptor_stage,
    kept_stages,
    loop,
    strategies,
)
from tfpipeline.training.tasks import embedding

_FLAGS = "flags.json"
# Photographs on which the integers must equal the trained network.
_COMPARED = 8


def train(
    descriptors: descriptor_stage.Descriptors,
    form: str,
    stage: loop.StageConfig,
    recipe: embedding.Config,
    quantization: Quantization,
    trained: kept_stages.Trained,
    calibration: np.ndarray,
) -> kept_stages.Trained:
    """Trains, resumed or already done where the folder says so.

    Args:
        descriptors: of the run.
        form: one of descriptor_forms.TRAINED.
        stage: of the float training.
        recipe: of the float training.
        quantization: what is other than there.
        trained: the float network.
        calibration: photographs that set ranges, uint8 [N, S, S, 1].

    Raises:
        UsageError: the folder holds this stage with other flags.
        QuantizationError: the scheme has no place for a layer.
        TrainingError: the loss is not finite.
        StorageError: a file of the run cannot be read or written.
    """
    folder, strategy = descriptors.folder, descriptors.strategy
    require_same(quantization, form, folder)
    if strategies.is_chief(strategy):
        stage_name = forms.stored_name(form)
        atomic_files.write_json(
            folder.model(stage_name) / _FLAGS, quantization.identity()
        )
    done = kept_stages.find(folder, forms.stored_name(form))
    if done is not None:
        return done
    chosen = forms.GAP8[form]
    prepared = prepare(trained.model, chosen, calibration, descriptors.network.model)
    network = strategies.distributed(
        strategy, prepared.network, lambda: gap8.build(prepared.folded, chosen.num_bits)
    )
    return descriptor_stage.run_stage(
        descriptors,
        _stage(stage, form, quantization),
        dataclasses.replace(
            recipe,
            # The float network has grown up with the full margin.
            loss=dataclasses.replace(recipe.loss, arcface_warmup_epochs=0),
            raw_pixels=chosen.is_raw,
        ),
        network,
        rebuild=lambda: prepared.network,
        earlier=_earlier(trained, form, folder),
        head=_head(trained, folder),
        frozen=_variables(network, prepared.frozen),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A network that is about to be trained with rounding.

    Attributes:
        network: rounds; its ranges are set.
        folded: the float network that it was made of.
        frozen: names of the layers that stay as they are.
    """

    network: keras.Model
    folded: keras.Model
    frozen: tuple[str, ...] = ()


def prepare(
    model: keras.Model, form: forms.Gap8Form, calibration: np.ndarray, name: str
) -> Prepared:
    """Gives a float network the rounding of a form.

    Args:
        model: takes normalized pixels.
        form: which.
        calibration: photographs that set ranges, uint8 [N, S, S, 1].
        name: of the network, for messages.

    Raises:
        QuantizationError: the scheme has no place for a layer.
    """
    folded = batch_norm_folding.fold(model)
    g = from_keras.read(folded, name=name)
    frozen: list[str] = []
    if form.is_raw:
        folded, frozen = _for_raw_pixels(folded, g)
        g = from_keras.read(folded, name=name)
    magnitudes = calibrate.calibrate(g, forms.network_input(form, calibration))
    network = gap8.prepare_qat(
        folded, g, magnitudes, num_bits=form.num_bits, raw_input=form.is_raw
    )
    return Prepared(network, folded, tuple(frozen))


def integers(
    network: keras.Model, form: forms.Gap8Form, images: np.ndarray, name: str
) -> program.Program:
    """The integers of a network of `train`.

    Args:
        network: trained.
        form: of it.
        images: photographs, uint8 [N, S, S, 1], on the first of which integers and
            network are compared.
        name: of the program.

    Raises:
        VerificationError: they differ.
    """
    p = from_gap8.read(network, name=name)
    inputs = forms.network_input(form, images[:_COMPARED])
    found = simulate.predict(p, simulate.quantize_images(p, inputs))
    steps = gap8.exact(network)(inputs.astype(np.float64), training=False).numpy()
    steps = steps * 2.0 ** p.tensors[p.outputs[0]].q
    different = np.flatnonzero((found.reshape(steps.shape) != steps).any(axis=-1))
    if different.size:
        raise errors.VerificationError(
            f"the integers of '{name}' at {form.num_bits} bits give another descriptor "
            f"than the trained network for {different.size} of {len(inputs)} "
            "photographs: this is a defect, please report it"
        )
    return p


def _stage(
    stage: loop.StageConfig, form: str, quantization: Quantization
) -> loop.StageConfig:
    divisor = quantization.learning_rate_divisor
    return dataclasses.replace(
        stage,
        name=forms.stored_name(form),
        epochs=quantization.epochs,
        optimizer=dataclasses.replace(
            stage.optimizer,
            learning_rate=stage.optimizer.learning_rate / divisor,
            warmup_epochs=0.0,
        ),
        # Batches of another order than the float training's.
        seed=stage.seed + 1,
    )


def _for_raw_pixels(
    network: keras.Model, g: graph.Graph
) -> tuple[keras.Model, list[str]]:
    """A copy of `network` with the normalization inside, and the layers with it."""
    raw = forms.for_raw_pixels(g)
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    names = []
    for layer in raw.layers:
        if g.inputs[0] not in layer.inputs:
            continue
        if not isinstance(layer, graph.Conv2D) or layer.bias is None:
            raise errors.QuantizationError(
                f"{layer.kind} '{layer.name}' reads the input; 16-bit training needs a "
                "convolution there"
            )
        # The graph's kernels have the outputs first, those of Keras last.
        kernel = raw.constants[layer.weights].transpose(1, 2, 3, 0)
        copy.get_layer(layer.name).set_weights([kernel, raw.constants[layer.bias]])
        names.append(layer.name)
    return copy, names


def _variables(network: keras.Model, names: Sequence[str]) -> list[tf.Variable]:
    return [
        variable
        for layer in network.layers
        if getattr(layer, "layer", layer).name in names
        for variable in layer.trainable_variables
    ]


def _head(
    trained: kept_stages.Trained, folder: run_folder.RunFolder
) -> list[np.ndarray]:
    """The head of the best float epoch, which is in the checkpoints only."""
    path = folder.checkpoints(run_folder.FLOAT)
    state = checkpoints.load_newest(path)
    if state is None:
        raise errors.StorageError(
            f"{path} holds no checkpoint of the float training, whose last layer "
            "quantization-aware training starts with; train in a new --workdir"
        )
    return list(state.best_weights)[len(trained.model.get_weights()) :]


def _earlier(
    trained: kept_stages.Trained, form: str, folder: run_folder.RunFolder
) -> list[dict[str, Any]]:
    """Records of the other stages, so that metrics.jsonl keeps them."""
    found = list(trained.history)
    for other in forms.TRAINED:
        if other != form:
            done = kept_stages.find(folder, forms.stored_name(other))
            found += done.history if done is not None else ()
    return found


def require_same(
    quantization: Quantization, form: str, folder: run_folder.RunFolder
) -> None:
    """Checks that an earlier start of a form's training, if any, had these flags.

    Raises:
        UsageError: it had others.
        StorageError: its flags cannot be read.
    """
    stage_name = forms.stored_name(form)
    path = folder.model(stage_name) / _FLAGS
    wanted = quantization.identity()
    if form in forms.TRAINED and not path.exists():
        data = atomic_files.json_text(wanted).encode("utf-8")
        was_begun = folder.history(stage_name).exists() or checkpoints.newest_path(
            folder.checkpoints(stage_name)
        )
        if was_begun and not run_artifacts.was_written(folder, path, data):
            raise errors.UsageError(
                f"{path.parent} holds a training with other flags, or of flags that "
                f"are lost. Remove it and {folder.checkpoints(stage_name)} to train "
                "again"
            )
    if not path.exists():
        return
    found = atomic_files.read_json(path)
    if not isinstance(found, dict):
        raise errors.StorageError(f"{path} does not hold flags")
    changed = [
        f"--{name} was {found.get(name)!r} and is now {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if changed:
        raise errors.UsageError(
            f"{path.parent} holds another training: {'; '.join(changed)}. Give the "
            f"same flags, or remove it and {folder.checkpoints(stage_name)} to train "
            "again"
        )
