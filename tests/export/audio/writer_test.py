"""The generated C against NumPy's integers, bit for bit, watched by sanitizers."""

import subprocess

import numpy as np
import pytest

from export.audio import writer
from tests.audio import waves
from tests.export.c import compiler
from tfpipeline import errors
from tfpipeline.audio import front_end
from tfpipeline.ir import graph

INT8 = graph.QuantParams((0.58,), (83,), 8)
INT16 = graph.QuantParams((0.0024,), (0,), 16)
# Every kind and type; transforms with and without a stage of two; hops that are more
# than a window, windows that are no multiple of hops, bands without a bin.
CASES = {
    "default": (front_end.FrontEnd(), INT8, "int8"),
    "wide": (front_end.FrontEnd(stride_ms=10, clip_seconds=0.2), INT16, "int16"),
    "plain": (
        front_end.FrontEnd("log_mel", 16_000, 64, 70, 120, clip_seconds=0.3),
        None,
        "int32",
    ),
    "music": (
        front_end.FrontEnd(
            "log_mel", 44_100, 40, 7, 64, 0, 0, 22_050, clip_seconds=0.1
        ),
        INT8,
        "int8",
    ),
    "short": (front_end.FrontEnd("mfcc", 4_000, 9, 9, 8, 8, 50, 2_000), None, "int32"),
}

# Reads a clip, writes its rows, then those of its hops.
_MAIN = """\
#include "{name}.h"

#include <stdio.h>

static {name}_state state;
static int16_t samples[{upper}_CLIP_SAMPLES];
static {dtype}_t rows[{upper}_FRAMES * {upper}_FEATURES];

int main(void)
{{
    while (fread(samples, sizeof samples, 1, stdin) == 1) {{
        {name}_clip(&state, samples, rows);
        fwrite(rows, sizeof rows, 1, stdout);
        {name}_begin(&state);
        for (int32_t i = 0; i + {upper}_HOP_SAMPLES <= {upper}_CLIP_SAMPLES;
             i += {upper}_HOP_SAMPLES) {{
            if ({name}_push(&state, samples + i, rows)) {{
                fwrite(rows, sizeof *rows, {upper}_FEATURES, stderr);
            }}
        }}
    }}
    return 0;
}}
"""


def program(name):
    given, quant, dtype = CASES[name]
    if quant is None:
        return writer.prepare(given, name)
    tensor = graph.Tensor("input", (1, *given.output_shape), dtype, quant)
    return writer.prepare(given, name, tensor)


def clips(given):
    """Drawn sounds as they are, and the extremes."""
    length = given.clip_samples
    drawn = np.concatenate([each[:2] for each in waves.clips().values()])
    repeated = np.tile(drawn, (1, -(-length // drawn.shape[1])))[:, :length]
    alternating = np.where(np.arange(length) % 2, -32_768, 32_767)
    extremes = [np.zeros(length), np.full(length, -32_768), alternating]
    return np.concatenate([repeated, np.array(extremes, np.int16)])


def written(folder, name):
    found = program(name)
    for file, text in writer.contents(found).items():
        (folder / file).write_text(text, encoding="utf-8")
    return found


@compiler.needs_gcc
@pytest.mark.parametrize("name", CASES)
def test_clips_and_streams_have_the_integers_of_numpy(name, tmp_path):
    found = written(tmp_path, name)
    main = tmp_path / "main.c"
    names = {"name": name, "upper": name.upper(), "dtype": found.dtype}
    main.write_text(_MAIN.format(**names))
    sources = [tmp_path / f"{name}.c", main]
    path = compiler.compile_program(sources, tmp_path / "run", *compiler.SANITIZERS)
    samples = clips(found.given)
    done = subprocess.run(
        [path], input=samples.tobytes(), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    expected = found.features(samples)
    rows = np.frombuffer(done.stdout, found.dtype).reshape(expected.shape)
    np.testing.assert_array_equal(rows, expected)
    hops = found.given.clip_samples // found.given.hop_samples
    streamed = expected[:, : hops - found.lead_hops + 1]
    assert streamed.shape[1] in (found.given.num_frames, found.given.num_frames - 1)
    stream = np.frombuffer(done.stderr, found.dtype).reshape(streamed.shape)
    np.testing.assert_array_equal(stream, streamed)


@compiler.needs_gcc
@pytest.mark.parametrize("name", CASES)
def test_known_answers_are_met(name, tmp_path):
    written(tmp_path, name)
    sources = [tmp_path / f"{name}.c", tmp_path / f"{name}_test.c"]
    path = compiler.compile_program(sources, tmp_path / "test", "-O2")
    assert subprocess.run([path], timeout=60).returncode == 0


@compiler.needs_gcc
@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("band + LOG_OFFSET", "band + 2 * LOG_OFFSET", 1),
        ("memcpy(state->samples + KEPT, hop", "memcpy(state->samples, hop", 2),
    ],
)
def test_answers_that_are_not_met_are_told(right, wrong, code, tmp_path):
    written(tmp_path, "wide")
    source = tmp_path / "wide.c"
    text = source.read_text()
    assert right in text
    source.write_text(text.replace(right, wrong))
    sources = [source, tmp_path / "wide_test.c"]
    path = compiler.compile_program(sources, tmp_path / "test")
    assert subprocess.run([path], timeout=60).returncode == code


@pytest.mark.parametrize("name", CASES)
def test_no_floats_and_no_memory_but_the_callers(name):
    text = writer.source(program(name))
    for word in ("float", "double", "alloc", "math.h"):
        assert word not in text


def test_the_same_front_end_gives_the_same_bytes():
    assert writer.contents(program("wide")) == writer.contents(program("wide"))


def test_parameters_are_read_back(tmp_path):
    found = written(tmp_path, "music")
    assert writer.read(tmp_path / "music.json") == found.given


@pytest.mark.parametrize("text", ["[]", "{}", '{"front_end": 3}', '{"front_end": {}}'])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(errors.DamagedFileError, match="no front end"):
        writer.read(path)


@pytest.mark.parametrize(
    ("tensor", "match"),
    [
        (graph.Tensor("x", (1, 49, 9), "int8", INT8), r"\(1, 49, 9\).*\(49, 10, 1\)"),
        (graph.Tensor("x", (1, 49, 10), "float32"), "the network's is float32"),
        (
            graph.Tensor("x", (1, 490), "int8", graph.QuantParams((1e9,), (0,), 8)),
            "do not fit an input int8 with scale 1e",
        ),
    ],
)
def test_networks_of_other_inputs_are_refused(tensor, match):
    with pytest.raises(errors.ExportError, match=match):
        writer.prepare(front_end.FrontEnd(), "x", tensor)
