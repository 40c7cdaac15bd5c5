"""Float Keras files through `python -m export --calibration`, for every target."""

import subprocess

import numpy as np
import pytest

from export.tflite import metadata_entry
from tests.export import commands
from tests.export.c import compiler
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import from_tflite, graph
from tfpipeline.pictures import png_images
from tfpipeline.simulate import execution
from tfpipeline.targets.gap8 import program_file
from tfpipeline.targets.tflm import interpreter

layers = keras.layers

_SLOW = pytest.mark.slow


def _branched() -> keras.Model:
    """What a stranger's network has: a Rescaling, a PReLU, a resize, two outputs."""
    keras.utils.set_random_seed(5)
    source = keras.Input((16, 12, 3))
    x = layers.Rescaling(1 / 127.5, -1)(source)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.SeparableConv2D(8, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.PReLU("glorot_uniform", shared_axes=[1, 2])(x)
    x = layers.UpSampling2D()(x)
    box = layers.Conv2D(4, 3, padding="same", activation="sigmoid")(x)
    classes = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(source, [box, classes], name="branched")


def _accelerometer() -> keras.Model:
    """Inputs are in [-1, 1], activations up to some hundred."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((32, 3)),
            layers.Conv1D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(2),
            layers.Conv1D(8, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(6, activation="softmax"),
        ],
        name="accelerometer",
    )
    kernel, *_ = model.layers[0].get_weights()
    model.layers[0].set_weights([300 * kernel])
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel / 100, bias])
    return model


def _plain() -> keras.Model:
    keras.utils.set_random_seed(5)
    source = keras.Input((16, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(source)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    return keras.Model(source, layers.Dense(5)(x), name="plain")


def _uneven() -> keras.Model:
    """Channels far apart, of which none counts less than another."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ],
        name="uneven",
    )
    spread = np.geomspace(0.02, 1, 8)
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel * spread, bias])
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([kernel / spread[:, np.newaxis], bias])
    return model


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    random = np.random.default_rng(3)
    _branched().save(folder / "branched.keras")
    _plain().save(folder / "plain.keras")
    (folder / "pictures").mkdir()
    for index in range(12):
        pixels = random.integers(0, 256, (16, 12, 3), np.uint8)
        (folder / "pictures" / f"{index}.png").write_bytes(png_images.write(pixels))
    _accelerometer().save(folder / "accelerometer.keras")
    _uneven().save(folder / "uneven.keras")
    np.save(folder / "windows.npy", random.uniform(-1, 0.99, (60, 32, 3)))
    np.save(folder / "squares.npy", random.uniform(-1, 0.99, (40, 12, 12, 3)))
    return folder


@pytest.fixture
def export(given, tmp_path):
    def run(target, model="branched.keras", data="pictures", **flags):
        if data is not None:
            flags["calibration"] = str(given / data)
        return commands.run(target, given / model, tmp_path / target, **flags)

    return run


@pytest.mark.default_cases(1)
@pytest.mark.parametrize(
    ("target", "dtype", "scale", "zero_point"),
    [("int8", "int8", 1.0, -128), ("int16x8", "int16", 2.0**-7, 0)],
)
def test_a_file_computes_what_micro_does(
    export, tmp_path, target, dtype, scale, zero_point
):
    lines = export(target)
    data = (tmp_path / target / "model.tflite").read_bytes()
    g = from_tflite.read(data)
    source = g.tensors[g.inputs[0]]
    # A network that begins with a Rescaling takes pixels, each of them exactly.
    assert (source.dtype, source.quant.scale) == (dtype, (scale,))
    assert source.quant.zero_point == (zero_point,)
    limits = np.iinfo(dtype)
    random = np.random.default_rng(0)
    inputs = random.integers(limits.min, limits.max, (4, 16, 12, 3), dtype)
    computed = execution.run(g, [inputs])
    assert len(computed) == 2
    for ours, micro in zip(computed, interpreter.run(data, [inputs]), strict=True):
        np.testing.assert_array_equal(ours, micro)
        assert len(np.unique(micro)) > 4
    (told,) = (line for line in lines if line.startswith("loss "))
    assert "worst of 2 outputs" in told and "(12 inputs)" in told
    assert not any("WARNING" in line for line in lines)


def _loss(lines):
    (told,) = (line for line in lines if line.startswith("loss "))
    return float(told.split()[1])


@pytest.mark.parametrize("target", ["int8", pytest.param("int16x8", marks=_SLOW)])
def test_all_options_together_lose_less_and_are_micros(export, tmp_path, target):
    flags = {"model": "uneven.keras", "data": "squares.npy"}
    lines = export(target, equalize=True, ranges="mse", bias_correction=True, **flags)
    data = (tmp_path / target / "model.tflite").read_bytes()
    assert _loss(lines) > _loss(export(target, **flags))
    g = from_tflite.read(data)
    source = g.tensors[g.inputs[0]]
    limits = np.iinfo(source.dtype)
    random = np.random.default_rng(0)
    inputs = random.integers(limits.min, limits.max, (4, 12, 12, 3), source.dtype)
    np.testing.assert_array_equal(
        execution.predict(g, inputs), interpreter.predict(data, inputs)
    )


