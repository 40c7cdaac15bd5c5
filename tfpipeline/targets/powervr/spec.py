"""PowerVR 2NX and 3NX: what is published, what was fitted, and what to.

Sources, named in the comments:
  published  the vendor's multiply-accumulates a clock and peak rates of its largest
             cores, as eenewseurope (2NX: AX2185, 4.1 TOPS) and AnandTech (3NX: AX3595,
             10 TOPS) report them
  measured   entropy of the weights of two LFFD networks, quantized with one scale a
             tensor: 5.41 to 5.55 of 8 bits, 12.99 to 13.1 of 16
  fitted     to the 16 numbers of the cascade study's table, `TABLE`
  guessed    which fits: how a core shares its multipliers out
Sizes of on-chip memory, the memory's bandwidth and the cores that the study used are
not published.
"""

import dataclasses

# Memory traffic that nothing on the chip spares: bandwidth alone is fitted.
M0 = "m0"
# A buffer of `buffer_bytes` keeps what the next pass reads: for networks in general.
M1 = "m1"
# Activations and weights shrink by factors: to reproduce the table.
M2 = "m2"
MODELS = (M0, M1, M2)

# Bytes a second, the same for both cores; fitted, one for each model.
BANDWIDTH = {M0: 25.0e9, M1: 20.5e9, M2: 19.5e9}
# How many constants each model has from the table.
FITTED_CONSTANTS = {M0: 1, M1: 3, M2: 4}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Width:
    """What a core does with values of one width.

    Attributes:
        outputs: channels of a result that are computed at once; guessed.
        products: multiply-accumulates of one of them in a clock; guessed for the 3NX,
            with `outputs` the published multiply-accumulates a clock.
        activation_share: of M2, bytes of activations in memory; fitted.
        weight_share: of M2, bytes of compressed weights; measured.
    """

    outputs: int
    products: int
    activation_share: float
    weight_share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Core:
    """One accelerator: `widths` by bits, the clock and the buffer of M1 (fitted)."""

    name: str
    clock_hz: float
    buffer_bytes: int
    widths: dict[int, Width]


CORES = {
    core.name: core
    for core in (
        Core(
            name="powervr_2nx",
            # published: 4.1 TOPS of 2 x 2048 operations a clock.
            clock_hz=1.00e9,
            buffer_bytes=73_000,
            widths={
                16: Width(
                    outputs=8, products=128, activation_share=1.0, weight_share=1.0
                ),
                8: Width(
                    outputs=8, products=256, activation_share=0.845, weight_share=1.0
                ),
            },
        ),
        Core(
            name="powervr_3nx",
            # published: 10 TOPS of 2 x 4096 operations a clock. Multiply-accumulates
            # of 16 bits are those of the 4NX, which are published.
            clock_hz=1.22e9,
            buffer_bytes=475_000,
            widths={
                16: Width(
                    outputs=16, products=64, activation_share=0.834, weight_share=0.815
                ),
                8: Width(
                    outputs=16, products=256, activation_share=0.772, weight_share=0.685
                ),
            },
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the study's table: megabytes of 10^6 and inferences a second."""

    core: str
    network: str
    bits: int
    megabytes: float
    inferences: float


# The cascade study's table. Its ArcFace is LResNet100E-IR: no smaller one fits.
TABLE = (
    Row("powervr_2nx", "lffd_v1", 16, 260, 56),
    Row("powervr_2nx", "lffd_v1", 8, 112, 83),
    Row("powervr_2nx", "arcface_r100", 16, 206, 70),
    Row("powervr_2nx", "arcface_r100", 8, 95, 123),
    Row("powervr_3nx", "lffd_v1", 16, 218, 65),
    Row("powervr_3nx", "lffd_v1", 8, 101, 158),
    Row("powervr_3nx", "arcface_r100", 16, 170, 89),
    Row("powervr_3nx", "arcface_r100", 8, 73, 242),
)
