"""The number formats that a network is trained, evaluated and exported in.

A format is one row of `ALL`; whatever must know one by name asks here. How a network
gets into it is the business of the format's module in `deploy`.
"""

import dataclasses

from tfpipeline import errors

# Of --export beside the integers: the float network as `.tflite`.
FLOAT = "float32"
# The file of exports for TensorFlow Lite Micro.
TFLITE_FILE = "model.tflite"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
    """An arithmetic to quantize for; its formats differ in widths.

    Attributes:
        name: of --scheme.
        title: what it is, for the flag's help.
        weight_bits: that --weight_bits may have.
        weight_bits_advice: where other widths are, for the message about a wrong one.
        has_policy: whether --quantization_policy may give weight bits by layer.
        needs_signed_pixels: whether the network's input must be (pixel - 128) / 128.
    """

    name: str
    title: str
    weight_bits: tuple[int, ...] = (8,)
    weight_bits_advice: str = ""
    has_policy: bool = False
    needs_signed_pixels: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberFormat:
    """Integers that one float network is quantized to.

    Attributes:
        name: of --export, and of the folders export/<name> and graph_<name>.
        scheme: name of its scheme.
        weight_bits: the most of kernels.
        activation_bits: of what layers write.
        title: in tables: "<title>, PTQ" and "<title>, QAT".
        fake_quantized: in tables, the network of its quantization-aware training.
        stage: name of that training, and of its folders.
        file: in the export's folder; its presence says that the export is there.
        targets: what a target says to run where its estimate is of these integers,
            `cost.target.Target.integers`; empty: every target.
    """

    name: str
    scheme: str
    weight_bits: int
    activation_bits: int
    title: str
    fake_quantized: str
    stage: str
    file: str = TFLITE_FILE
    targets: tuple[str, ...] = ()

    @property
    def ptq(self) -> str:
        """In tables, the network quantized after training."""
        return f"{self.title}, PTQ"

    @property
    def qat(self) -> str:
        """In tables, the integers of the network trained for them."""
        return f"{self.title}, QAT"

    @property
    def recipe(self) -> str:
        """Its widths as `precision.formats` names them: `wi4_ai8`."""
        return f"wi{self.weight_bits}_ai{self.activation_bits}"


SCHEMES = (
    Scheme(
        name="int8",
        title="TFLite's, a scale a channel",
        weight_bits_advice="4-bit weights are --export=int4",
    ),
    Scheme(
        name="max78000",
        title="the accelerator's, a power of two a layer",
        weight_bits=(1, 2, 4, 8),
        has_policy=True,
        needs_signed_pixels=True,
    ),
    Scheme(
        name="gap8",
        title="its fixed point, a power of two a tensor",
        weight_bits_advice=(
            "--export=gap8 has 16 bits throughout, --export=gap8_8bit has 8"
        ),
    ),
)

# In the order in which a run trains and reports them; the first of a scheme is what
# --export is if not given.
ALL = (
    NumberFormat(
        name="int8",
        scheme="int8",
        weight_bits=8,
        activation_bits=8,
        title="int8",
        fake_quantized="QAT, fake-quantized",
        stage="qat",
    ),
    NumberFormat(
        name="int16x8",
        scheme="int8",
        weight_bits=8,
        activation_bits=16,
        title="int16x8",
        fake_quantized="int16x8 fake-quantized",
        stage="qat_int16x8",
        targets=("tflite",),
    ),
    NumberFormat(
        name="int4",
        scheme="int8",
        weight_bits=4,
        activation_bits=8,
        title="int4",
        fake_quantized="int4 fake-quantized",
        stage="qat_int4",
        targets=("tflite",),
    ),
    NumberFormat(
        name="max78000",
        scheme="max78000",
        weight_bits=8,
        activation_bits=8,
        title="MAX78000",
        fake_quantized="QAT, fake-quantized",
        stage="qat",
        file="network.yaml",
        targets=("max78000",),
    ),
    NumberFormat(
        name="gap8",
        scheme="gap8",
        weight_bits=16,
        activation_bits=16,
        title="GAP8 16 bits",
        fake_quantized="16 bits, fake-quantized",
        stage="qat",
        file="program.npz",
        targets=("gap8",),
    ),
    NumberFormat(
        name="gap8_8bit",
        scheme="gap8",
        weight_bits=8,
        activation_bits=8,
        title="GAP8 8 bits",
        fake_quantized="8 bits, fake-quantized",
        stage="qat_8bit",
        file="program.npz",
        targets=("gap8",),
    ),
)


def named(name: str) -> NumberFormat:
    """The format of this name.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    for number_format in ALL:
        if number_format.name == name:
            return number_format
    raise errors.UsageError(
        f"unknown number format '{name}': choose of "
        f"{', '.join(number_format.name for number_format in ALL)}"
    )


def scheme_named(name: str) -> Scheme:
    """The scheme of this name.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    for scheme in SCHEMES:
        if scheme.name == name:
            return scheme
    raise errors.UsageError(
        f"unknown scheme '{name}': choose of "
        f"{', '.join(scheme.name for scheme in SCHEMES)}"
    )


def of_scheme(name: str) -> tuple[NumberFormat, ...]:
    """The formats of a scheme, in order."""
    return tuple(each for each in ALL if each.scheme == name)


def tflite() -> tuple[NumberFormat, ...]:
    """The formats whose export is a `.tflite`, in order."""
    return tuple(each for each in ALL if each.file == TFLITE_FILE)


def trainable_bits(number_format: NumberFormat) -> frozenset[int]:
    """Bits of weights that a format's activations can be trained with."""
    scheme = scheme_named(number_format.scheme)
    if scheme.has_policy:
        return frozenset(scheme.weight_bits)
    return frozenset(each.weight_bits for each in alike(number_format))


def alike(number_format: NumberFormat) -> tuple[NumberFormat, ...]:
    """Formats of the same scheme that differ in the bits of weights at most."""
    return tuple(
        each
        for each in of_scheme(number_format.scheme)
        if each.activation_bits == number_format.activation_bits
    )


def stages() -> tuple[str, ...]:
    """Names of all quantization-aware trainings, in order."""
    return tuple(dict.fromkeys(each.stage for each in ALL))


def export_file(name: str) -> str:
    """The file whose presence says that an export, `FLOAT` included, is there."""
    return TFLITE_FILE if name == FLOAT else named(name).file
