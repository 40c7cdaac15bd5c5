"""Builds bundles with TensorFlow Lite Micro, as their README.md says, and runs them.

`TFPIPELINE_TFLM_TREE` names a tree that create_tflm_tree.py wrote, or a checkout with
its third parties. Its library takes minutes to build: `TFPIPELINE_TFLM_BUILD` may name
a folder that keeps it, in `host` and `cortex-m7`, for the next run of the tests.
Nothing of it is in this project.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

from export.tflm import bundle, files, mps2
from tests import converted_ends, several_ends

ROOT = pathlib.Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"

# int8 and int16, all kinds of layers that the goldens have, and a network of 108 kB.
NETWORKS = {
    "cmsisnet": ROOT / "experiments/cifar10/cmsisnet/model.tflite",
    "int8 residual": GOLDEN / "tflite_int8/residual_qat.tflite",
    "int8 depthwise": GOLDEN / "tflite_int8/depthwise_ptq.tflite",
    "int8 autoencoder": GOLDEN / "mlperf_int8/autoencoder.tflite",
    "int8 squeeze": GOLDEN / "mlperf_int8/squeeze.tflite",
    "int16 residual": GOLDEN / "tflite_int16/residual.tflite",
    "int16 ds_cnn": GOLDEN / "tflite_int16/ds_cnn.tflite",
    "int16 concat": GOLDEN / "tflite_int16/concat.tflite",
}
# Networks that no file holds: of several ends, and of ends of other types.
MADE = {
    "int8 several ends": several_ends.model,
    "int8 converted ends": converted_ends.model,
}

HOST, CORTEX_M7 = "host", "cortex-m7"
_LIBRARY = "libtensorflow-microlite.a"
_EMULATOR = (
    *("qemu-system-arm", "-M", "mps2-an500", "-nographic", "-monitor", "none"),
    *("-serial", "none", "-semihosting-config", "enable=on,target=native", "-kernel"),
)
# The line of the harness, in place of none.
_LINE = "-serial stdio -icount shift=0"
TOOLS = {
    HOST: ("cmake", "g++"),
    CORTEX_M7: ("cmake", "arm-none-eabi-g++", "qemu-system-arm"),
}


def _has_cross_library():
    command = ("arm-none-eabi-g++", "-print-file-name=libstdc++.a")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # What is not there comes back as it was asked for.
    return pathlib.Path(done.stdout.strip()).is_absolute()


class Library:
    """The library for one machine, built when the first bundle asks for it."""

    def __init__(self, machine, folder):
        missing = [tool for tool in TOOLS[machine] if shutil.which(tool) is None]
        # Debian has the cross compiler's C++ library in a package of its own.
        if machine == CORTEX_M7 and not missing and not _has_cross_library():
            missing = ["the C++ library (Debian: libstdc++-arm-none-eabi-newlib)"]
        if "TFPIPELINE_TFLM_TREE" not in os.environ:
            pytest.skip("TFPIPELINE_TFLM_TREE does not name TensorFlow Lite Micro")
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        self.machine = machine
        kept = os.environ.get("TFPIPELINE_TFLM_BUILD", folder)
        self.folder = pathlib.Path(kept) / machine
        self.built = None

    def prepare(self, folder, name):
        """Writes the bundle of a network of `NETWORKS` or `MADE`."""
        model = MADE[name]() if name in MADE else NETWORKS[name].read_bytes()
        made = bundle.prepare(model, name)
        files.write(folder, made)
        return made

    def harness(self, folder):
        """Builds the firmware of a bundle; returns `--port` of it."""
        self._build(folder)
        options = {"TFLM_LIBRARY": self.built}
        self._cmake(folder, folder / "build", "harness", options)
        program = str(folder / "build" / "harness")
        if self.machine == HOST:
            return f"exec:{program}"
        return f"exec:{' '.join(_EMULATOR).replace('-serial none', _LINE)} {program}"

    def run(self, folder, **options):
        """Builds what stands in `folder` and runs it: exit code, and what it prints."""
        self._build(folder)
        options = {"TFLM_LIBRARY": self.built, **options}
        self._cmake(folder, folder / "build", "check", options)
        program = str(folder / "build" / "check")
        command = [program] if self.machine == HOST else [*_EMULATOR, program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def _build(self, folder):
        """The library, with the CMakeLists.txt of a bundle."""
        if self.built is None and not (self.folder / _LIBRARY).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            # Of a build that did not end, from a folder that is gone.
            (self.folder / "CMakeCache.txt").unlink(missing_ok=True)
            self._cmake(folder, self.folder, "tensorflow-microlite", {})
        self.built = self.folder / _LIBRARY

    def _cmake(self, source, build, target, options):
        options = {"TFLM_DIR": os.environ["TFPIPELINE_TFLM_TREE"], **options}
        if self.machine == CORTEX_M7:
            options["CMAKE_TOOLCHAIN_FILE"] = source / mps2.FOLDER / "toolchain.cmake"
        flags = [f"-D{name}={value}" for name, value in options.items()]
        for command in (
            ["cmake", "-S", str(source), "-B", str(build), *flags],
            ["cmake", "--build", str(build), "--target", target, "--parallel", "2"],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            # Sources of ours; the library's are compiled with -w.
            assert "warning:" not in done.stderr, done.stderr
