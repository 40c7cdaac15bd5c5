"""Is a graph well formed? Run after every reader and every pass.

Whether a target supports it and whether it fits are other questions, asked elsewhere.
"""

from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules, rule, structure_rules

# Later stages rely on earlier ones: shapes of tensors that do not exist have no rules.
STAGES: tuple[tuple[rule.Rule, ...], ...] = (
    structure_rules.RULES,
    layer_rules.ATTRIBUTE_RULES,
    layer_rules.OPERAND_RULES,
)

RULES = tuple(r for stage in STAGES for r in stage)


def violations(g: graph.Graph) -> tuple[rule.Violation, ...]:
    """All breaches of the first stage that has any; empty for a well-formed graph."""
    for stage in STAGES:
        found = tuple(
            rule.Violation(r, subject, what)
            for r in stage
            for subject, what in r.check(g)
        )
        if found:
            return found
    return ()


def require(g: graph.Graph) -> graph.Graph:
    """Returns `g` when it is well formed.

    Raises:
        GraphError: listing the violations.
    """
    found = violations(g)
    if not found:
        return g
    raise errors.GraphError(
        errors.told(
            f"graph '{g.name[:60]}' is not well formed: ",
            [str(violation) for violation in found],
        )
    )
