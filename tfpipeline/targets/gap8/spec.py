"""GAP8: sizes, clocks and rates, each with its source.

Sources, named in the comments:
  sdk     GreenWaves gap_sdk release-v3.1: documentation and kernels
  demo    GreenWaves FaceReID a3bde7e, the re-identification demo
  dory    pulp-platform/dory be3d6dd: its description of the chip, and the table of
          measured layers in its README (MobileNet-V1-128 in 8 bits, all at 100 MHz)
  bench   gap_sdk, docs/benchmarks: cycles of single kernels at 1.2 V
  fit     made to agree with a published time; says which
"""

import dataclasses

NAME = "gap8"

# Bytes of memory (sdk).
L1_BYTES = 64 * 1024
L2_BYTES = 512 * 1024
L3_BYTES = 8 * 1024 * 1024
# What stacks and data of the cluster take of L1 (demo, its AutoTiler model).
MASTER_STACK_BYTES = 2 * 1024
SLAVE_STACK_BYTES = 1024
CLUSTER_DATA_BYTES = 7 * 1024

CORES = 8  # sdk: RI5CY cores of the cluster
L1_USABLE_BYTES = (
    L1_BYTES - MASTER_STACK_BYTES - (CORES - 1) * SLAVE_STACK_BYTES - CLUSTER_DATA_BYTES
)

# Bits of a value -> values in a SIMD word of 32 bits (sdk). Also the widths there are:
# of data, weights and biases alike (sdk, `KerSetBias_fp_T` and `KerSetBias_fps_T`).
SIMD_LANES = {16: 2, 8: 4}
BITS = tuple(SIMD_LANES)
DEFAULT_BITS = 16  # demo
# Every buffer starts at a word: what the cluster's DMA copies at full speed (sdk).
ALIGNMENT = 4

# Largest clocks in Hz (sdk): of the cluster and of the fabric controller, which reads
# L3; at 1.2 V and at 1.0 V.
CLUSTER_HZ = 175_000_000
FABRIC_HZ = 250_000_000
LOW_CLUSTER_HZ = 90_000_000
LOW_FABRIC_HZ = 150_000_000

L2_L1_BYTES_PER_CYCLE = 8  # dory: the cluster's DMA
# fit: bytes of HyperRAM a cycle of the fabric controller. dory: the linear layer, which
# waits for its weights, moves 1.02 MB in 15.78 ms at 100 MHz.
L3_BYTES_PER_FABRIC_CYCLE = 0.65

# fit: cycles on the chip over the structural cycles of `cycles.py`, which stands for
# conflicts in L1, instruction cache, tiling, and what DMA is not hidden. 16 bits: from
# one figure, 380 ms of the asynchronous re-identification network, if the cluster ran
# at 175 MHz. (At 150 MHz, the demo's own clock, it would be 1.62.) 8 bits: the smallest
# mean error over the 33 MobileNets that GreenWaves published.
KAPPA = {16: 1.90, 8: 1.15}
# Band of error in 8 bits: 32 of the 33 are within it. In 16 bits there is one
# published figure, the one that was fitted to: no band.
RELATIVE_ERROR = {16: None, 8: 0.20}
# Of the cluster and memories while a network runs in 8 bits at the largest clocks, in
# watts: the mean over the 33 MobileNets of energy times frames a second. None in 16.
POWER_8_WATTS = 0.107
# fit: bytes a second of the synchronous build's blocking reads, 1,445,004 bytes in the
# 400 ms by which 780 ms exceed 380. No bandwidth of the HyperRAM: see docs.
SYNC_BYTES_PER_SECOND = 3.61e6


@dataclasses.dataclass(frozen=True)
class Clocks:
    """Clocks in Hz of the cluster, and of the fabric controller that reads L3."""

    cluster_hz: float = CLUSTER_HZ
    fabric_hz: float = FABRIC_HZ

    @property
    def l3_bytes_per_second(self) -> float:
        """What HyperRAM gives in large reads."""
        return L3_BYTES_PER_FABRIC_CYCLE * self.fabric_hz


def clocks(cluster_hz: float | None = None) -> Clocks:
    """Clocks with the fabric controller at the largest of the voltage that is needed.

    Args:
        cluster_hz: of the cluster; the largest if not given.
    """
    if cluster_hz is None:
        return Clocks()
    is_low = cluster_hz <= LOW_CLUSTER_HZ
    return Clocks(cluster_hz, LOW_FABRIC_HZ if is_low else FABRIC_HZ)
