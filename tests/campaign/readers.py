"""The readers of files that anybody may have written, and files that are right."""

import contextlib
import dataclasses
import io
import json
import pathlib
import tempfile
import wave
from collections.abc import Callable, Iterator

import h5py
import numpy as np
from PIL import Image

from export.c import network as c_network
from export.gap8 import layer_records
from tests.campaign import damage
from tests.gap_quantization import tool_files
from tests.identification import gap8_descriptor
from tests.study.measures import records_test
from tfpipeline import entry, errors, markers, run_folder
from tfpipeline.audio import wav_files
from tfpipeline.board import measurement
from tfpipeline.configs.run import Run
from tfpipeline.cost import macs
from tfpipeline.data.own import pictures, table_files
from tfpipeline.detection.annotations import coco, voc, yolo
from tfpipeline.gap_quantization import network as gap_quantization
from tfpipeline.identification import people
from tfpipeline.ir import from_tflite, serialize, verify
from tfpipeline.pictures import camera
from tfpipeline.search import space
from tfpipeline.study.measures import records
from tfpipeline.targets.gap8 import program_file
from tfpipeline.targets.max78000 import policy
from tfpipeline.targets.stm32 import board_files
from tfpipeline.training import checkpoints
from tfpipeline.untrusted import arrays, content, hdf5, json_values
from tfpipeline.untrusted import damage as damage_of_files

ROOT = pathlib.Path(__file__).resolve().parents[2]

Damage = Callable[[bytes, np.random.Generator], bytes]


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader, and what it is tried on.

    Attributes:
        name: of what it reads.
        file: its place in a folder; it may have folders before it.
        samples: right files, none of which it may refuse.
        damage: what becomes of them.
        read: the file or, by its place, the folder; raises a PipelineError.
        beside: other files of the folder.
        weight: of all cases, relative to other readers.
    """

    name: str
    file: str
    samples: Callable[[], list[bytes]]
    damage: Damage
    read: Callable[[pathlib.Path], object]
    beside: Callable[[], dict[str, bytes]] = dict
    weight: int = 2


def _files(*patterns: str) -> Callable[[], list[bytes]]:
    """Those of the repository, smallest first, at most twelve."""

    def read() -> list[bytes]:
        paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
        smallest = sorted(paths, key=lambda path: (path.stat().st_size, path))[:12]
        return [path.read_bytes() for path in smallest]

    return read


def _written(file: str, write: Callable[[pathlib.Path], object]) -> list[bytes]:
    """The file that `write` makes in a folder, or at a path of that name."""
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder, file))
        return [pathlib.Path(folder, file).read_bytes()]


def _folder_files(write: Callable[[pathlib.Path], object]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }


def _tflite(path: pathlib.Path) -> None:
    """What is read must be a network that all that follows takes or refuses."""
    g = from_tflite.read(path.read_bytes())
    assert verify.violations(g) == ()
    macs.graph_count(g)
    found = c_network.prepare(g, "net")
    c_network.header(found)


def _graph(path: pathlib.Path) -> None:
    assert verify.violations(serialize.read(path)) == ()


def _constants_folder() -> dict[str, bytes]:
    golden = ROOT / "tests/golden/tflite_int8/residual_qat.tflite"
    g = from_tflite.read(golden.read_bytes())
    return _folder_files(lambda folder: serialize.write(g, folder))


def _npz_sample() -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(60.0).reshape(3, 20), b=np.int8(3), c=np.ones(9, "?"))
    return [stream.getvalue()]


def _npy_sample() -> list[bytes]:
    found = []
    for values in (np.arange(48, dtype=np.int8).reshape(2, 4, 6), np.float32(2)):
        stream = io.BytesIO()
        np.save(stream, values)
        found.append(stream.getvalue())
    return found


def _nothing(config: Run) -> None:
    """A program that has only read its flags."""


def _flags(path: pathlib.Path) -> None:
    """As `tfpipeline train --flagfile` reads it."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["train", f"--flagfile={path}"]
    code = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            entry.start(_nothing, "train", Run(), argv)
        except SystemExit as ended:
            code = ended.code
    told = err.getvalue()
    if code == 2:
        raise errors.UsageError(told.removesuffix("\n"))
    assert (code, told) == (0, ""), f"{code}: {told[:200]}"


def _hdf5_sample() -> list[bytes]:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional"})
        group = file.create_group("model_weights/dense")
        group["kernel"] = np.ones((3, 4), np.float32)
        group["bias"] = np.zeros(4, np.float32)
    return [stream.getvalue()]


def _hdf5(path: pathlib.Path) -> None:
    """As `readers.keras_files` does, whatever Keras would look at."""
    with (
        damage_of_files.reported("the file", "a Keras model"),
        hdf5.opened(path.read_bytes(), "the file") as file,
    ):
        file.visititems(
            lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None
        )
        dict(file.attrs)


