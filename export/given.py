"""What `--model` is, and what of it is quantized here after training."""

import dataclasses
import functools
import pathlib
from typing import TYPE_CHECKING, Any

from export.tflite import after_training, float_runner, metadata_entry
from tfpipeline import atomic_files, errors, model_source, run_folder
from tfpipeline.audio import front_end as front_ends
from tfpipeline.configs import images, network
from tfpipeline.data import preprocessing, specs
from tfpipeline.gap_quantization import network as gap_quantization
from tfpipeline.ir import graph
from tfpipeline.metadata import flags, model_metadata
from tfpipeline.models import forms
from tfpipeline.post_training import calibration as calibrations
from tfpipeline.post_training import float_network
from tfpipeline.precision import formats
from tfpipeline.precision import options as options_lib
from tfpipeline.simulate import float_execution
from tfpipeline.untrusted import content

if TYPE_CHECKING:
    from tfpipeline.data import splits

# What has Keras layers, and no integers.
_KERAS = (forms.Kind.KERAS_FILE, forms.Kind.FUNCTION)


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """What the command line says of the network, for every target.

    Attributes:
        model: --model.
        calibration: --calibration; without it nothing is quantized here.
        input_range: --input_range.
        no_calibration: --no_calibration.
        own: what is said of a network of one's own.
        examples: how a data set of --calibration is read; its front end is the
            network's, whatever the data are.
        data_dir: --data_dir.
        options: what quantization does beyond rounding.
    """

    model: str
    calibration: str | None = None
    input_range: str = "auto"
    no_calibration: bool = False
    own: network.Own = network.Own()  # noqa: RUF009 a frozen value
    examples: images.Examples = images.Examples()  # noqa: RUF009 a frozen value
    data_dir: str | None = None
    options: options_lib.Options = options_lib.PLAIN

    @property
    def name(self) -> str:
        """Of the network."""
        path = pathlib.Path(self.model)
        if not path.exists():  # A function.
            return forms.find(self.model).name
        return run_folder.telling_name(path.resolve())

    @property
    def is_read_by_tensorflow(self) -> bool:
        """Whether it is a Keras file, a function or a SavedModel.

        Raises:
            UsageError: it names nothing.
        """
        kind = forms.find(self.model).kind
        return kind in (*_KERAS, forms.Kind.SAVED_MODEL)

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

    @property
    def is_of_keras(self) -> bool:
        """Whether there are Keras layers, and no integers.

        Raises:
            UsageError: --model names nothing.
        """
        if (
            run_folder.RunFolder(pathlib.Path(self.model))
            .model(run_folder.FLOAT)
            .is_dir()
        ):
            return True
        return forms.find(self.model).kind in _KERAS

    @functools.cached_property
    def dataset(self) -> "splits.Dataset | None":
        """The data set that --calibration names; None for files of inputs, or none.

        Raises:
            PipelineError: it cannot be read.
        """
        text = self.calibration
        if text is None or calibrations.holds_inputs(text):
            return None
        try:
            specs.find(text)
        except errors.UsageError as error:
            raise errors.UsageError(
                f"--calibration: {error}; or a folder of .png or .npy inputs, or one "
                ".npy or .npz of [N, ...]"
            ) from error
        # Seconds of imports that nobody else should wait for.
        from tfpipeline.data import catalog

        names = (field.name for field in dataclasses.fields(images.Examples))
        reading = images.Reading(**{x: getattr(self.examples, x) for x in names})
        return catalog.load(
            text, data_dir=self.data_dir, reading=reading, needs_every_class=False
        )

    @property
    def calibration_source(self) -> calibrations.Source:
        """The calibration data.

        Raises:
            PipelineError: as `dataset`.
        """
        assert self.calibration is not None
        if self.dataset is None:
            return calibrations.of_files(self.calibration)
        return calibrations.of_stored(self.calibration, self.dataset.train.inputs)

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
        network = float_network.make(
            g,
            self.calibration_source,
            self.input_range,
            model=model,
            notes=notes,
            # TensorFlow, which has read a Keras file, is some ten times as fast; beside
            # another network it would have to be imported.
            run=float_execution.batches if model is None else float_runner.batches,
        )
        return dataclasses.replace(network, says_classes=self.says_classes(g))

    def says_classes(self, g: graph.Graph) -> bool:
        """Whether the output of a network is of the classes of the calibration data.

        Of a run, of those that it learned.
        """
        if len(g.outputs) != 1:
            return False
        outputs = g.tensors[g.outputs[0]].num_elements
        if self.dataset is not None:
            has_classes = self.dataset.train.has_classes
            return has_classes and len(self.dataset.class_names) == outputs
        known = dataclasses.replace(self, calibration=None).metadata
        # Runs that say nothing of their task learned classes.
        task = "" if known is None else known.task.get("name", "classification")
        return (
            known is not None
            and task == "classification"
            and (len(known.names) == outputs)
        )

    @functools.cached_property
    def metadata(self) -> model_metadata.Metadata | None:
        """How the network is fed and what it says, as far as somebody said so.

        Of calibration data; else that of the file, or of the run, which `model` is.

        Raises:
            PipelineError: as `network`; or a file or run is damaged.
        """
        if self.calibration is not None:
            return self._calibrated()
        path = pathlib.Path(self.model)
        if path.suffix.lower() == ".tflite" and path.is_file():
            return metadata_entry.read(content.read(path), str(path))
        run = run_folder.RunFolder(path)
        if not run_folder.is_run(run) or not run.results_json.is_file():
            return None
        values = atomic_files.read_json(run.results_json).get("metadata")
        if values is None:
            return None
        return model_metadata.from_json(values, str(run.results_json))

    @property
    def front_end(self) -> front_ends.FrontEnd | None:
        """Of the flags, else what the metadata say.

        Raises:
            PipelineError: as `metadata`.
        """
        said = self.examples.sound.value
        if said is not None or self.metadata is None:
            return said
        return self.metadata.front_end

    def _calibrated(self) -> model_metadata.Metadata:
        limits = self.network.input_range
        is_of_pixels = self.calibration_source.are_pictures
        read = (preprocessing.of_bytes if is_of_pixels else preprocessing.in_range)(
            limits.low, limits.high
        )
        heard = self.examples.sound.value
        known = dataclasses.replace(self, calibration=None).metadata
        if self.dataset is None:
            # The files say nothing of what the network learned.
            found = model_metadata.Metadata(read, is_of_pixels, front_end=heard)
            if known is None:
                return found
            return dataclasses.replace(
                known,
                preprocessing=read,
                is_of_pixels=is_of_pixels,
                front_end=heard or known.front_end,
            )
        g = self.network.graph
        names = self.dataset.class_names
        # Of other things than the network says.
        is_of_outputs = len(g.outputs) == 1 and (
            g.tensors[g.outputs[0]].num_elements == len(names)
        )
        return model_metadata.Metadata(
            read,
            is_of_pixels,
            tuple(names) if is_of_outputs else (),
            flags.reading(self.examples),
            heard,
            {} if known is None else known.task,
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
        file = after_training.make(
            self.network, formats.named(recipe), name, self.options
        )
        described = metadata_entry.added(file.data, self.metadata, self.name)
        return dataclasses.replace(file, data=described)

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
        if not self.is_of_keras:
            source = self.source()
            return source.graph, None, source.notes
        # Three seconds of imports that nobody else should wait for.
        from tfpipeline.own_networks import loading
        from tfpipeline.readers import from_keras, keras_files

        notes: tuple[str, ...] = ()
        if of_run.is_dir():
            model = keras_files.load(of_run)
        else:
            model, notes = loading.load(
                forms.find(self.model),
                self.own.model_options,
                custom_objects=self.own.custom_objects,
            )
        try:
            return from_keras.read(model, name=self.name), model, notes
        except errors.GraphError as error:
            raise errors.GraphError(f"{self.model}: {error}") from error

    @functools.cached_property
    def gap_quantized(self) -> gap_quantization.Quantized | None:
        """The integers that gap_quantization wrote, if the network is of these.

        Raises:
            PipelineError: as `gap_quantization.network.find`.
        """
        return gap_quantization.find(self.model)

    def source(self, *, scaled_inputs: bool = False) -> model_source.Source:
        """The network as a graph, with its weights.

        Args:
            scaled_inputs: as for `model_source.load`.

        Raises:
            PipelineError: as `model_source.load`.
        """
        if self.gap_quantized is not None:
            return model_source.of_quantized(self.gap_quantized)
        return model_source.with_weights(
            self.model,
            scaled_inputs=scaled_inputs,
            model_options=self.own.model_options,
            custom_objects=self.own.custom_objects,
        )


def needs_calibration(model: str, what: str) -> str:
    """The message for a float network without --calibration."""
    return (
        f"'{model}' is a float network, and {what} needs the ranges of its "
        "activations: give --calibration=DATA, a folder of .png or .npy, an .npy of "
        "[N, ...], or data as train takes them, with inputs like those of the field"
    )
