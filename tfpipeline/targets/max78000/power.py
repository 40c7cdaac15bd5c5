"""What the vendor measured of power on the MAX78002, as text beside an estimate.

Source: Analog Devices, AN7664 "Developing Power-Optimized Applications on the MAX78002"
(MAX78002 folder of analogdevicesinc/MaximAI_Documentation, 972fe61), on its evaluation
kit with VCOREA at 1.0 V, the CNN's clock at 200 MHz in inference and 50 MHz in loading.
Boards differed by 3.8 %. The same note on the MAX78000 (AN7417) could not be read.
"""

import dataclasses
from collections.abc import Mapping

from tfpipeline.targets.max78000 import spec as specs

# Table 4, "Kernels Loading" of 15 networks of 57,776 to 1,686,080 bytes of weights: the
# mean of energy a byte and of time a byte, and the largest deviation of a network from
# the mean. Energies are above the idle power.
LOADING_JOULES_PER_BYTE = 3.028e-9
LOADING_SECONDS_PER_BYTE = 71.25e-9
LOADING_RELATIVE_ERROR = 0.035

# Table 4, "Inference only" divided by "MACC": the least (svhn_tinierssd) and the most
# (cifar-100-mobilenet-v2-0.75, depthwise), rounded apart. No model of MACs and time was
# nearer than a factor of 2.7 to all of its 14 networks.
INFERENCE_JOULES_PER_MAC = (5.3e-12, 52.9e-12)

# Figure 4 and figure 12, watts: name -> without, with the weights kept. The first three
# keep them anyway.
SLEEPS: Mapping[str, tuple[float, float]] = {
    "active, 60 MHz": (3.34e-3, 3.34e-3),
    "sleep, 60 MHz": (1.64e-3, 1.64e-3),
    "low power": (1.35e-3, 1.35e-3),
    "micro power": (0.176e-3, 0.474e-3),
    "standby": (0.138e-3, 0.498e-3),
    "backup": (0.156e-3, 0.537e-3),
}
# Between two inferences: the mode in which weights may be lost that wakes up soonest.
_PAUSE = "micro power"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Power:
    """Energy of a network on a device that was measured.

    Attributes:
        loading_joules: of its weights, once, within `LOADING_RELATIVE_ERROR`.
        loading_seconds: the same.
        inference_joules: the least and the most that an inference may take.
        reload_seconds: with longer pauses than this between two inferences it takes
            less energy to load the weights again than to keep them.
    """

    loading_joules: float
    loading_seconds: float
    inference_joules: tuple[float, float]
    reload_seconds: float


def of_network(weight_bytes: int, macs: int, spec: specs.Spec) -> Power | None:
    """The energy of a network by its weights and work.

    Args:
        weight_bytes: as the vendor's tool counts them.
        macs: multiply-accumulates of one inference.
        spec: the device.

    Returns:
        `None` for a device whose power no source at hand has.
    """
    if spec != specs.MAX78002:
        return None
    loading = weight_bytes * LOADING_JOULES_PER_BYTE
    lost, kept = SLEEPS[_PAUSE]
    least, most = INFERENCE_JOULES_PER_MAC
    return Power(
        loading_joules=loading,
        loading_seconds=weight_bytes * LOADING_SECONDS_PER_BYTE,
        inference_joules=(macs * least, macs * most),
        reload_seconds=loading / (kept - lost),
    )


def text(power: Power) -> str:
    """The section of an estimate."""
    least, most = (1e6 * joules for joules in power.inference_joules)
    lines = [
        f"loading the weights once: {1e6 * power.loading_joules:,.0f} uJ, "
        f"{1e3 * power.loading_seconds:,.1f} ms, +-{LOADING_RELATIVE_ERROR:.1%}",
        f"an inference: {least:,.0f} to {most:,.0f} uJ, the least and the most a MAC "
        "that the vendor measured of 14 networks; there is no model",
        f"pauses of over {power.reload_seconds:,.1f} s: loading the weights again "
        f"takes less than keeping them ({_PAUSE})",
    ]
    width = max(map(len, SLEEPS))
    for name, (lost, kept) in SLEEPS.items():
        with_weights = f", {1e3 * kept:.3f} mW with weights" if kept != lost else ""
        lines.append(f"{name:<{width}}  {1e3 * lost:.3f} mW{with_weights}")
    return "\n".join(lines)
