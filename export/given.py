"""What `--model` is, and what of it is quantized here after training."""

import dataclasses
import functools
import pathlib
from typing import Any

from export.tflite import after_training, float_runner
from tfpipeline import errors, model_source, run_folder
from tfpipeline.ir import graph
from tfpipeline.models import forms
from tfpipeline.post_training import float_network
from tfpipeline.precision import formats
from tfpipeline.simulate import float_execution

# What has Keras layers, and no integers.
_KERAS = (forms.Kind.KERAS_FILE, forms.Kind.FUNCTION)


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """What the command line says of the network, for every target.

    Attributes:
        model: --model.
        calibration: --calibration; without it nothing is quantized here.
        input_range: --input_range.
        per_tensor: --per_tensor.
        no_calibration: --no_calibration.
    """

    model: str
    calibration: str | None = None
    input_range: str = "auto"
    per_tensor: bool = False
    no_calibration: bool = False

    @property
    def name(self) -> str:
        """Of the network."""
        path = pathlib.Path(self.model)
        if not path.exists():  # A function.
            return forms.find(self.model).name
        return run_folder.telling_name(path.resolve())

    def require_there(self) -> None:
        """Checks, before anything slow is done, that --model names something.

        Raises:
            UsageError: it names nothing.
        """
        if not pathlib.Path(self.model).exists():
            forms.find(self.model)

    def require_integers(self, what: str) -> None:
        """Refuses a float Keras network for a target that takes integers.

        Args:
            what: the target.

        Raises:
            UsageError: it is one; says what quantizes it.
        """
        try:
            kind = forms.find(self.model).kind
        except errors.UsageError:
            return  # The target says it.
        if kind in _KERAS:
            raise errors.UsageError(needs_calibration(self.model, what))

    @functools.cached_property
    def network(self) -> float_network.FloatNetwork:
        """The float network and its calibration data.

        Raises:
            UsageError: there is no --calibration, or the network has integers.
            PipelineError: as `model_source.load` and `float_network.make`.
        """
        if self.calibration is None:
            raise errors.UsageError(needs_calibration(self.model, "quantization"))
        g, model, notes = self.loaded()
        if any(tensor.dtype != "float32" for tensor in g.tensors.values()):
            raise errors.UsageError(
                f"'{self.model}' has integers already, which --calibration cannot "
                "change: leave it out, or give the float network"
            )
        return float_network.make(
            g,
            self.calibration,
            self.input_range,
            model=model,
            notes=notes,
            # TensorFlow, which has read a Keras file, is some ten times as fast; beside
            # another network it would have to be imported.
            run=float_execution.batches if model is None else float_runner.batches,
        )

    def notes(self) -> list[str]:
        """Lines of what was found out when the network was read, if it was."""
        network = self.__dict__.get("network")
        return [f"note       {note}" for note in network.notes] if network else []

    @functools.cached_property
    def int8(self) -> after_training.File:
        """The network in int8."""
        return self._file("wi8_ai8", "int8")

    @functools.cached_property
    def int16x8(self) -> after_training.File:
        """The network with activations of 16 bits."""
        return self._file("wi8_ai16", "int16x8")

    def _file(self, recipe: str, name: str) -> after_training.File:
        return after_training.make(
            self.network, formats.named(recipe), name, per_tensor=self.per_tensor
        )

    def loaded(self) -> tuple[graph.Graph, Any, tuple[str, ...]]:
        """The network as a graph, in Keras where it is of Keras, and notes; read once.

        Raises:
            PipelineError: as `model_source.load`.
        """
        return self._loaded

    @functools.cached_property
    def _loaded(self) -> tuple[graph.Graph, Any, tuple[str, ...]]:
        path = pathlib.Path(self.model)
        of_run = run_folder.RunFolder(path).model(run_folder.FLOAT)
        if not of_run.is_dir() and forms.find(self.model).kind not in _KERAS:
            source = model_source.with_weights(self.model)
            return source.graph, None, source.notes
        # Three seconds of imports that nobody else should wait for.
        from tfpipeline.own_networks import loading
        from tfpipeline.readers import from_keras, keras_files

        notes: tuple[str, ...] = ()
        if of_run.is_dir():
            model = keras_files.load(of_run)
        else:
            model, notes = loading.load(forms.find(self.model))
        try:
            return from_keras.read(model, name=self.name), model, notes
        except errors.GraphError as error:
            raise errors.GraphError(f"{self.model}: {error}") from error


def needs_calibration(model: str, what: str) -> str:
    """The message for a float network without --calibration."""
    return (
        f"'{model}' is a float network, and {what} needs the ranges of its "
        "activations: give --calibration=DATA, a folder of .png or .npy, or an .npy of "
        "[N, ...], with inputs like those of the field"
    )
