"""The proof that no two live buffers of a plan share bytes.

It knows nothing of how a plan was made; every planner is held to it.
"""

from tfpipeline.cost import liveness, memory_plan


def find_conflicts(plan: memory_plan.Plan) -> list[str]:
    """Finds everything that makes `plan` unusable.

    Returns:
        One sentence a violation: an offset that is negative or not a multiple of 16,
        two buffers that are alive at one time and share bytes. Empty for a valid plan.
    """
    placed = list(zip(plan.buffers, plan.offsets, strict=True))
    found = [
        f"buffer '{buffer.name}' lies at offset {offset}, which must be a multiple of "
        f"{liveness.ALIGNMENT} and not negative"
        for buffer, offset in placed
        if offset < 0 or offset % liveness.ALIGNMENT
    ]
    for index, (buffer, offset) in enumerate(placed):
        for other, other_offset in placed[:index]:
            if (
                buffer.overlaps(other)
                and offset < other_offset + other.aligned_bytes
                and other_offset < offset + buffer.aligned_bytes
            ):
                found.append(
                    f"buffers '{other.name}' at {other_offset} and '{buffer.name}' at "
                    f"{offset} share memory at time "
                    f"{max(buffer.first_use, other.first_use)}"
                )
    return found
