"""What GAP8 can run: one table, for messages, the page and the tests.

A breach of level `error` keeps a network from running; one of level `warning` says what
runs slowly, needs a later SDK, or is done in another way than it looks.
"""

from tfpipeline.targets.gap8 import network_constraints, step_constraints, violation

Violation = violation.Violation

CONSTRAINTS: tuple[violation.Constraint, ...] = (
    *step_constraints.CONSTRAINTS,
    *network_constraints.CONSTRAINTS,
)


def check(case: violation.Case) -> tuple[Violation, ...]:
    """All breaches of all constraints, in the order of the table."""
    return tuple(
        Violation(
            id=f"GAP8-{constraint.id}",
            level=constraint.level,
            subject=subject,
            rule=constraint.rule,
            found=found,
            fix=constraint.fix,
        )
        for constraint in CONSTRAINTS
        for subject, found in constraint.check(case)
    )
