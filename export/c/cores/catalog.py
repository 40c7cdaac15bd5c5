"""The families of emulated cores, and their cores by name."""

from collections.abc import Iterable

from export.c.cores import cortex_m, riscv
from export.c.cores.family import Core, Family

FAMILIES: tuple[Family, ...] = (
    cortex_m.FAMILY,
    cortex_m.HELIUM,
    riscv.FAMILY,
)

CORES: dict[str, Core] = {
    core.name: core for family in FAMILIES for core in family.cores
}

_FAMILY_OF: dict[str, Family] = {
    core.name: family for family in FAMILIES for core in family.cores
}


def family(core: str) -> Family:
    """The family of a core of `CORES`."""
    return _FAMILY_OF[core]


def families(cores: Iterable[str]) -> list[Family]:
    """Those of `cores`, each once."""
    return list(dict.fromkeys(family(core) for core in cores))
