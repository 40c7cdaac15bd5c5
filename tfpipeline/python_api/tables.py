"""Results as tables: of pandas, and as notebooks show them."""

import abc
from typing import TYPE_CHECKING, Any

from tfpipeline.cost import estimate

if TYPE_CHECKING:
    import pandas as pd


class Shown(abc.ABC):
    """A result that is a table, too."""

    @abc.abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table: column -> value."""

    def table(self) -> "pd.DataFrame":
        """As a table of pandas, which this imports."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        html: str = self.table().to_html(index=False, border=0, na_rep="-")
        return html


def cost_rows(found: estimate.Estimate) -> list[dict[str, Any]]:
    """A row a latency model, one at least; times in seconds, sizes in bytes."""
    totals = found.totals
    common = {
        "macs": totals.macs,
        "ops": totals.macc + totals.comp + totals.add + totals.mul + totals.bitwise,
        **found.memory,
        "fits": not found.violations,
    }
    timed: list[dict[str, Any]] = [
        {
            "latency_model": name,
            "cycles": latency.cycles,
            "seconds": latency.seconds,
            "relative_error": latency.relative_error,
            "joules": latency.joules,
            "evidence": latency.evidence,
        }
        for name, latency in found.latency.items()
    ]
    return [{"target": found.target, **each, **common} for each in timed or [{}]]
