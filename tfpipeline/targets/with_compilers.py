"""Targets whose costs their own compilers tell, which are run on a network's file.

Apart from those of `catalog`, which a graph is enough for and no process.
"""

from tfpipeline.cost.target import Target
from tfpipeline.targets.ethosu import estimate as ethosu

TARGETS: dict[str, Target] = {each.name: each for each in ethosu.TARGETS}
NAMES = tuple(TARGETS)
