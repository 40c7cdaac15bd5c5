"""Files of others are read in one room, which bounds them: no reader elsewhere."""

import ast

from tests import room_table

_ROOM = "tfpipeline/untrusted"

# Calls that read or parse, by the end of their dotted names.
_READERS = {
    *("json.load", "json.loads", "pickle.load", "pickle.loads", "marshal.loads"),
    *("np.load", "numpy.load", "np.fromfile", "np.loadtxt", "np.genfromtxt"),
    *("yaml.load", "yaml.safe_load", "yaml.parse", "yaml.unsafe_load"),
    *("zipfile.ZipFile", "h5py.File", "Image.open", "gzip.open", "tarfile.open"),
    *("np.memmap", "tomllib.load", "tomllib.loads", "csv.reader", "csv.DictReader"),
    *("bz2.open", "lzma.open", "shelve.open", "gzip.decompress", "zlib.decompress"),
    *(".load_model", ".load_weights", "tf.io.read_file", ".GFile", ".model_from_json"),
    *("open", ".open", ".read_text", ".read_bytes"),
}
# Modules that read without the room -> (calls, why they may).
_ALLOWED = {
    "export/max78000/checkpoint.py": ({"zipfile.ZipFile"}, "writes"),
    "tfpipeline/data/own/pictures.py": ({"Image.open"}, "bytes, any error"),
    "tfpipeline/data/own/stored_inputs.py": (
        {"open", "np.memmap"},
        "writes, and maps bare numbers of its own, whose size it compares",
    ),
    "tfpipeline/disk.py": ({"open"}, "hashes a file of any size"),
    "tfpipeline/environment.py": ({".read_text"}, "of the system"),
    "tfpipeline/identification/people.py": ({".open"}, "a lock, not read"),
    "tfpipeline/identification/pictures.py": ({"Image.open"}, "bytes, any error"),
    "tfpipeline/keras_networks/topology.py": (
        {"json.loads", ".model_from_json"},
        "of Keras in memory, and of descriptions that were checked",
    ),
    "tfpipeline/leftovers.py": ({".read_text"}, "of the system"),
    "tfpipeline/markers.py": ({".open", ".read_bytes"}, "up to a size"),
    "tfpipeline/models/table.py": ({".read_text"}, "a page of the source tree"),
    "tfpipeline/pictures/png_images.py": ({"Image.open"}, "bytes, any error"),
    "tfpipeline/program.py": ({".read_text"}, "modules of this package"),
    "tfpipeline/quantization/storage.py": ({"json.loads"}, "of json.dumps"),
    "tfpipeline/readers/keras_calls.py": ({".open"}, "a method of its own"),
    "tfpipeline/readers/keras3_child.py": (
        {".load_model"},
        "a copy of what its parent process checked",
    ),
    "tfpipeline/readers/keras3_files.py": (
        {"zipfile.ZipFile", "h5py.File"},
        "writes",
    ),
    "tfpipeline/readers/keras3_opening_child.py": (
        {".load_model"},
        "a copy of what its parent process checked",
    ),
    "tfpipeline/readers/keras_files.py": (
        {"zipfile.ZipFile", ".load_model"},
        "writes, and reads a copy of what was checked",
    ),
    "tfpipeline/search/layer_bits.py": (
        {"csv.DictReader"},
        "of text that the room read",
    ),
    "tfpipeline/streams.py": ({"open"}, "nowhere, for a closed stream"),
    "tfpipeline/study/running/sources.py": (
        {"csv.DictReader"},
        "of text that the room read",
    ),
    "tfpipeline/targets/tflm/job_server.py": (
        {"json.loads"},
        "of its own parent process",
    ),
    "tfpipeline/targets/tflm/pool.py": (
        {"json.loads", "np.load", ".read_text"},
        "of its own child process",
    ),
    "tfpipeline/targets/tflm/worker.py": (
        {"json.loads", "np.load", ".read_text", ".read_bytes"},
        "of its own parent process",
    ),
    "tfpipeline/training/cluster.py": (
        {"json.loads"},
        "of its own environment, which TensorFlow reads as well",
    ),
    "tfpipeline/training/precision.py": ({".read_text"}, "of the system"),
    "tfpipeline/workers.py": ({"pickle.loads"}, "of the process that it works for"),
}


def _calls(tree):
    """The calls in a module that read, as `_READERS` or with the module's name."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        method = f".{name.rpartition('.')[2]}"
        if name in _READERS:
            found.add(name)
        elif method in _READERS and not name.startswith(("content.", "os.")):
            found.add(method)
    return found


def _modules():
    for source in room_table.read().sources:
        if not source.path.is_relative_to(_ROOM):
            yield str(source.path), _calls(source.tree)


def test_files_are_read_in_the_room_for_it():
    reading = {name: calls for name, calls in _modules() if calls}
    allowed = {name: calls for name, (calls, _) in _ALLOWED.items()}
    assert reading == allowed


def test_a_reader_is_found():
    code = "json.load(open(p)); p.read_text(); content.read_text(p)"
    assert _calls(ast.parse(code)) == {"json.load", "open", ".read_text"}
