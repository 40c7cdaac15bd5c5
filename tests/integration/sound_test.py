"""From a folder of `.wav` files to scores in C: a whole run, and its program."""

import subprocess

import numpy as np
import pytest
from scipy.io import wavfile

from tests.audio import waves
from tests.export import commands
from tests.export.c import compiler
from tfpipeline import atomic_files, entry, train
from tfpipeline.audio import integer_features, wav_files
from tfpipeline.configs import sound
from tfpipeline.ir import from_tflite
from tfpipeline.targets.tflm import interpreter, reference

pytestmark = [pytest.mark.slow, compiler.needs_gcc]

_NETWORK = """\
import tf_keras as keras


def spotter(input_shape, num_classes):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, (10, 4), strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(num_classes),
        ]
    )
"""

_MAIN = """\
#include "front_end/spotter_front_end.h"
#include "spotter.h"

#include <stdio.h>

static spotter_front_end_state state;
static int16_t samples[SPOTTER_FRONT_END_CLIP_SAMPLES];
static int8_t rows[SPOTTER_INPUT_SIZE];

int main(void)
{
    int8_t scores[SPOTTER_OUTPUT_SIZE];
    while (fread(samples, sizeof samples, 1, stdin) == 1) {
        spotter_front_end_clip(&state, samples, rows);
        spotter_run(rows, scores);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""


@pytest.fixture
def words(tmp_path):
    """Two classes of ten sounds each, of two rates."""
    random = np.random.default_rng(0)
    for name, (low, high) in {"low": (100, 500), "high": (1_500, 3_000)}.items():
        folder = tmp_path / "words" / name
        folder.mkdir(parents=True)
        for i in range(10):
            wave = waves.dithered(random, waves.tone(random.uniform(low, high), 0.2))
            wavfile.write(folder / f"{i}.wav", 16_000 if i % 2 else 15_000, wave)
    return tmp_path / "words"


def test_a_folder_of_sounds_becomes_scores_in_c(words, tmp_path):
    (tmp_path / "net.py").write_text(_NETWORK)
    arguments = (
        *(f"--dataset={words}", f"--model={tmp_path / 'net.py'}:spotter"),
        *("--front_end=mfcc", "--clip_seconds=0.5", "--mfcc=8", "--batch_size=4"),
        *("--epochs=1", "--qat_epochs=1", f"--workdir={tmp_path / 'run'}"),
    )
    assert _train(*arguments) == 0
    run = tmp_path / "run"
    flags = atomic_files.read_json(run / "run.json")["flags"]
    assert (flags["front_end"], flags["mfcc"]) == ("mfcc", 8)
    written = run / "export" / "int8_front_end" / "spotter_front_end.h"
    assert "#define SPOTTER_FRONT_END_FEATURES 8\n" in written.read_text()

    commands.run("c", run, tmp_path / "c")
    (tmp_path / "c" / "main.c").write_text(_MAIN)
    names = ("main.c", "spotter.c", "front_end/spotter_front_end.c")
    sources = [tmp_path / "c" / name for name in names]
    program = compiler.compile_program(sources, tmp_path / "program")
    given = sound.Sound("mfcc", mfcc=8, clip_seconds=0.5).value
    clips = np.stack([wav_files.read(each, given) for each in words.glob("*/*.wav")])
    done = subprocess.run([program], input=clips.tobytes(), capture_output=True)
    scores = np.frombuffer(done.stdout, np.int8).reshape(len(clips), 2)
    model = (run / "export" / "int8" / "model.tflite").read_bytes()
    features = integer_features.features(given, clips)
    g = from_tflite.read(model)
    tensor = g.tensors[g.inputs[0]]
    by = integer_features.scaling(
        tensor.quant.scale[0], tensor.quant.zero_point[0], "int8"
    )
    inputs = integer_features.quantized(features, by)
    np.testing.assert_array_equal(scores, interpreter.predict(model, inputs))
    # What the run was measured on is divided in float32, which may round a half away.
    measured = reference.quantize_input(model, integer_features.reals(features))
    apart = np.abs(inputs - measured.astype(int))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-3


def _train(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        entry.start(train.main, "train", train.Command(), ["train", *arguments])
    return stopped.value.code