def _wav_sample() -> list[bytes]:
    found = []
    for width, channels in ((2, 1), (1, 2), (4, 1)):
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(width)
            file.setframerate(16000)
            file.writeframes(bytes(range(200)) * 4)
        found.append(stream.getvalue())
    return found


def _picture_samples() -> list[bytes]:
    picture = Image.fromarray(_IMAGE)
    found = []
    for kind in ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"):
        stream = io.BytesIO()
        picture.save(stream, kind)
        found.append(stream.getvalue())
    return found


_IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
_VOC = b"""<annotation><filename>a.png</filename>
<size><width>16</width><height>12</height><depth>3</depth></size>
<object><name>face</name><difficult>0</difficult>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>
</annotation>
"""
_COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 16, "height": 12}],
    "categories": [{"id": 1, "name": "face"}, {"id": 3, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 5, 6], "iscrowd": 0}
    ],
}
_SPACE = b"""flags:
  width: {low: 0.1, high: 1.0, step: 0.1}
  learning_rate: {low: 0.01, high: 0.3, log: true}
  optimizer: [adam, sgd]
objectives:
  - metric
  - {target: max78000, cost: latency}
constraints:
  - {target: max78000, cost: flash, most: 30}
"""
_POLICY = b"""start_epoch: 1
weight_bits: 8
overrides:
  conv2:
    weight_bits: 4
"""


def _camera(name: str) -> Reader:
    """A format of the camera, of images whose size is told where the file does not."""
    size = (_IMAGE.shape[0], _IMAGE.shape[1])
    how = camera.Reading(size=None if name == "png" else size)
    is_text = name == "sampledata"
    return Reader(
        name=f"camera: {name}",
        file="image",
        samples=lambda: [camera.write(_IMAGE, name)],
        damage=damage.in_text if is_text else damage.in_bytes,
        read=lambda path: camera.read(path.read_bytes(), name, how),
        weight=1,
    )


