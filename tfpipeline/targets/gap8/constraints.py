"""What GAP8 can run: one table, for messages, the page and the tests.

A breach of level `error` keeps a network from running; one of level `warning` says what
runs slowly, needs a later SDK, or is done in another way than it looks. `estimate`,
training and export all refuse by this table and nothing else.
"""

from tfpipeline import errors
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


def require_runnable(case: violation.Case) -> None:
    """Checks that a network breaks no constraint of level `error`.

    Raises:
        TargetError: the first breach, and how many more there are.
    """
    breaches = [each for each in check(case) if each.level == violation.ERROR]
    if breaches:
        more = len(breaches) - 1
        raise errors.TargetError(
            f"'{case.net.name}' cannot run on GAP8: {breaches[0]}"
            + (f" (and {more} more, which estimate lists)" if more else "")
        )
