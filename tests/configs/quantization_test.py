"""Which bits of weights quantization-aware training may go through."""

import pytest

from tfpipeline import errors
from tfpipeline.configs.quantization import Quantization


@pytest.mark.parametrize(
    "fields",
    [
        {"scheme": "max78000", "weight_bits": 4, "bits_schedule": (8, 4)},
        {"scheme": "max78000", "weight_bits": 1, "bits_schedule": (8, 4, 2, 1)},
        {"scheme": "max78000", "bits_schedule": (8,)},
        {"export": ("int4",), "bits_schedule": (8, 4)},
    ],
)
def test_bits_that_fall_to_those_of_the_format(fields):
    assert Quantization(**fields).bits_schedule == fields["bits_schedule"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bits_schedule": (8, 4)}, "of int8 must end with its 8 bits"),
        ({"export": ("int16x8",), "bits_schedule": (8, 4)}, "go through 8; found 8,4"),
        (
            {"scheme": "max78000", "bits_schedule": (8, 4)},
            "of max78000 must end with its 8 bits and go through 1, 2, 4, 8; found 8,4",
        ),
        (
            {"scheme": "max78000", "weight_bits": 4, "bits_schedule": (4, 8)},
            "must fall, such as 8,4; found 4,8",
        ),
        (
            {"scheme": "max78000", "weight_bits": 4, "bits_schedule": (6, 4)},
            "found 6,4",
        ),
        ({"scheme": "gap8", "bits_schedule": (8, 4)}, "must end with its 16 bits"),
        ({"method": "ptq", "bits_schedule": (8,)}, "--quantization=qat"),
    ],
)
def test_other_bits_are_refused(fields, message):
    with pytest.raises(errors.UsageError, match=message):
        Quantization(**fields)


def test_runs_from_before_are_the_same():
    from tfpipeline.configs import run

    assert "qat_bits_schedule" not in run.Run().identity()
