"""Small data of every form."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

CLASSES = ("cat", "dog")


@pytest.fixture
def picture_folder(tmp_path):
    """6 RGB pictures of 8x6 (height x width) a class, each of one color."""
    for number, name in enumerate(CLASSES):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(6):
            color = (100 * number + index, 10 * index, 7)
            image = Image.new("RGB", (6, 8), color)
            image.save(tmp_path / "pictures" / name / f"{index}.png")
    return tmp_path / "pictures"


@pytest.fixture
def wave_folder(tmp_path):
    """6 waves of 160 samples a class at 16 kHz, int16."""
    random = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "waves" / name).mkdir(parents=True)
        for index in range(6):
            wave = random.integers(-32768, 32768, 160, np.int16)
            wavfile.write(tmp_path / "waves" / name / f"{index}.wav", 16000, wave)
    return tmp_path / "waves"
