"""What two large data sets take, by docs/clusters.md's formula from measured speeds.

    python -m tests.cluster_hours

Prints the table of docs/clusters.md.
"""

import dataclasses

# docs/speed.md, "Measured": cmsisnet (16,820,224 MACs) at 899 images/s and nascifarnet
# (36,180,992) at 472 on two cores of an AMD EPYC (Zen 3, AVX2), float32; the lower one.
_MACS_A_SECOND_A_CORE = min(899 * 16_820_224, 472 * 36_180_992) / 2
CORES = 16
# The share of its speed that a worker keeps beside others: assumed.
EFFICIENCY = 0.85


@dataclasses.dataclass(frozen=True)
class Case:
    """A data set and a network.

    Attributes:
        data: its name.
        images: in an epoch.
        side: of the stored pictures, of three colors.
        network: its name.
        macs: of one image, forward.
        parameters: that workers exchange the gradients of in each step.
        epochs: of the training.
    """

    data: str
    images: int
    side: int
    network: str
    macs: int
    parameters: int
    epochs: int

    @property
    def image_bytes(self) -> int:
        """Of a stored picture."""
        return 3 * self.side**2

    @property
    def images_a_second(self) -> float:
        """Of one worker alone."""
        return _MACS_A_SECOND_A_CORE * CORES / self.macs

    def hours(self, workers: int) -> float:
        """Of all epochs."""
        together = self.images_a_second * workers * (EFFICIENCY if workers > 1 else 1)
        return self.epochs * self.images / together / 3600


# VGGFace2: 3.31 million images (arXiv:1710.08092); ImageNet, ILSVRC 2012: 1,281,167 to
# train on (arXiv:1409.0575). MACs and parameters: docs/models.md, and for MobileNetV2
# arXiv:1801.04381, table 4.
CASES = (
    Case("VGGFace2", 3_310_000, 112, "mobilefacenet_y1", 220_965_376, 993_344, 20),
    Case("VGGFace2", 3_310_000, 112, "arcface_r18", 2_609_954_816, 24_018_688, 20),
    Case("ImageNet", 1_281_167, 224, "MobileNetV2", 300_000_000, 3_400_000, 90),
)
WORKERS = (1, 8, 32)


def table() -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| data, network | stored | images/s a worker | read, a worker | "
        + " | ".join(f"hours, {n} worker{'s'[: n > 1]}" for n in WORKERS)
        + " | core-hours on 8 |",
        "| --- " * (5 + len(WORKERS)) + "|",
    ]
    for case in CASES:
        hours = [case.hours(workers) for workers in WORKERS]
        read = case.images_a_second * case.image_bytes / 1e6
        lines.append(
            f"| {case.data}, {case.network}, {case.epochs} epochs "
            f"| {case.images * case.image_bytes / 1e9:.0f} GB "
            f"| {case.images_a_second:.0f} | {read:.1f} MB/s | "
            + " | ".join(f"{each:,.1f}" for each in hours)
            + f" | {8 * CORES * case.hours(8):,.0f} |"
        )
    return lines


def main() -> None:
    """Prints the table."""
    print("\n".join(table()))


if __name__ == "__main__":
    main()
