"""Gray of color images, in integers."""

import numpy as np
import numpy.typing as npt

# ITU-R BT.601 luma in thousandths.
WEIGHTS = (299, 587, 114)


def gray(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Luma of RGB images: uint8 [..., 3] to [..., 1], rounded half up."""
    weights = np.array(WEIGHTS, np.uint32)
    total = (images.astype(np.uint32) * weights).sum(axis=-1, keepdims=True)
    result: npt.NDArray[np.uint8] = ((total + 500) // 1000).astype(np.uint8)
    return result
