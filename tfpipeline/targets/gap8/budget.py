"""What the whole re-identification system keeps in L2, and what must overlap.

The system of the demo finds a face in a camera frame, cuts it out, and compares the
network's descriptor with those of known people. Apart from each other, network, face
detector, frame and face are 505 KiB, and each person adds 1 KiB, so that a few people
and the detector's buffers exceed 512 KiB: parts that are not needed at one time share
bytes, in the order in which the demo did it:

1. the face that is cut out is the network's input, at the pool's base;
2. the camera's frame lies at the pool's tail until a layer's data reach it;
3. the detector's buffers lie below the frame: the network does not run meanwhile;
4. so does the picture for the display, at the base.
"""

import dataclasses

from tfpipeline import errors
from tfpipeline.targets.gap8 import l2_plan, spec

# demo, face_cascade.h: shorts and chars of the Haar cascade.
CASCADE_BYTES = 55_319
# demo: a gray frame of 320x240 pixels, and its half for the display.
FRAME_BYTES = 320 * 240
PICTURE_BYTES = 160 * 120
# demo: the 64x48 frame that faces are looked for in, its two integral images in 32
# bits, and the 41x25 map of what was found.
DETECTOR_BYTES = 64 * 48 + 2 * 4 * 64 * 48 + 4 * 41 * 25


@dataclasses.dataclass(frozen=True)
class Part:
    """Something in L2.

    Attributes:
        name: what it is.
        bytes: its size.
        overlay: where in the network's pool it may lie instead; `None` if nowhere.
        until: the layer that overwrites it there; `None` if none does.
    """

    name: str
    bytes: int
    overlay: str | None = None
    until: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """The parts of the system for a number of people.

    Attributes:
        people: whose descriptors are kept.
        parts: those that cannot overlap, then those that can, in order of trying.
        available_bytes: of L2, what is reserved taken off.
    """

    people: int
    parts: tuple[Part, ...]
    available_bytes: int

    @property
    def apart_bytes(self) -> int:
        """All parts side by side."""
        return sum(part.bytes for part in self.parts)

    @property
    def required(self) -> tuple[Part, ...]:
        """The fewest parts, in order, that must overlap; all where that is not enough.

        See `fits`.
        """
        found: list[Part] = []
        total = self.apart_bytes
        for part in self.parts:
            if total > self.available_bytes and part.overlay is not None:
                found.append(part)
                total -= part.bytes
        return tuple(found)

    @property
    def overlapped_bytes(self) -> int:
        """The total with what must overlap overlapping."""
        return self.apart_bytes - sum(part.bytes for part in self.required)

    @property
    def fits(self) -> bool:
        """Whether it fits with what may overlap overlapping."""
        return self.overlapped_bytes <= self.available_bytes


def make(plan: l2_plan.Plan, people: int, *, reserved_bytes: int = 0) -> Budget:
    """The budget of the system around a planned network.

    Args:
        plan: of the network, whose first input is the face.
        people: at least 0.
        reserved_bytes: of L2 for what is not listed: code, stacks.

    Raises:
        UsageError: a negative number of people or bytes.
    """
    if people < 0 or reserved_bytes < 0:
        raise errors.UsageError(
            f"people and reserved bytes must be 0 or more. Received: {people} people, "
            f"{reserved_bytes} bytes"
        )
    peak = plan.peak_bytes
    name = plan.net.places[plan.net.inputs[0]].buffer
    size = plan.net.buffer_elements[name] * plan.bits // 8
    faces = [region for region in plan.regions if region.buffer.name == name]
    face_end = max((region.end for region in faces), default=0)
    descriptor = sum(
        plan.net.buffer_elements[plan.net.places[name].buffer] * plan.bits // 8
        for name in plan.net.outputs
    )
    frame = peak - FRAME_BYTES
    detector = frame - DETECTOR_BYTES
    parts = (
        Part(f"network, {plan.rule} plan", peak),
        Part("face detector's cascade", CASCADE_BYTES),
        Part(f"{people} descriptors of {descriptor:,} bytes", people * descriptor),
        Part(
            "face, cut out",
            size,
            f"the network's input, byte {face_end - size:,}" if faces else None,
        ),
        _tail("camera frame 320x240", FRAME_BYTES, frame, face_end, plan),
        _tail("face detector's buffers", DETECTOR_BYTES, detector, 0, plan),
        _base("picture for the display", PICTURE_BYTES, detector),
    )
    return Budget(
        people=people, parts=parts, available_bytes=spec.L2_BYTES - reserved_bytes
    )


def _tail(name: str, size: int, start: int, floor: int, plan: l2_plan.Plan) -> Part:
    """A part in the pool from `start` on, if that is above what it lives beside."""
    if start < floor:
        return Part(name, size)
    until = next(
        (
            step.name
            for time, step in enumerate(plan.net.steps)
            if any(
                region.lives(time)
                and region.offset < start + size
                and start < region.end
                for region in plan.regions
            )
        ),
        None,
    )
    return Part(name, size, f"the pool from byte {start:,} on", until)


def _base(name: str, size: int, ceiling: int) -> Part:
    return Part(name, size, "the pool's base" if size <= ceiling else None)


def to_text(budget: Budget) -> str:
    """The budget as a table, and what must overlap. No trailing newline."""
    required = budget.required
    lines = [
        f"{'what lies in L2':<34}{'bytes':>9}{'KiB':>9}  overlaps  where it may overlap"
    ]
    for part in budget.parts:
        where = part.overlay or "nowhere"
        if part.until is not None:
            where += f", until {part.until} writes there"
        mark = "must" if part in required else "no" if part.overlay is None else "may"
        lines.append(
            f"{part.name:<34}{part.bytes:>9,}{part.bytes / 1024:>9.1f}  {mark:<8}  "
            f"{where}"
        )
    for name, size in (
        ("all of it apart", budget.apart_bytes),
        ("with what must overlap", budget.overlapped_bytes),
        ("there is", budget.available_bytes),
    ):
        lines.append(f"{name:<34}{size:>9,}{size / 1024:>9.1f}")
    return "\n".join([*lines, _verdict(budget)])


def _verdict(budget: Budget) -> str:
    left = budget.available_bytes - budget.overlapped_bytes
    if not budget.fits:
        return (
            f"{-left:,} bytes too many for {budget.people} people, all overlaps taken"
        )
    if not budget.required:
        return f"fits without overlaps, {left:,} bytes are left"
    names = ", ".join(part.name for part in budget.required)
    return f"fits if these overlap the network: {names}; {left:,} bytes are left"
