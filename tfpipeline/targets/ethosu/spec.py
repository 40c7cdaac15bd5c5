"""Arm's Ethos-U: the configurations that Vela compiles for, and their systems.

Sources: `vela --help` of ethos-u-vela 5.2.0 for the accelerators, whose last number is
multiply-accumulates a clock; its config_files/Arm/vela.ini for systems and memory
modes. No chip is one of these: clocks and bandwidths are Arm's reference systems.
"""

import dataclasses

PACKAGE = "ethos-u-vela"
# That this was written for and tested with.
VERSION = "5.2.0"
INSTALL = f"pip install 'tfpipeline[ethosu]' ({PACKAGE} {VERSION})"
CONFIG_FILE = "Arm/vela.ini"

SHARED_SRAM = "Shared_Sram"
DEDICATED_SRAM = "Dedicated_Sram_384KB"

# Clock and bandwidths of vela.ini's [System_Config.NAME].
SYSTEM_CONFIGS = (
    "Ethos_U55_Deep_Embedded",
    "Ethos_U55_High_End_Embedded",
    "Ethos_U65_Embedded",
    "Ethos_U65_Mid_End",
    "Ethos_U65_High_End",
    "Ethos_U65_Client_Server",
    "Ethos_U85_SYS_Flash_Low",
    "Ethos_U85_SYS_Flash_High",
    "Ethos_U85_SYS_DRAM_Low",
    "Ethos_U85_SYS_DRAM_Mid",
    "Ethos_U85_SYS_DRAM_High",
)
# Who shares the SRAM, and where constants lie: [Memory_Mode.NAME].
MEMORY_MODES = (
    "Sram_Only",
    SHARED_SRAM,
    "Dedicated_Sram",
    "Dedicated_Sram_256KB",
    DEDICATED_SRAM,
    "Dedicated_Sram_512KB",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What a network is compiled for.

    Attributes:
        name: of --target, which is Vela's --accelerator-config.
        system_config: clock and memories around it.
        memory_mode: what of them is used for what.
    """

    name: str
    system_config: str
    memory_mode: str

    @property
    def system_configs(self) -> tuple[str, ...]:
        """Those of its family."""
        _, family, _ = self.name.split("-")
        start = f"Ethos_{family.upper()}_"
        return tuple(each for each in SYSTEM_CONFIGS if each.startswith(start))


# Macs a clock of each, and the system that Vela takes if none is named.
_FAMILIES = (
    ("u55", (32, 64, 128, 256), "Ethos_U55_High_End_Embedded", SHARED_SRAM),
    ("u65", (256, 512), "Ethos_U65_Client_Server", DEDICATED_SRAM),
    ("u85", (128, 256, 512, 1024, 2048), "Ethos_U85_SYS_DRAM_Mid", DEDICATED_SRAM),
)

CONFIGS = {
    config.name: config
    for family, sizes, system, mode in _FAMILIES
    for config in (
        Config(name=f"ethos-{family}-{macs}", system_config=system, memory_mode=mode)
        for macs in sizes
    )
}
