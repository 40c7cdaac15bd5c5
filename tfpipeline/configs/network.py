"""The network that is trained."""

import dataclasses
from typing import Annotated, Any

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.models import forms, options, specs

WEIGHTS, FRESH = "weights", "fresh"
ModelOptions = Annotated[
    tuple[str, ...],
    Flag(
        "What the function of --model is called with beside input_shape and "
        "num_classes: alpha=0.25,depth=2. Sizes are like 32x32x3.",
        is_later=True,
    ),
]
CustomObjects = Annotated[
    str | None,
    Flag(
        "Classes and functions of your own that a .keras or .h5 file names: a module, "
        "package.module, or file.py. It is Python, and runs.",
        check=forms.require_module,
        is_later=True,
    ),
]


@dataclasses.dataclass(frozen=True)
class Own(fields.Config):
    """What is said of a network of one's own beside --model."""

    model_options: ModelOptions = ()
    custom_objects: CustomObjects = None


@dataclasses.dataclass(frozen=True)
class Network(fields.Config):
    """A network and how it is built; see own_networks.build and models.registry."""

    model: Annotated[
        str,
        Flag(
            f"The network: {forms.words(forms.TRAINABLE)}. Networks: "
            f"{specs.listed_names()}.",
            check=forms.trainable,
        ),
    ] = "cmsisnet"
    model_options: ModelOptions = ()
    custom_objects: CustomObjects = None
    start: Annotated[
        str,
        Flag(
            "weights: training begins with those of the file, or that the function "
            "gives; fresh: with weights drawn anew, as those of a network by its name "
            "always are.",
            choices=(WEIGHTS, FRESH),
            is_later=True,
        ),
    ] = WEIGHTS
    width: Annotated[
        float,
        Flag("Factor on the channels of every layer but the last.", low=0.05, high=8.0),
    ] = 1.0
    batch_norm: Annotated[
        bool | None,
        Flag(
            "BatchNormalization after each convolution during float training; it is "
            "folded away before quantization. Default: the network's own choice."
        ),
    ] = None
    dropout: Annotated[
        float | None,
        Flag(
            "Dropout rate of float training. Default: the network's own.",
            low=0.0,
            high=0.95,
        ),
    ] = None

    stochastic_depth: Annotated[
        float,
        Flag(
            "Training leaves out the last residual branch of the network with this "
            "probability, and earlier ones with less; a layer is drawn for each "
            "example. 0: never.",
            low=0.0,
            high=0.9,
            is_later=True,
        ),
    ] = 0.0

    @property
    def form(self) -> forms.Form:
        """What `model` names."""
        return forms.trainable(self.model)

    @property
    def name(self) -> str:
        """Of the network, valid in C, in YAML and as a file's."""
        return self.form.name

    @property
    def is_detector(self) -> bool:
        """Whether it is a registered network whose outputs are boxes."""
        known = specs.MODELS.get(self.model)
        return known is not None and known.output is specs.Output.BOXES

    @property
    def has_weights(self) -> bool:
        """Whether training begins with weights that are given."""
        return self.form.kind is not forms.Kind.NAME and self.start == WEIGHTS

    def source_identity(self) -> dict[str, Any]:
        """What tells a network of one's own from others, as JSON values by flag.

        A file may move; its content may not change, which `run_folder` tells by the
        name of the entry.
        """
        form = self.form
        if form.kind is forms.Kind.NAME:
            return {}
        found: dict[str, Any] = {"model": form.title, "model_sha256": form.digest()}
        if self.custom_objects:
            module = forms.module_file(self.custom_objects)
            found |= {
                "custom_objects": module.name,
                "custom_objects_sha256": forms.digest_of(module),
            }
        return found

    def check(self) -> None:
        """Checks that options go with the form of the network."""
        kind = self.form.kind
        given = {
            "width": self.width != 1.0,
            "batch_norm": self.batch_norm is not None,
            "dropout": self.dropout is not None,
        }
        if kind is not forms.Kind.NAME:
            for name in (name for name, is_given in given.items() if is_given):
                raise errors.UsageError(
                    f"--{name} goes with networks by their names only ("
                    f"{errors.listed(specs.MODELS, 3)}); change '{self.form.title}' "
                    "itself"
                )
        options.parsed(self.model_options)
        self.form.require_options(self.model_options, self.custom_objects)
