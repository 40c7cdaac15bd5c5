"""The manifests of docs/clusters: what they start is what `--strategy` reads.

`kubernetes-validate`, where it is installed, checks the pods against Kubernetes' own
schema, and JobSet's own (TFPIPELINE_JOBSET_CRD names the file) the rest.
"""

import json
import os
import pathlib
import subprocess

import pytest
import yaml

from tfpipeline.training import cluster

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "clusters"
_SBATCH = _FOLDER / "train.sbatch"
_JOBSET = _FOLDER / "train.jobset.yaml"
# Instead of Python: says what it was started with.
_PYTHON = '#!/bin/bash\necho "$TF_CONFIG" | tr -d "\\n"; echo " | $*"\n'
_SCONTROL = '#!/bin/bash\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n'
# Instead of SLURM: two tasks, of which the first start fails.
_SRUN = """#!/bin/bash
[ "$1" = --kill-on-bad-exit=1 ] || exit 9
shift
for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@" || exit; done
[ -e "$STARTED" ] || { touch "$STARTED"; exit 137; }
"""


def _programs(folder: pathlib.Path, **scripts: str) -> dict[str, str]:
    """An environment whose PATH begins with these programs."""
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def _run(command, environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60
    )


def _jobset():
    return yaml.safe_load(_JOBSET.read_text(encoding="utf-8"))


def _job():
    (replicated,) = _jobset()["spec"]["replicatedJobs"]
    return replicated["template"]["spec"]


def test_slurm_starts_all_workers_again_until_they_succeed(tmp_path):
    environment = {
        **_programs(tmp_path, python=_PYTHON, scontrol=_SCONTROL, srun=_SRUN),
        "SLURM_JOB_NODELIST": "n[1-2]",
        "STARTED": str(tmp_path / "started"),
    }
    done = _run(["bash", str(_SBATCH), "--workdir=a b"], environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the checkpoints stay") == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for place, line in enumerate(lines):
        text, _, command = line.partition(" | ")
        found = cluster.read({"TF_CONFIG": text})
        assert found.own == ("n1:23456", "n2:23456")[place % 2]
        assert command == ("-m tfpipeline.train --workdir=a b --strategy=multi_worker")


def test_slurm_gives_up_after_its_restarts(tmp_path):
    failing = "#!/bin/bash\nexit 2\n"
    environment = {
        **_programs(tmp_path, scontrol=_SCONTROL, srun=failing),
        "SLURM_JOB_NODELIST": "n[1-2]",
        "TFPIPELINE_RESTARTS": "1",
    }
    done = _run(["bash", str(_SBATCH)], environment)
    assert (done.returncode, done.stderr.count("stay")) == (1, 2)


def test_pods_know_each_other(tmp_path):
    (worker,) = _job()["template"]["spec"]["containers"]
    assert [each["name"] for each in worker["env"]] == ["WORKERS"]
    environment = _programs(tmp_path, python=_PYTHON) | {
        each["name"]: each["value"] for each in worker["env"]
    }
    addresses = []
    for index in range(2):
        done = _run(
            [*worker["command"], *worker["args"]],
            {**environment, "JOB_COMPLETION_INDEX": str(index)},
        )
        assert done.returncode == 0, done.stderr
        text, _, command = done.stdout.rstrip().partition(" | ")
        found = cluster.read({"TF_CONFIG": text})
        addresses.append(found.own)
        assert command.startswith("-m tfpipeline.train --flagfile=/runs/train.flags")
        assert command.endswith("--strategy=multi_worker")
    name = _jobset()["metadata"]["name"]
    assert addresses == [f"{name}-train-0-{n}.{name}:23456" for n in range(2)]
    assert worker["ports"] == [{"containerPort": 23456}]


def test_numbers_of_pods_agree_and_all_start_again():
    job = _job()
    (worker,) = job["template"]["spec"]["containers"]
    assert job["completions"] == job["parallelism"] == int(worker["env"][0]["value"])
    assert job["backoffLimit"] == 0
    assert _jobset()["spec"]["failurePolicy"]["maxRestarts"] > 0


def test_the_job_is_one_of_kubernetes():
    validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "train"},
        "spec": _job(),
    }
    validate.validate(job, validate.latest_version(), strict=True)
    job["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    with pytest.raises(validate.ValidationError):
        validate.validate(job, validate.latest_version(), strict=True)


def test_the_set_is_one_of_jobset():
    path = os.environ.get("TFPIPELINE_JOBSET_CRD")
    if path is None:
        pytest.skip("TFPIPELINE_JOBSET_CRD names no definition of JobSet")
    jsonschema = pytest.importorskip("jsonschema")
    definition = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    given = _jobset()
    kind, (version,) = (
        definition["spec"]["names"]["kind"],
        definition["spec"]["versions"],
    )
    assert given["kind"] == kind
    assert given["apiVersion"] == f"{definition['spec']['group']}/{version['name']}"
    schema = _closed(version["schema"]["openAPIV3Schema"])
    jsonschema.validate(json.loads(json.dumps(given)), schema)
    given["spec"]["replicatedJobs"][0]["template"]["spec"]["completion"] = 2
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, schema)


def _closed(schema):
    """A schema that takes no other fields than its own, as a server prunes them."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _closed(value) for key, value in schema.items()}
    if isinstance(result.get("properties"), dict) and result.get("type") == "object":
        # What says nothing of its fields takes any.
        result.setdefault("additionalProperties", not result["properties"])
        if result["properties"].keys() <= {"metadata", "spec"} | {"kind", "apiVersion"}:
            result["properties"].setdefault("apiVersion", {})
    return result
