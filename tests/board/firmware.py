"""Firmware of small networks, compiled; and lines to it that are bad on purpose."""

import functools
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import export.harness
from export.c import files
from export.harness import firmware_files
from tests import graph_builder
from tests.export.c import random_graphs
from tfpipeline.board import ports

SOURCES = pathlib.Path(export.harness.__file__).parent / "firmware"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-std=c99", "-pedantic")
SANITIZED = "-O1 -g -Werror -pedantic -fsanitize=undefined,address"

needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or shutil.which("make") is None,
    reason="no C compiler or no make is installed",
)


@functools.cache
def network(channels=2, outputs=5):
    """A network of 6x6 pixels, random weights."""
    net = graph_builder.Builder((6, 6, channels))
    net.conv(3)
    net.dense(outputs)
    return random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")


def exported(folder, g, name="net"):
    """Writes the C of a network; returns the folder of its harness."""
    files.write(folder, g, name)
    return folder / firmware_files.FOLDER


def built(harness, target, flags=SANITIZED):
    """Makes a target of a harness; returns the program."""
    command = ["make", "-s", "-C", str(harness), target, f"CFLAGS={flags}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    suffix = "" if target == "pc" else ".elf"
    return harness / "build" / f"{target}{suffix}"


def command_of(program):
    """`--port` of a program of this machine."""
    return f"exec:{program}"


class Noisy:
    """A line that spoils a share of the bytes in both directions, at random."""

    def __init__(self, port, share, seed=0):
        self.name, self.baud = port.name, port.baud
        self.spoiled = 0
        self._port, self._share = port, share
        self._random = np.random.default_rng(seed)

    def read(self, seconds):
        return self._through(self._port.read(seconds))

    def write(self, data):
        self._port.write(self._through(data))

    def close(self):
        self._port.close()

    def _through(self, data):
        values = np.frombuffer(data, np.uint8).copy()
        hit = self._random.random(len(values)) < self._share
        self.spoiled += int(hit.sum())
        values[hit] ^= self._random.integers(1, 256, int(hit.sum()), np.uint8)
        return values.tobytes()


class Cut:
    """A line that is gone after so many bytes to the board."""

    def __init__(self, port, count):
        self.name, self.baud = port.name, port.baud
        self._port, self._left = port, count

    def read(self, seconds):
        return self._port.read(seconds)

    def write(self, data):
        self._left -= len(data)
        if self._left < 0:
            raise ports.LineError(f"the line {self.name} is gone: cut by a test")
        self._port.write(data)

    def close(self):
        self._port.close()


def environment():
    """Of a program with sanitizers, which look for no leaks: nothing is allocated."""
    return {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