def readers() -> Iterator[Reader]:
    """All of them."""
    text, json_text = damage.in_text, damage.in_json
    bytes_, members = damage.in_bytes, damage.in_members
    checked = [g for g in _constants_folder() if g.endswith(".npz")]
    yield Reader(
        name=".tflite",
        file="model.tflite",
        samples=_files("tests/golden/*_int*/*.tflite"),
        damage=bytes_,
        read=_tflite,
        weight=10,
    )
    yield Reader(
        name="graph: outline",
        file="graph.json",
        samples=_files("tfpipeline/networks/*.json"),
        damage=json_text,
        read=_graph,
        weight=3,
    )
    yield Reader(
        name="graph: graph.json",
        file="graph.json",
        samples=lambda: [_constants_folder()["graph.json"]],
        damage=json_text,
        read=_graph,
        beside=_constants_folder,
        weight=3,
    )
    yield Reader(
        name="graph: constants",
        file=checked[0],
        samples=lambda: [_constants_folder()[checked[0]]],
        damage=members,
        read=lambda path: _graph(path.parent),
        beside=_constants_folder,
        weight=1,
    )
    yield Reader("npz", "x.npz", _npz_sample, members, arrays.read_npz, weight=4)
    yield Reader("npy", "x.npy", _npy_sample, bytes_, arrays.read_npy, weight=3)
    yield Reader(
        name="npz: checkpoint",
        file="epoch-00002.npz",
        samples=_files("tests/golden/checkpoints/*/*.npz"),
        damage=members,
        read=checkpoints.load,
    )
    yield Reader(
        name="npz: GAP8 program",
        file="program.npz",
        samples=lambda: [program_file.to_bytes(gap8_descriptor.descriptor())],
        damage=members,
        read=program_file.read,
        weight=3,
    )
    for file, how in (("r.npz", members), ("r.jsonl", damage.in_json_lines)):
        yield Reader(
            name=f"records: {file}",
            file=file,
            samples=lambda file=file: _written(
                file, lambda path: records.write(path, records_test.RECORDS)
            ),
            damage=how,
            read=records.read,
        )
    yield Reader(
        name="json: any",
        file="x.json",
        samples=_files("experiments/*/*/verification.json"),
        damage=json_text,
        read=json_values.read,
    )
    yield Reader(
        name="json: run",
        file="run.json",
        samples=lambda: [b'{"flags": {"epochs": 3}, "data": {"fingerprint": "f"}}'],
        damage=json_text,
        read=lambda path: run_folder.recorded_flags(run_folder.of(str(path.parent))),
    )
    yield Reader(
        name="json: people",
        file="people.json",
        samples=_people,
        damage=json_text,
        read=people.read,
    )
    yield Reader(
        name="json: measurement",
        file="m.json",
        samples=lambda: _written("m.json", _measure),
        damage=json_text,
        read=measurement.read,
    )
    yield Reader(
        name="json: COCO",
        file="coco.json",
        samples=lambda: [json.dumps(_COCO).encode()],
        damage=json_text,
        read=coco.read,
    )
    yield Reader(
        name="json: marker",
        file=markers.NAME,
        samples=lambda: _written(
            markers.NAME,
            lambda path: markers.write(
                path.parent, markers.Marker("export", {"a/b.c": ("0" * 64,)})
            ),
        ),
        damage=json_text,
        read=lambda path: markers.read(path.parent),
    )
    layers = _gap_quantization()
    for file in ("quant.json", "layers/layer0.json"):
        yield Reader(
            name=f"gap_quantization: {file}",
            file=file,
            samples=lambda file=file: [layers[file]],
            damage=json_text,
            read=lambda path, file=file: _gap_network(path, file),
            beside=lambda: layers,
        )
    yield Reader(
        name="yaml: search space",
        file="space.yaml",
        samples=lambda: [_SPACE],
        damage=text,
        read=lambda path: space.parse(_text(path), "the space"),
        weight=3,
    )
    yield Reader(
        name="yaml: MAX78000 policy",
        file="policy.yaml",
        samples=lambda: [_POLICY],
        damage=text,
        read=lambda path: policy.parse(_text(path)),
        weight=3,
    )
    yield Reader(
        name="yaml: board",
        file="board.yaml",
        samples=_files("tfpipeline/targets/stm32/boards/*.yaml"),
        damage=text,
        read=lambda path: board_files.read(str(path)),
        weight=3,
    )
    yield Reader(
        name="flagfile",
        file="x.flags",
        samples=_files("experiments/cifar10/*_qat.flags", "tfpipeline/demo.flags"),
        damage=text,
        read=_flags,
        beside=_flagfiles,
        weight=4,
    )
    for name in camera.FORMATS:
        yield _camera(name)
    yield Reader(
        name="png",
        file="x.png",
        samples=lambda: [camera.write(_IMAGE, "png")],
        damage=damage.in_png,
        read=lambda path: camera.read(path.read_bytes(), "png"),
        weight=4,
    )
    look = pictures.Look(size=(8, 8), channels=3)
    yield Reader(
        name="pictures of any kind",
        file="x.jpg",
        samples=_picture_samples,
        damage=bytes_,
        read=lambda path: pictures.read_one(str(path), look),
        weight=4,
    )
    yield Reader("wav", "x.wav", _wav_sample, bytes_, wav_files.read_wave)
    yield Reader(
        name="csv: table",
        file="x.csv",
        samples=_files("experiments/*/results.csv"),
        damage=text,
        read=lambda path: table_files.whole(str(path)),
    )
    yield Reader(
        name="xml: VOC",
        file="a.xml",
        samples=lambda: [_VOC],
        damage=text,
        read=lambda path: voc.read(path.parent),
    )
    yield Reader(
        name="txt: YOLO",
        file="a.txt",
        samples=lambda: [b"0 0.5 0.5 0.25 0.5\n1 0.25 0.75 0.1 0.1\n"],
        damage=text,
        read=lambda path: yolo.read(path.parent, {"a.png": (12, 16)}, ("face", "car")),
    )
    yield Reader("hdf5", "x.h5", _hdf5_sample, bytes_, _hdf5)


def _flagfiles() -> dict[str, bytes]:
    """What a flagfile may name beside itself."""
    return {path.name: path.read_bytes() for path in ROOT.glob("experiments/*/*.flags")}


def _text(path: pathlib.Path) -> str:
    return content.read_text(path)


def _measure(path: pathlib.Path) -> None:
    known = measurement.Measurement("stm32f746", "B", "n", 1.0, {"cmsis-nn-s8": 2.0})
    measurement.write(path, known)


def _people() -> list[bytes]:
    descriptors = np.arange(8, dtype=np.int16).reshape(2, 4)
    person = people.Person("Ann", descriptors)
    return _written(
        "people.json",
        lambda path: people.change(
            path, lambda known: (known or people.People("n", 4)).added(person)
        ),
    )


def _gap_quantization() -> dict[str, bytes]:
    def write(folder: pathlib.Path) -> None:
        p = tool_files.write_every_kind(folder)
        files = {
            layer.name: layer.name
            for layer in p.layers
            if "norm" in layer_records.record(p, layer)
        }
        described = {
            "format": "gap_quantization",
            "folder": "layers",
            "network": "graph/graph.json",
            "files": files,
        }
        (folder / "quant.json").write_text(json.dumps(described))

    return _folder_files(write)


def _gap_network(path: pathlib.Path, file: str) -> None:
    place = path.parents[file.count("/")]
    found = gap_quantization.find(place)
    if found is not None:
        assert found.program is not None
