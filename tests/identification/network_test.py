"""Descriptor networks from files and folders."""

import pathlib

import numpy as np
import pytest

from tests.identification import gap8_descriptor
from tfpipeline import errors
from tfpipeline.identification import matching, network
from tfpipeline.targets.gap8 import program_file, simulate


def test_a_run_its_export_and_the_file_are_the_same_network(tmp_path):
    folder = tmp_path / "export" / "gap8"
    program_file.write(folder / "program.npz", gap8_descriptor.descriptor())
    network.write_threshold(folder, 1234, {"pairs": 10})
    found = [network.load(path) for path in (tmp_path, folder, folder / "program.npz")]
    assert [each.threshold for each in found] == [1234] * 3
    assert len({each.fingerprint for each in found}) == 1
    assert (found[0].side, found[0].length) == (
        gap8_descriptor.SIDE,
        gap8_descriptor.LENGTH,
    )


def test_descriptors_are_what_the_simulator_computes_of_raw_pixels():
    p = gap8_descriptor.descriptor()
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), np.uint8)
    found = network.Network(p).describe(images)
    expected = simulate.outputs_readable(
        p, images.transpose(0, 3, 1, 2).astype(np.int16)
    )["descriptor"]
    np.testing.assert_array_equal(found, expected[:, :, 0, 0])
    assert found.dtype == np.int16 and found.any()


def test_the_network_that_was_trained_on_photographs():
    root = pathlib.Path(__file__).resolve().parents[2]
    found = network.load(root / "experiments" / "reid" / "folds_0_4")
    assert (found.side, found.length) == (128, 512)
    assert found.program.weight_bytes == 2 * 722_502
    first, second = found.describe(
        np.random.default_rng(0).integers(0, 256, (2, 128, 128, 1), np.uint8)
    )
    # Noise is nobody, and not everybody's noise is the same.
    [[distance]] = matching.squared_distances(first[None], second[None])
    assert distance > 0 and found.threshold is not None


def test_other_integers_are_another_network():
    first, second = (network.Network(gap8_descriptor.descriptor(s)) for s in (0, 1))
    assert first.fingerprint != second.fingerprint


def test_no_network_in_a_folder(tmp_path):
    with pytest.raises(errors.StorageError, match=r"holds no program\.npz"):
        network.load(tmp_path)


def test_a_network_of_color_is_refused(tmp_path):
    path = tmp_path / "program.npz"
    program_file.write(path, gap8_descriptor.descriptor(inputs=3))
    with pytest.raises(errors.UsageError, match="one square gray image"):
        network.load(path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"threshold": "1"}', "{"])
def test_a_damaged_threshold_is_refused(tmp_path, text):
    program_file.write(tmp_path / "program.npz", gap8_descriptor.descriptor())
    (tmp_path / "identification.json").write_text(text)
    with pytest.raises(errors.StorageError, match=r"identification\.json"):
        network.load(tmp_path)
