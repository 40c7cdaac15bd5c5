"""Limits of the MAX78000 and MAX78002 accelerators, each with its source.

Sources, named in the comments:
  tool    the vendor's synthesis tool ai8x-synthesis, snapshot ab4f4c0 (2024-08-30):
          izer/tornadocnn.py, or a network that the tool accepted or refused
  manual  "Limitations of MAX78000/MAX78002 Networks" in that snapshot's README
"""

import dataclasses

# Bits of one weight word: one 3x3 kernel of 8-bit weights (tool).
KERNEL_WORD_BITS = 72

# Processors of either device, in quadrants of 16 (tool).
PROCESSORS = 64

OPERATORS = ("conv2d", "conv1d", "convtranspose2d", "linear", "passthrough")
POOL_TYPES = ("max", "avg")
ELEMENT_WISE = ("add", "sub", "or", "xor")
ACTIVATIONS = ("ReLU", "Abs")
WEIGHT_BITS = (1, 2, 4, 8)
OUTPUT_WIDTHS = (8, 32)

# What only the MAX78002 has (manual), by the names of the tool's network description.
FEATURES = ("next_sequence", "read_gap", "calcx4", "readahead", "bypass", "link_layer")

# Limits of both devices.
KERNELS_2D = ((1, 1), (3, 3))  # tool
MAX_KERNEL_1D = 9  # tool
MAX_DILATED_KERNEL_1D = 3  # tool: longer dilated kernels than 9 positions
MAX_PAD = 2  # tool
MAX_POOL = 16  # manual; also the largest stride
MAX_OPERANDS = 16  # tool
MAX_POOLED_OPERANDS = 2  # manual: of an element-wise operation in front of its pool
MAX_FLATTENED = 16_384  # tool
MAX_OUTPUT_SHIFT = 15  # tool: in either direction, weight width included
BIAS_BITS = 8  # manual
MAX_STREAMING_LAYERS = 8  # manual
STREAM_COLUMN_BITS = 5  # tool: of the words that a column of a stream waits for
STREAM_LAG_BITS = 4  # tool: of the passes in front of a layer that streams
MAX_STREAM_VALUES = 2**21  # manual: width x height x passes must be less
FIFO_CHANNELS = {"HWC": 16, "CHW": 4}  # tool
FAST_FIFO_CHANNELS = {"HWC": 4, "CHW": 1}  # manual
CONCAT_MULTIPLE = 4  # manual: processors that share a memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """One device. Sizes in bytes, frequencies in Hz."""

    name: str
    quadrants: int
    processors_per_quadrant: int
    processors_per_memory: int
    weight_columns: int
    weight_columns_first: int
    bias_bytes_per_quadrant: int
    memory_instance_bytes: int
    max_layers: int
    max_channels: int
    max_dim: int
    max_flatten_pixels: int
    clock_hz: int
    has_latency_model: bool
    doubles_pooled_passthrough: bool
    rereads_kernel_columns: bool
    streams_with_bias: bool
    stream_start_bits: int
    stream_row_bits: int
    stream_rollover_bits: int
    places_flattened_biases_first: bool
    max_dilation: int
    max_dilation_1d: int
    max_pool_dilation: int
    has_depthwise: bool
    pads_wide_1d: bool
    pools_wide_passthrough: bool
    adds_with_bias: bool
    features: tuple[str, ...]

    @property
    def processors(self) -> int:
        """Processors of all quadrants; a pass handles as many channels."""
        return self.quadrants * self.processors_per_quadrant

    @property
    def bias_bytes(self) -> int:
        """Bias memory of all quadrants."""
        return self.quadrants * self.bias_bytes_per_quadrant

    @property
    def weight_bytes(self) -> int:
        """Weight memory of all processors."""
        columns = sum(self.columns_of(p) for p in range(self.processors))
        return columns * KERNEL_WORD_BITS // 8

    def columns_of(self, processor: int) -> int:
        """72-bit weight words of a processor; the first of a quadrant may have more."""
        if processor % self.processors_per_quadrant == 0:
            return self.weight_columns_first
        return self.weight_columns


