"""The integers that a classifier is quantized to, and the files of them."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Annotated

from tfpipeline import errors, number_formats
from tfpipeline.configs import fields, recipe
from tfpipeline.configs.fields import Flag
from tfpipeline.precision import options
from tfpipeline.precision import ranges as range_rules
from tfpipeline.targets.max78000 import policy as policies

_SCHEMES = "; ".join(
    f"{scheme.name}: {scheme.title}, --export="
    + ", ".join(each.name for each in number_formats.of_scheme(scheme.name))
    for scheme in number_formats.SCHEMES
)
_EXPORTS = (*(each.name for each in number_formats.ALL), number_formats.FLOAT)
_WITH_POLICY = "--scheme=" + " or ".join(
    each.name for each in number_formats.SCHEMES if each.has_policy
)


def _require_policy(text: str) -> None:
    if policies.parse(text).start_epoch == 0:
        raise errors.UsageError(
            "start_epoch is 0; quantization starts from a trained float network, so it "
            "must be 1 or more"
        )


@dataclasses.dataclass(frozen=True)
class Quantization(fields.Config):
    """What is done with the float network."""

    method: Annotated[
        str,
        Flag(
            "qat: quantization-aware training from the best float epoch; ptq: the "
            "float network quantized with calibration images; none.",
            choices=("qat", "ptq", "none"),
            name="quantization",
        ),
    ] = "qat"
    scheme: Annotated[
        str,
        Flag(
            f"Arithmetic to quantize for. {_SCHEMES}.",
            choices=tuple(each.name for each in number_formats.SCHEMES),
        ),
    ] = number_formats.SCHEMES[0].name
    weight_bits: Annotated[
        int,
        Flag(f"Bits of a weight; other than 8 with {_WITH_POLICY}."),
    ] = 8
    policy: Annotated[
        str | None,
        Flag(
            f"YAML file with weight_bits by layer ({_WITH_POLICY}), instead of "
            "--weight_bits; its start_epoch is the number of float epochs.",
            check=_require_policy,
            name="quantization_policy",
            reads_file=True,
        ),
    ] = None
    epochs: recipe.QatEpochs = 10
    optimizer: Annotated[
        str,
        Flag(
            "Optimizer of QAT; same: that of float training. The network has no "
            "BatchNormalization then, so sgd needs a far lower rate than before.",
            choices=("same", "adam", "sgd"),
            name="qat_optimizer",
        ),
    ] = "same"
    learning_rate_divisor: recipe.QatLearningRateDivisor = 10.0
    schedule: Annotated[
        str,
        Flag(
            "How the learning rate falls over --qat_epochs.",
            choices=("constant", "cosine"),
            name="qat_learning_rate_schedule",
        ),
    ] = "constant"
    patience: Annotated[
        int,
        Flag(
            "Like --early_stopping_patience, for QAT.",
            low=0,
            name="qat_early_stopping_patience",
        ),
    ] = 5
    bits_schedule: Annotated[
        tuple[int, ...],
        Flag(
            "Bits of weights that QAT goes through, such as 8,4: a training of "
            "--qat_epochs for each, from the weights of the one before; the last is "
            "the format's own.",
            low=1,
            high=16,
            name="qat_bits_schedule",
            is_later=True,
        ),
    ] = ()
    calibration_images: recipe.CalibrationImages = 512
    equalize: Annotated[
        bool,
        Flag(
            f"Before quantization after training: {options.EQUALIZE_HELP}",
            is_later=True,
        ),
    ] = options.PLAIN.equalize
    ranges: Annotated[
        str,
        Flag(
            f"After training. {options.RANGES_HELP}",
            choices=range_rules.METHODS,
            is_later=True,
        ),
    ] = options.PLAIN.ranges.method
    percentile: Annotated[
        float, Flag(options.PERCENTILE_HELP, low=50.0, high=100.0, is_later=True)
    ] = options.PLAIN.ranges.percentile
    bias_correction: Annotated[
        bool,
        Flag(
            f"In quantization after training: {options.BIAS_CORRECTION_HELP}",
            is_later=True,
        ),
    ] = options.PLAIN.bias_correction
    consistency_tolerance: Annotated[
        float,
        Flag(
            "Percentage points by which the accuracy in integers may differ from the "
            "fake-quantized accuracy on the validation split.",
            low=0.0,
        ),
    ] = 0.5
    export: Annotated[
        tuple[str, ...],
        Flag(
            f"Targets: {', '.join(_EXPORTS)}; that of --scheme if not given. Each "
            "integer format is trained for itself, from the same float network.",
            group="output",
        ),
    ] = ()
    verification_images: Annotated[
        int,
        Flag(
            "Test images on which TensorFlow Lite Micro itself is run.",
            low=256,
            group="output",
        ),
    ] = 512

    @property
    def after_training(self) -> options.Options:
        """What quantization after training does beyond rounding."""
        return options.Options(
            equalize=self.equalize,
            ranges=range_rules.Rule(self.ranges, self.percentile),
            bias_correction=self.bias_correction,
        )

    @property
    def start_epoch(self) -> int | None:
        """Epochs of float training, where the policy decides them."""
        return None if self.policy is None else policies.parse(self.policy).start_epoch

    @property
    def given_policy(self) -> policies.Policy:
        """The bits of weights by layer; one width for all without a file."""
        if self.policy is None:
            return policies.Policy(weight_bits=self.weight_bits)
        return policies.parse(self.policy)

    def with_layer_bits(
        self, bits: Mapping[str, int], float_epochs: int
    ) -> "Quantization":
        """The same with other widths of some layers, as a policy.

        Args:
            bits: by layer.
            float_epochs: of the run, which a policy says too.
        """
        given = self.given_policy
        changed = dataclasses.replace(
            given, overrides={**given.overrides, **bits}, start_epoch=float_epochs
        )
        return dataclasses.replace(self, policy=policies.to_text(changed))

    @property
    def exports(self) -> tuple[str, ...]:
        """What --export says, or the scheme's first format."""
        if self.export:
            return self.export
        if self.method == "none":
            return (number_formats.FLOAT,)
        return (number_formats.of_scheme(self.scheme)[0].name,)

    @property
    def number_formats(self) -> tuple[number_formats.NumberFormat, ...]:
        """The integer formats that the float network is quantized to, in order."""
        if self.method == "none":
            return ()
        formats = number_formats.of_scheme(self.scheme)
        exported = tuple(each for each in formats if each.name in self.exports)
        return exported or formats[:1]

    def check(self) -> None:
        """Checks widths, policy and exports against the scheme."""
        self._check_widths()
        self._check_after_training()
        formats = [each.name for each in number_formats.of_scheme(self.scheme)]
        allowed = (*formats, number_formats.FLOAT)
        unknown = [name for name in self.export if name not in allowed]
        if unknown:
            raise errors.UsageError(
                f"--export takes {', '.join(allowed)} with --scheme={self.scheme}; "
                f"found {', '.join(unknown)}"
            )
        integers = [name for name in self.export if name != number_formats.FLOAT]
        if self.method == "none" and integers:
            raise errors.UsageError(
                f"--quantization=none has no {integers[0]} network to export; "
                "use --export=float32, or --quantization=ptq"
            )
        self._check_schedule()

    def _check_schedule(self) -> None:
        bits = self.bits_schedule
        if not bits:
            return
        if self.method != "qat" or self.policy is not None:
            raise errors.UsageError(
                "--qat_bits_schedule goes with --quantization=qat, without a policy"
            )
        if any(after >= before for before, after in itertools.pairwise(bits)):
            raise errors.UsageError(
                "--qat_bits_schedule must fall, such as 8,4; found "
                f"{','.join(map(str, bits))}"
            )
        for each in self.number_formats:
            allowed = number_formats.trainable_bits(each)
            own = self.weight_bits if self.has_policy else each.weight_bits
            if bits[-1] != own or not set(bits) <= set(allowed):
                raise errors.UsageError(
                    f"--qat_bits_schedule of {each.name} must end with its {own} bits "
                    f"and go through {', '.join(map(str, sorted(allowed)))}; found "
                    f"{','.join(map(str, bits))}"
                )

    @property
    def has_policy(self) -> bool:
        """Whether each layer may have a width of its own."""
        return number_formats.scheme_named(self.scheme).has_policy

    def _check_after_training(self) -> None:
        is_plain = self.after_training == options.PLAIN
        if self.scheme != number_formats.SCHEMES[0].name and not is_plain:
            raise errors.UsageError(
                "--equalize, --ranges, --percentile and --bias_correction go with "
                f"--scheme={number_formats.SCHEMES[0].name}; found {self.scheme}"
            )

    def _check_widths(self) -> None:
        scheme = number_formats.scheme_named(self.scheme)
        if self.weight_bits not in scheme.weight_bits:
            widths = ", ".join(map(str, scheme.weight_bits))
            one_of = "one of " if len(scheme.weight_bits) > 1 else ""
            advice = scheme.weight_bits_advice and f"; {scheme.weight_bits_advice}"
            raise errors.UsageError(
                f"--weight_bits must be {one_of}{widths} with --scheme={scheme.name}"
                f"{advice}; found {self.weight_bits}"
            )
        if self.policy is not None and not scheme.has_policy:
            raise errors.UsageError(
                f"--quantization_policy goes with {_WITH_POLICY} only"
            )
