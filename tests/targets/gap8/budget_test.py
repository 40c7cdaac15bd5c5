"""The application around the network, and what of it must overlap."""

import pytest

from tests import graph_builder
from tests.targets.gap8 import networks
from tfpipeline import errors
from tfpipeline.targets.gap8 import budget, fusion, l2_plan


def _budget(people, *, g=None, **options):
    plan = l2_plan.plan(fusion.fuse(networks.reid() if g is None else g))
    return budget.make(plan, people, **options)


def _sizes(found):
    return {part.name: part.bytes for part in found.parts}


def test_the_study_s_four_parts():
    sizes = _sizes(_budget(0))
    parts = (
        sizes["network, sync plan"],
        sizes["face detector's cascade"],
        sizes["camera frame 320x240"],
        sizes["face, cut out"],
    )
    # The study rounds up: 344 + 54 + 75 + 32 KiB.
    assert [-(-size // 1024) for size in parts] == [344, 55, 75, 32]
    assert [round(size / 1024) for size in parts] == [344, 54, 75, 32]
    assert round(sum(parts) / 1024) == 505
    for people in (1, 10, 20):
        name = f"{people} descriptors of 1,024 bytes"
        assert _sizes(_budget(people))[name] == 1024 * people


def test_what_must_overlap_grows_with_the_people():
    def names(people):
        found = _budget(people)
        assert found.fits
        assert found.overlapped_bytes <= 512 * 1024
        return [part.name.split(",")[0].split()[0] for part in found.required]

    # 574.4 KiB with 20 people, all apart.
    assert names(0) == ["face", "camera"]
    assert names(20) == ["face", "camera"]
    assert names(64) == ["face", "camera"]
    assert names(65) == ["face", "camera", "face"]
    assert len(names(96)) == 4
    far = _budget(200)
    assert not far.fits
    assert "too many for 200 people, all overlaps taken" in budget.to_text(far)


def test_the_frame_lies_where_the_first_layers_have_no_data():
    found = _budget(20)
    frame = next(part for part in found.parts if part.name.startswith("camera"))
    assert frame.overlay == "the pool from byte 275,072 on"
    plan = l2_plan.plan(fusion.fuse(networks.reid()))
    # Conv 0, conv 1, then the squeeze of the first fire module reaches byte 278,848.
    assert frame.until == plan.net.steps[2].name
    assert plan.end(1) <= 275_072 < plan.end(2)


def test_reserved_bytes_come_off():
    found = _budget(20, reserved_bytes=64 * 1024)
    assert found.available_bytes == 448 * 1024
    assert len(found.required) == 3


def test_a_small_network_has_no_room_for_overlaps():
    net = graph_builder.Builder((16, 16, 1))
    net.conv(4)
    found = _budget(1, g=net.build())
    overlays = {part.name: part.overlay for part in found.parts}
    assert overlays["camera frame 320x240"] is None
    assert overlays["face detector's buffers"] is None
    assert overlays["face, cut out"] == "the network's input, byte 0"
    assert budget.to_text(found).splitlines()[-1].startswith("fits without overlaps")


def test_the_text_says_it_all():
    lines = budget.to_text(_budget(20)).splitlines()
    assert lines[-1] == (
        "fits if these overlap the network: face, cut out, camera frame 320x240; "
        "45,669 bytes are left"
    )
    assert any("until layer3 writes there" in line for line in lines)


@pytest.mark.parametrize("people, reserved", [(-1, 0), (0, -1)])
def test_refused(people, reserved):
    with pytest.raises(errors.UsageError, match="must be 0 or more"):
        _budget(people, reserved_bytes=reserved)
