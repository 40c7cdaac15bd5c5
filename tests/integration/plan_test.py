"""`python -m tfpipeline.plan`, as users call it."""

import json
import pathlib

from tests import folder_trees, graph_builder, programs
from tfpipeline.ir import serialize

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(*flags):
    return programs.run("tfpipeline.plan", *flags)


def _error(*flags):
    done = _run(*flags)
    assert done.returncode == 2, done.stdout
    [line] = done.stderr.splitlines()
    return line


def test_files_of_the_descriptor_network(tmp_path):
    done = _run("--model=reid_squeezenet", f"--output={tmp_path}", "--people=10")
    assert done.returncode == 0, done.stderr
    assert "peak 351,872 bytes = 343.625 KiB at fire11_expand3x3" in done.stdout
    assert "10 descriptors of 1,024 bytes" in done.stdout
    plan = json.loads((tmp_path / "l2_plan.json").read_text())
    assert (plan["bits"], plan["rule"], plan["peak_bytes"]) == (16, "sync", 351_872)
    expand = next(s for s in plan["steps"] if s["layer"] == "fire4_expand3x3")
    assert list(expand["inputs"].values()) == [246_016]
    assert list(expand["output"].values()) == [28_800]
    assert (expand["weights_offset"], expand["weights_bytes"]) == (276_768, 18_560)
    assert expand["end"] == 295_328
    for name in ("l2_map.txt", "l2_map.svg", "budget.txt"):
        assert (tmp_path / name).stat().st_size > 500


def test_what_is_asked_decides(tmp_path):
    flags = ("--rule=async", "--activation_bits=8", "--l2_kib=160", "--reserved_kib=90")
    done = _run("--model=reid_squeezenet", f"--output={tmp_path}", *flags)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "l2_plan.json").read_text())
    assert (plan["bits"], plan["rule"]) == (8, "async")
    assert plan["peak_bytes"] <= 160 * 1024
    assert any("are read from L3 in" in line for line in plan["remarks"])
    assert "there is                            432,128" in done.stdout


def test_a_network_of_ones_own(tmp_path):
    builder = graph_builder.Builder((256, 256, 3), "large")
    builder.conv(16)
    serialize.write(builder.build(), tmp_path / "graph")
    line = _error(f"--model={tmp_path}", f"--output={tmp_path / 'plan'}")
    assert "does not fit L2: 'layer0' needs 1,245,184 bytes of 524,288" in line
    # What was found is there to look at.
    assert (tmp_path / "plan" / "l2_map.txt").exists()


def test_wrong_uses(tmp_path):
    assert "say where the files go" in _error("--model=reid_squeezenet")
    blocked = tmp_path / "file"
    blocked.write_text("")
    line = _error("--model=cmsisnet", f"--output={blocked}")
    assert f"{blocked} is no folder" in line


def test_a_folder_of_others_is_refused_and_its_own_is_filled_again(tmp_path):
    (tmp_path / "l2_map.svg").write_text("mine")
    line = _error("--model=cmsisnet", f"--output={tmp_path}")
    assert f"{tmp_path} is not empty, and `plan` did not write it" in line
    assert folder_trees.files(tmp_path) == {"l2_map.svg": b"mine"}
    for network in ("cmsisnet", "facenet_v7"):
        done = _run(f"--model={network}", f"--output={tmp_path / 'plan'}")
        assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "plan" / "l2_plan.json").read_text())
    assert plan["network"] == "facenet_v7"
