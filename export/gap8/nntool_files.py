"""The way through GreenWaves' own NNTool: a float `.tflite`, its script, its images.

NNTool chooses formats by a rule of its own, so its integers are not those of the other
files; in its own formats it computes what our simulation does.
"""

import io
from collections.abc import Iterator

import numpy as np

from export.gap8 import network
from tfpipeline.ir import graph

FOLDER = "nntool"
SCRIPT_FILE = f"{FOLDER}/nntool_script"
# The version that the script was tried with.
TOOL = "NNTool 4.1 (gap_sdk a2302650)"

# A file each: of more images the first.
MAX_IMAGES = 64

_SCRIPT = """\
adjust
fusions --pow2
aquant calibration/*.npy -s POW2 -f {bits}
set l3_ram_device AT_MEM_L3_HRAM
set l3_flash_device AT_MEM_L3_HFLASH
save_state
"""


def files(found: network.Network) -> Iterator[tuple[str, bytes]]:
    """Paths under the export's folder, and what is in each file."""
    if found.tflite is None or found.images is None:
        return
    yield f"{FOLDER}/{found.name}.tflite", found.tflite
    script = _SCRIPT.format(bits=found.program.num_bits)
    yield SCRIPT_FILE, script.encode("utf-8")
    images = found.images[:MAX_IMAGES]
    width = len(str(len(images) - 1))
    for index, image in enumerate(images):
        yield f"{FOLDER}/calibration/{index:0{width}}.npy", _array(image)


def _array(image: graph.Array) -> bytes:
    """An image as NNTool reads it behind `adjust`: channels, rows, columns."""
    turned = image.transpose(2, 0, 1) if image.ndim == 3 else image
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(turned, np.float32), allow_pickle=False)
    return stream.getvalue()
