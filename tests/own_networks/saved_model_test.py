"""SavedModels are converted for inference, and refused where they do more."""

import numpy as np
import pytest

from tfpipeline import errors, model_source
from tfpipeline.compat import keras, tf
from tfpipeline.own_networks import saved_model, saved_model_child
from tfpipeline.simulate import float_execution

L = keras.layers


class _Doing(tf.Module):
    """A network that does something besides."""

    def __init__(self, deed):
        super().__init__()
        self.weight = tf.Variable(tf.ones((4, 2)))
        self._deed = deed

    @tf.function(input_signature=[tf.TensorSpec((1, 4))])
    def __call__(self, x):
        self._deed(x)
        return x @ self.weight


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            L.Input((6, 6, 2), name="image"),
            L.Conv2D(3, 3, activation="relu"),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dense(4, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "my-net"
    model.export(path)
    return path


@pytest.mark.slow
def test_the_graph_computes_what_the_model_does(model, folder):
    source = model_source.load(str(folder))
    assert source.graph.name == "my_net"
    assert "inference only" in source.notes[0]
    images = np.random.default_rng(0).normal(size=(5, 6, 6, 2)).astype(np.float32)
    outputs = float_execution.predict(source.graph, images)
    # Float32 in another order, of probabilities.
    np.testing.assert_allclose(outputs, model(images), rtol=0, atol=1e-6)


def test_keras_and_tensorflow_pass(folder, tmp_path):
    tf.saved_model.save(_Doing(lambda x: x), tmp_path)
    for path in (folder, tmp_path):
        saved_model_child.require_tensors_only((path / "saved_model.pb").read_bytes())


def _print(x):
    tf.print(x)


def _python(x):
    tf.numpy_function(lambda value: value, [x], tf.float32)


def _read(x):
    del x
    tf.io.read_file("/etc/passwd")


def _write(x):
    tf.io.write_file("written", tf.strings.as_string(x[0, 0]))


@pytest.mark.parametrize(
    ("deed", "name"),
    [
        (_print, "PrintV2"),
        (_python, "PyFunc"),
        (_read, "ReadFile"),
        (_write, "WriteFile"),
    ],
)
def test_what_touches_more_than_tensors(tmp_path, deed, name):
    tf.saved_model.save(_Doing(deed), tmp_path)
    data = (tmp_path / "saved_model.pb").read_bytes()
    with pytest.raises(errors.GraphError, match=rf"more than tensors.*\b{name}\b"):
        saved_model_child.require_tensors_only(data)


def _stored(folder):
    stored = saved_model_child._proto((folder / "saved_model.pb").read_bytes())
    [graph] = stored.meta_graphs
    functions = {
        name: next(
            function
            for function in graph.graph_def.library.function
            if name in function.signature.name
        )
        for name in ("_traced_save_", "_traced_restore_")
    }
    return stored, graph, functions


def test_functions_that_write_must_not_be_called(folder):
    stored, graph, functions = _stored(folder)
    call = functions["_traced_restore_"].node_def.add()
    call.op = "StatefulPartitionedCall"
    call.attr["f"].func.name = functions["_traced_save_"].signature.name
    with pytest.raises(errors.GraphError, match="writes files when it is loaded"):
        saved_model_child.require_tensors_only(stored.SerializeToString())
    stored, graph, functions = _stored(folder)
    nodes = graph.object_graph_def.nodes
    written = functions["_traced_save_"].signature.name
    nodes.add().bare_concrete_function.concrete_function_name = written
    place = len(nodes) - 1
    nodes.add().saveable_objects["x"].restore_function = place
    with pytest.raises(errors.GraphError, match="writes files when it is loaded"):
        saved_model_child.require_tensors_only(stored.SerializeToString())


def test_operations_for_checkpoints_elsewhere(folder):
    for op in ("SaveV2", "RestoreV2", "NoSuchOperation"):
        stored, graph, _ = _stored(folder)
        graph.graph_def.node.add().op = op
        with pytest.raises(errors.GraphError, match=rf"more than tensors.*{op}"):
            saved_model_child.require_tensors_only(stored.SerializeToString())


def test_what_is_no_saved_model_of_tensorflow_2(folder):
    stored, graph, _ = _stored(folder)
    graph.ClearField("object_graph_def")
    with pytest.raises(errors.GraphError, match="TensorFlow 1; save"):
        saved_model_child.require_tensors_only(stored.SerializeToString())
    with pytest.raises(errors.GraphError, match="it has 0 graphs"):
        saved_model_child.require_tensors_only(b"")
    with pytest.raises(errors.DamagedFileError, match="no SavedModel, or damaged"):
        saved_model_child.require_tensors_only(b"\xff" * 100)


@pytest.mark.slow
def test_a_refusal_of_the_child_is_one_line(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with (
        pytest.raises(errors.GraphError) as caught,
        saved_model.converted(tmp_path, "net"),
    ):
        pass
    assert str(caught.value).startswith(
        f"{tmp_path}: saved_model.pb is no SavedModel, or damaged"
    )
