"""What `--model` is, and what of it is quantized here after training."""

import dataclasses
import functools
import pathlib
from typing import Any

from export.tflite import after_training, float_runner
from tfpipeline import errors, model_source, run_folder
from tfpipeline.ir import graph
from tfpipeline.post_training import float_network
from tfpipeline.precision import formats
from tfpipeline.simulate import float_execution


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
        return run_folder.telling_name(pathlib.Path(self.model).resolve())

    def require_integers(self, what: str) -> None:
        """Refuses a float Keras network for a target that takes integers.

        Args:
            what: the target.

        Raises:
            UsageError: it is one; says what quantizes it.
        """
        if pathlib.Path(self.model).suffix.lower() in model_source.KERAS_SUFFIXES:
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
        g, model = self._loaded()
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
            # TensorFlow, which has read a Keras file, is some ten times as fast; beside
            # another network it would have to be imported.
            run=float_execution.batches if model is None else float_runner.batches,
        )

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

    def _loaded(self) -> tuple[graph.Graph, Any]:
        """The network as a graph, and in Keras where it is of Keras."""
        path = pathlib.Path(self.model)
        of_run = run_folder.RunFolder(path).model(run_folder.FLOAT)
        is_keras = path.suffix.lower() in model_source.KERAS_SUFFIXES
        if path.is_dir() and of_run.is_dir():
            path, is_keras = of_run, True
        if not is_keras:
            return model_source.with_weights(self.model).graph, None
        # Three seconds of imports that nobody else should wait for.
        from tfpipeline.readers import from_keras, keras_files

        model = keras_files.load(path)
        try:
            return from_keras.read(model, name=self.name), model
        except errors.GraphError as error:
            raise errors.GraphError(f"{self.model}: {error}") from error


def needs_calibration(model: str, what: str) -> str:
    """The message for a float network without --calibration."""
    return (
        f"'{model}' is a float network, and {what} needs the ranges of its "
        "activations: give --calibration=DATA, a folder of .png or .npy, or an .npy of "
        "[N, ...], with inputs like those of the field"
    )
