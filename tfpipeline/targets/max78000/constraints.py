"""What the accelerator can run: one table, for messages, the page and the tests.

Whether a network's weights, biases and data also fit the memories is another question,
which `memory` and `limits` answer.

Sources: "tool" and "manual" as in `spec`.
"""

from tfpipeline.targets.max78000 import (
    convolution_constraints,
    draft,
    layer_constraints,
    network_constraints,
    violation,
)
from tfpipeline.targets.max78000 import spec as specs

Violation = violation.Violation

CONSTRAINTS: tuple[violation.Constraint, ...] = (
    *convolution_constraints.CONSTRAINTS,
    *layer_constraints.CONSTRAINTS,
    *network_constraints.CONSTRAINTS,
)


def check(network: draft.Network, spec: specs.Spec) -> tuple[Violation, ...]:
    """All breaches of all constraints of the device, in the order of the table."""
    return tuple(
        Violation(
            id=f"{spec.name.upper()}-{constraint.id}",
            subject=subject,
            rule=constraint.sentence(spec),
            found=found,
            fix=constraint.fix,
        )
        for constraint in CONSTRAINTS
        if spec.name in constraint.devices
        for subject, found in constraint.check(network, spec)
    )