def test_weights_of_4_bits_say_what_they_cost(export):
    found = export("int8", "plain.keras", weight_bits=4)
    (warning,) = (line for line in found if line.startswith("WARNING"))
    assert "int8, weights of 4 bits loses more than" in warning
    assert any("the weights of the float network" in line for line in found)
    corrected = export("int8", "plain.keras", weight_bits=4, bias_correction=True)
    assert _loss(found) < 20 < _loss(corrected)


@pytest.mark.slow
def test_kernels_have_a_scale_a_channel_or_one(export, tmp_path):
    scales = []
    for per_tensor in (False, True):
        export("int8", per_tensor=per_tensor)
        g = from_tflite.read((tmp_path / "int8" / "model.tflite").read_bytes())
        kernels = [x.weights for x in g.layers if isinstance(x, graph.Conv2D)]
        scales.append([len(g.tensors[name].quant.scale) for name in kernels])
    assert scales == [[8, 8, 4], [1, 1, 1]]


@pytest.mark.slow
@compiler.needs_gcc
def test_c_meets_the_known_answers_of_both_outputs(export, tmp_path):
    export("c")
    sources = sorted((tmp_path / "c").glob("*.c"))
    program = tmp_path / "program"
    compiler.compile_program(sources, program)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    export("tflm")
    bundle = (tmp_path / "tflm" / "model.tflite").read_bytes()
    export("int8")
    file = (tmp_path / "int8" / "model.tflite").read_bytes()
    # What says how the network is fed stays out of a firmware's flash.
    assert len(bundle) < len(file)
    assert metadata_entry.without(bundle) == metadata_entry.without(file)


@pytest.mark.slow
def test_ranges_of_the_max78000_are_brought_in(export):
    flags = {"model": "accelerometer.keras"}
    lines = export("max78000", data="windows.npy", **flags)
    (told,) = (line for line in lines if line.startswith("loss "))
    assert float(told.split()[1]) > 20
    assert not any("WARNING" in line for line in lines)
    assert not any("saturate" in line for line in lines)
    with pytest.raises(errors.UsageError, match=r"unseen\. Give --calibration"):
        export("max78000", data=None, **flags)
    insisted = export("max78000", data=None, no_calibration=True, **flags)
    assert any("beyond -1..127/128 saturate" in line for line in insisted)


@pytest.mark.slow
def test_inputs_beyond_the_max78000s_are_divided(export, given):
    values = np.load(given / "windows.npy")
    np.save(given / "wide.npy", 16 * values)
    lines = export("max78000", "accelerometer.keras", "wide.npy", input_range="-16,16")
    assert any("input is divided by 16.1" in line for line in lines)
    assert float(next(x for x in lines if x.startswith("loss ")).split()[1]) > 20


@pytest.mark.slow
def test_a_large_loss_is_the_last_line_of_all(given, tmp_path):
    command = commands.program.Command(
        model=str(given / "accelerometer.keras"),
        targets=("max78000", "int8"),
        output=str(tmp_path / "out"),
        calibration=str(given / "windows.npy"),
        max78000=commands.changed("max78000", weight_bits=1),
    )
    lines = list(commands.program.run(command))
    assert lines[-1].startswith("WARNING    MAX78000 loses more than")
    assert "'conv1d" in lines[-1]


@pytest.mark.slow
def test_gap8_takes_it_with_the_same_flags(export, tmp_path):
    with pytest.raises(errors.TargetError, match="cannot run on GAP8"):
        export("gap8")
    lines = export("gap8", "plain.keras", weight_bits=16)
    (told,) = (line for line in lines if line.startswith("loss "))
    assert float(told.split()[1]) > 40
    p = program_file.read(tmp_path / "gap8" / program_file.FILE_NAME)
    assert p.num_bits == 16


@pytest.mark.parametrize("num_bits", [16, pytest.param(8, marks=_SLOW)])
def test_gap8_takes_one_axis_as_one_row(export, given, tmp_path, num_bits):
    lines = export("gap8", "accelerometer.keras", "windows.npy", weight_bits=num_bits)
    (told,) = (line for line in lines if line.startswith("loss "))
    assert float(told.split()[1]) > {16: 40, 8: 15}[num_bits]
    p = program_file.read(tmp_path / "gap8" / program_file.FILE_NAME)
    assert p.input.shape == (3, 1, 32)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("target", ["int8", "int16x8", "tflm", "c"])
def test_without_data_the_way_is_named(export, target, tmp_path):
    with pytest.raises(errors.UsageError, match="give --calibration=DATA") as raised:
        export(target, data=None)
    assert len(str(raised.value)) < 400
    assert not (tmp_path / target).exists()


def test_what_does_not_go_together_is_said(export, given):
    data = np.load(given / "windows.npy")
    with pytest.raises(errors.DataError, match=r"beyond the -0\.5 to 0\.5"):
        export("int8", "accelerometer.keras", "windows.npy", input_range="-0.5,0.5")
    np.save(given / "nan.npy", np.full_like(data, np.nan))
    with pytest.raises(errors.DataError, match="not a finite number"):
        export("int8", "accelerometer.keras", "nan.npy")
    for flags in ({"per_tensor": True}, {"equalize": True}, {"ranges": "mse"}):
        with pytest.raises(errors.UsageError, match="--bias_correction need --calib"):
            export("int8", data=None, **flags)
    with pytest.raises(errors.UsageError, match="leave out --float_model"):
        export("int8", weight_bits=4, float_model=str(given / "plain.keras"))
    with pytest.raises(errors.UsageError, match="it must be auto"):
        export("int8", input_range="3,1")
