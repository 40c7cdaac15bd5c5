"""`python -m export`: one line an error, and a report that is right."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "tests" / "golden" / "tflite_int8" / "residual_qat.tflite"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "export", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_verifies_a_file_and_a_run_folder(tmp_path):
    output = tmp_path / "run" / "export" / "int8"
    done = run(f"--model={MODEL}", "--targets=int8", f"--output={output}")
    assert done.returncode == 0, done.stderr
    assert f"{MODEL.stat().st_size} bytes, 6 operators, full integer" in done.stdout
    stored = json.loads((output / "verification.json").read_text())
    assert f"arena      {stored['arena']['arena_bytes']} bytes" in done.stdout
    assert stored["all_images"] is None

    again = run(f"--model={tmp_path / 'run'}")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout.replace(f"written    {output}\n", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"a text", "not a TFLite file"),
        (MODEL.read_bytes()[:3000], "damaged TFLite file of 3000 bytes"),
    ],
    ids=["absent", "text", "truncated"],
)
def test_unusable_file_is_one_line(tmp_path, content, message):
    file = tmp_path / "model.tflite"
    if content is not None:
        file.write_bytes(content)
    done = run(f"--model={file}", f"--output={tmp_path / 'out'}")

    assert done.returncode == 2
    assert done.stderr.startswith("export: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([f"--model={MODEL}", "--targets=gap9"], "unknown target 'gap9'"),
        ([], "--model="),
        ([str(MODEL)], "unexpected argument"),
        ([f"--model={ROOT / 'tests'}"], "export/int8/model.tflite"),
    ],
    ids=["target", "nothing", "positional", "no run"],
)
def test_wrong_usage_is_one_line(arguments, message):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_writes_c_and_plans_the_arena(tmp_path):
    done = run(f"--model={MODEL}", "--targets=c", f"--output={tmp_path / 'c'}")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    stem = MODEL.stem
    assert {f"{stem}.c", f"{stem}.h", f"{stem}_test.c"} <= set(names)
    done = run(f"--model={MODEL}", "--targets=c")
    assert done.returncode == 2
    assert "say where the files go: --output=FOLDER" in done.stderr
    # The greedy plan of so small a network is as good as ours: the file stays.
    plain, planned = tmp_path / "plain", tmp_path / "planned"
    assert run(f"--model={MODEL}", f"--output={plain}").returncode == 0
    done = run(f"--model={MODEL}", "--offline_plan", f"--output={planned}")
    assert done.returncode == 0, done.stderr
    files = [folder / "model.tflite" for folder in (plain, planned)]
    assert files[0].read_bytes() == files[1].read_bytes()
