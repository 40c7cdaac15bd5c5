"""Boxes of the C beside those of Python, integer by integer."""

import subprocess

import numpy as np
import pytest

from export.detection import c_decoder
from tests.export.c import compiler
from tfpipeline.detection import branches, integer_decoding
from tfpipeline.models import specs

LFFD_V2 = branches.of(specs.MODELS["lffd_v2"].branches)

SIZE = (96, 128)
BRANCHES = LFFD_V2[:3]
CELLS = [(23, 31), (11, 15), (5, 7)]
IMAGES = 40

_MAIN = """\
#include <stdio.h>
#include "net_boxes.h"

static {ctype} logits0[{l0}], logits1[{l1}], logits2[{l2}];
static {ctype} maps0[2 * {l0}], maps1[2 * {l1}], maps2[2 * {l2}];

int main(void)
{{
    {ctype} const *const logits[] = {{logits0, logits1, logits2}};
    {ctype} const *const maps[] = {{maps0, maps1, maps2}};
    static net_box boxes[NET_MOST_BOXES];
    while (fread(logits0, sizeof logits0, 1, stdin) == 1 &&
           fread(logits1, sizeof logits1, 1, stdin) == 1 &&
           fread(logits2, sizeof logits2, 1, stdin) == 1 &&
           fread(maps0, sizeof maps0, 1, stdin) == 1 &&
           fread(maps1, sizeof maps1, 1, stdin) == 1 &&
           fread(maps2, sizeof maps2, 1, stdin) == 1) {{
        const int32_t count = net_boxes(logits, maps, boxes);
        fwrite(&count, sizeof count, 1, stdout);
        fwrite(boxes, sizeof boxes[0], (size_t)count, stdout);
    }}
    return 0;
}}
"""


def _decoder(bits, most=60):
    step = 16 / (1 << bits)
    scales = [
        integer_decoding.Quantization(step, step / 4 * (1 + number / 8), 3 - number)
        for number in range(3)
    ]
    return integer_decoding.prepare(BRANCHES, CELLS, scales, SIZE, most=most)


def _images(bits):
    """Random maps, with few cells above the threshold in some and many in others."""
    random = np.random.default_rng(bits)
    limits = np.iinfo(f"int{bits}")
    for number in range(IMAGES):
        logits, maps = [], []
        for cells in CELLS:
            values = random.integers(limits.min, limits.max + 1, (*cells, 2))
            values[..., 0] -= (number % 4) * limits.max // 3
            logits.append(np.clip(values, limits.min, limits.max).astype(limits.dtype))
            boxes = random.integers(limits.min, limits.max + 1, (*cells, 4))
            boxes[..., 2:] = -np.abs(boxes[..., 2:])
            maps.append(np.clip(boxes, limits.min, limits.max).astype(limits.dtype))
        yield logits, maps


def _run(program, images):
    given = b"".join(a.tobytes() for ls, ms in images for a in (*ls, *ms))
    done = subprocess.run([program], input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    numbers = np.frombuffer(done.stdout, np.int32)
    results = []
    while len(numbers):
        count = numbers[0]
        results.append(numbers[1 : 1 + 5 * count].reshape(count, 5))
        numbers = numbers[1 + 5 * count :]
    return results


@compiler.needs_gcc
@pytest.mark.parametrize("bits", [8, 16])
def test_the_boxes_are_those_of_python(tmp_path, bits):
    decoder = _decoder(bits)
    for name, text in c_decoder.contents(decoder, "net", bits).items():
        (tmp_path / name).write_text(text)
    sizes = {f"l{i}": 2 * rows * columns for i, (rows, columns) in enumerate(CELLS)}
    (tmp_path / "main.c").write_text(_MAIN.format(ctype=f"int{bits}_t", **sizes))
    program = compiler.compile_program(
        [tmp_path / "net_boxes.c", tmp_path / "main.c"],
        tmp_path / "program",
        *compiler.SANITIZERS,
    )
    images = list(_images(bits))
    results = _run(program, images)
    assert len(results) == IMAGES
    counts = set()
    for (logits, maps), rows in zip(images, results, strict=True):
        boxes, scores = integer_decoding.decode(decoder, logits, maps)
        np.testing.assert_array_equal(rows[:, :4], boxes)
        np.testing.assert_array_equal(rows[:, 4], scores)
        counts.add(len(rows))
    assert len(counts) > 3 and max(counts) > 5


def test_names_are_spelled_for_c():
    files = c_decoder.contents(_decoder(8), "My-Net 2")
    assert sorted(files) == ["my_net_2_boxes.c", "my_net_2_boxes.h"]
    assert "malloc" not in "".join(files.values())