MAX78000 = Spec(
    name="max78000",
    quadrants=4,  # tool: P_NUMGROUPS
    processors_per_quadrant=16,  # tool: P_NUMPRO
    processors_per_memory=4,  # tool: P_SHARED
    weight_columns=768,  # tool: MASK_WIDTH_SMALL
    weight_columns_first=768,  # tool: MASK_WIDTH_LARGE
    bias_bytes_per_quadrant=512,  # tool: BIAS_SIZE
    memory_instance_bytes=0x8000,  # tool: 90x91 HWC accepted, 91x91 refused
    max_layers=32,  # tool: MAX_LAYERS; pooling and eltwise in front are free
    max_channels=1024,  # tool: MAX_CHANNELS, 16 passes of 64
    max_dim=1024,  # tool: MAX_ROW_COL; the manual says 1023
    max_flatten_pixels=256,  # tool: izer.py
    clock_hz=50_000_000,  # manual: 100 MHz IPO divided by 2, no pipeline
    has_latency_model=True,  # tool: SUPPORT_LATENCY_CALC
    doubles_pooled_passthrough=True,  # tool: REQUIRE_2X_MP_PASSTHROUGH
    rereads_kernel_columns=True,  # tool: REQUIRE_MP_KERNOFF_MULTIWRITE
    streams_with_bias=False,  # tool: SUPPORT_STREAM_BIAS
    stream_start_bits=14,  # tool: MAX_ISVAL_BITS
    stream_row_bits=12,  # tool: MAX_DSVAL2_BITS
    stream_rollover_bits=17,  # tool: MAX_FBUF_BITS
    places_flattened_biases_first=True,  # tool: REQUIRE_FLATTEN_BIAS_FIRST
    max_dilation=1,  # tool refuses more
    max_dilation_1d=1023,  # tool
    max_pool_dilation=1,  # tool refuses more
    has_depthwise=False,  # tool refuses groups
    pads_wide_1d=True,  # tool
    pools_wide_passthrough=False,  # tool: more than 64 channels only pooled to 1x1
    adds_with_bias=True,  # tool
    features=(),  # tool refuses read_gap
)

# The tool prints no latency for this device, and its kernel loader fills the longer
# memories from their end, which `memory.place_kernels` does not.
MAX78002 = Spec(
    name="max78002",
    quadrants=4,
    processors_per_quadrant=16,
    processors_per_memory=4,
    weight_columns=4096,  # tool
    weight_columns_first=5120,  # tool: processors 0, 16, 32 and 48
    bias_bytes_per_quadrant=2048,  # tool
    memory_instance_bytes=0x14000,  # tool
    max_layers=128,  # tool
    max_channels=1024,  # tool; the manual says 2048
    max_dim=2048,  # tool; the manual says 2047
    max_flatten_pixels=256,  # tool
    clock_hz=50_000_000,  # tool: MAX_NO_PIPELINE_SPEED; faster with the pipeline on
    has_latency_model=False,  # tool
    doubles_pooled_passthrough=True,  # tool
    rereads_kernel_columns=False,  # tool
    streams_with_bias=True,  # tool
    stream_start_bits=15,  # tool
    stream_row_bits=14,  # tool
    stream_rollover_bits=18,  # tool
    places_flattened_biases_first=False,  # tool
    max_dilation=16,  # manual
    max_dilation_1d=2047,  # manual
    max_pool_dilation=16,  # manual
    has_depthwise=True,  # tool
    pads_wide_1d=False,  # manual: conv1d of more than 64 channels
    pools_wide_passthrough=True,  # manual
    adds_with_bias=False,  # tool, whatever the passes
    features=FEATURES,  # manual
)

SPECS = {spec.name: spec for spec in (MAX78000, MAX78002)}
