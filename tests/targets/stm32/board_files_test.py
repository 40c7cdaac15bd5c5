"""Boards as data: what files say, and what is refused in them."""

import dataclasses
import json
import pathlib

import pytest
import yaml

from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.networks import catalog as networks
from tfpipeline.targets import catalog
from tfpipeline.targets.stm32 import board_files, cost, spec

HERE = pathlib.Path(__file__).parent
PUBLISHED = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
BEFORE = json.loads((HERE / "boards_before.json").read_text(encoding="utf-8"))

PLAIN = {
    "name": "mine",
    "title": "My board",
    "core": "cortex-m4",
    "clock_mhz": 64,
    "flash_kib": 512,
    "ram_kib": {"sram": 64, "ccm": 16},
    "sources": ["my own"],
}
OWN_CORE = {
    "core": "my-core",
    "kernels": "my-kernels",
    "cycles_per_instruction": 1,
    "band_percent": 30,
    "instructions": {
        field.name: 2 for field in dataclasses.fields(spec.InstructionFit)
    },
}


def _text(**changes):
    """The plain board with other values; without a key where its value is None."""
    values = {**PLAIN, **changes}
    return yaml.safe_dump({k: v for k, v in values.items() if v is not None})


def _layers(network):
    return [
        cost.Layer(f"{kind}{index}", kind, tuple(shape), channels, tuple(kernel))
        for index, (kind, shape, channels, kernel) in enumerate(
            PUBLISHED["networks"][network]
        )
    ]


def _errors(row):
    """The model's error on each published figure, in per cent."""
    board = board_files.load(row["board"])
    return [
        100 * (1e3 * cost.estimate_s8(_layers(name), board).seconds / published - 1)
        for name, published in row["milliseconds"].items()
    ]


@pytest.mark.parametrize("row", PUBLISHED["results"], ids=lambda row: row["source"])
def test_stated_errors_are_those_on_the_published_figures(row):
    board = board_files.load(row["board"])
    [stated] = [each for each in board.measured if each.source == row["source"]]
    found = _errors(row)
    assert stated.error_percent == (round(min(found)), round(max(found)))


def test_every_stated_error_has_its_published_figures():
    rows = [(row["board"], row["source"]) for row in PUBLISHED["results"]]
    stated = [
        (name, each.source)
        for name in board_files.names()
        for each in board_files.load(name).measured
    ]
    assert sorted(rows) == sorted(stated)


def test_published_networks_are_the_benchmarks():
    macs = {
        name: sum(layer.macs for layer in _layers(name))
        for name in PUBLISHED["networks"]
    }
    assert macs == {
        "ic": 12_501_632,
        "vww": 7_489_664,
        "kws": 2_656_768,
        "ad": 264_192,
        "person": 7_157_888,
    }


@pytest.mark.parametrize("name", board_files.names())
def test_measured_boards_lie_within_their_band(name):
    board = board_files.load(name)
    assert board.evidence == ("measured" if board.is_measured else "unmeasured")
    if board.is_measured:
        low, high = (100 * board.core.relative_error * sign for sign in (-1, 1))
        for each in board.compared:
            assert low <= each.error_percent[0] <= each.error_percent[1] <= high


@pytest.mark.default_cases(4)
@pytest.mark.parametrize("case", BEFORE)
def test_estimates_are_those_of_before_boards_were_files(case):
    network, target, bits = case.split()
    options = estimate.Options(activation_bits=int(bits))
    found = catalog.TARGETS[target].estimate(networks.load(network), options)
    latency = {
        name: [
            float(each.cycles).hex(),
            float(each.seconds).hex(),
            each.relative_error,
            None if each.joules is None else float(each.joules).hex(),
        ]
        for name, each in found.latency.items()
    }
    expected = BEFORE[case]
    assert latency == expected["latency"]
    assert found.memory == expected["memory"]
    assert list(found.violations) == expected["violations"]


@pytest.mark.parametrize("name", board_files.names())
def test_files_are_named_as_their_boards_and_say_where_figures_are_from(name):
    board = board_files.load(name)
    assert board.name == name
    assert board.sources
    # What is measured anew differs from what a core has.
    known = spec.CORES.get(board.core.name)
    assert known is None or board.core == known


def test_a_file_without_options():
    board = board_files.parse(_text(), "f")
    assert board == spec.Board(
        name="mine",
        title="My board",
        core=spec.CORES["cortex-m4"],
        clock_hz=64_000_000,
        flash_bytes=512 * 1024,
        ram=(
            spec.Region(name="ccm", num_bytes=16 * 1024),
            spec.Region(name="sram", num_bytes=64 * 1024),
        ),
        sources=("my own",),
    )
    assert board.ram_bytes == 80 * 1024
    assert board.evidence == "unmeasured"


def test_cycles_and_band_of_ones_own():
    text = _text(cycles_per_instruction=2, band_percent=10, supply={"watts": 0.5})
    board = board_files.parse(text, "f")
    known = spec.CORES["cortex-m4"]
    assert board.core.fit == known.fit
    assert board.core.cycles_per_instruction == 2.0
    assert board.core.relative_error == 0.1
    layers = _layers("kws")
    found = cost.estimate_s8(layers, board)
    plain = cost.estimate_s8(layers, board_files.parse(_text(), "f"))
    assert sum(found.cycles) == pytest.approx(
        sum(plain.cycles) * 2 / known.cycles_per_instruction
    )
    assert cost.energy_joules(found, board) == 0.5 * found.seconds


def test_a_core_of_ones_own_names_its_latency_model():
    board = board_files.parse(_text(**OWN_CORE), "f")
    layer = cost.Layer("d", cost.DENSE, (1, 1, 10), 20)
    found = cost.estimate_s8([layer], board)
    assert found.profile == "my-kernels"
    assert found.cycles == (2 * 200 + 2 * 10 + 2,)
    assert found.relative_error == 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clock": 5}, "f has the unknown key 'clock'; did you mean 'clock_mhz'?"),
        ({"x": 5}, "f has the unknown key 'x'; valid: name, title, core, "),
        ({"core": None}, "f lacks the key 'core', which must be a name of"),
        ({"clock_mhz": "64 MHz"}, "f: clock_mhz must be a number of megahertz above 0"),
        ({"clock_mhz": 64_000_000}, "f: clock_mhz must be a number of megahertz"),
        ({"clock_mhz": -64}, "f: clock_mhz must be a number of megahertz above 0"),
        ({"clock_mhz": True}, "f: clock_mhz must be a number of megahertz above 0"),
        ({"flash_kib": 0}, "f: flash_kib must be a whole number of KiB above 0"),
        ({"flash_kib": 0.5}, "f: flash_kib must be a whole number of KiB above 0"),
        ({"ram_kib": 64}, "f: ram_kib must be regions with their whole numbers of KiB"),
        ({"ram_kib": {}}, "f: ram_kib must be regions"),
        ({"ram_kib": {"sram": -1}}, "f: ram_kib must be regions"),
        ({"name": "My Board"}, "f: name must be a name of up to 40 characters a-z"),
        ({"name": 7}, "f: name must be a name of up to 40 characters"),
        ({"title": "two\nlines"}, "f: title must be one line of text"),
        ({"title": "\x1b[31mred"}, "f: title must be one line of text"),
        ({"sources": []}, "f: sources must be a list of lines"),
        ({"sources": "one"}, "f: sources must be a list of lines"),
        ({"band_percent": 0}, "f: band_percent must be a number of per cent above 0"),
        ({"supply": {"amps": 1}}, "f: supply has the unknown key 'amps'; valid: volts"),
        ({"supply": {"watts": "1 W"}}, "f: supply: watts must be a number above 0"),
        ({"supply": 3.3}, "f: supply must be volts and watts; found 3.3"),
        ({"measured": [{}]}, r"f: measured\[0\] lacks the key 'software'"),
        (
            {
                "measured": [
                    {
                        "software": "a",
                        "kernels": "b",
                        "error_percent": [5, -5],
                        "source": "c",
                    }
                ]
            },
            r"f: measured\[0\]: error_percent must be two whole numbers of per cent",
        ),
        (
            {"core": "cortex-m99"},
            "the core 'cortex-m99' is none of cortex-m4, cortex-m7, cortex-m33, "
            "cortex-m55, so the key 'instructions' must say numbers",
        ),
        (
            OWN_CORE | {"instructions": {"conv_mac": 1}},
            "f: instructions lacks the key 'conv_window', which must be a number",
        ),
        (
            OWN_CORE
            | {"instructions": {**OWN_CORE["instructions"], "dense_mac": -0.5}},
            "f: instructions: dense_mac must be a number from 0 to 10,000",
        ),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(errors.UsageError, match=message) as found:
        board_files.parse(_text(**changes), "f")
    assert len(str(found.value)) < 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "f must give name, title, core"),
        ("", "f must give name, title, core"),
        ("a: b: c", "f is not valid YAML"),
        (_text() + "name: again\n", "'name' is there twice"),
        ("name: !!python/object:os.system {}", "tag"),
    ],
)
def test_texts_that_are_no_boards(text, message):
    with pytest.raises(errors.UsageError, match=message):
        board_files.parse(text, "f")


def test_a_file_is_named_in_the_error(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(_text(flash_kib=-1), encoding="utf-8")
    with pytest.raises(errors.UsageError, match=rf"{path}: flash_kib must be"):
        board_files.read(str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.UsageError, match="is no text"):
        board_files.read(str(path))
    with pytest.raises(errors.StorageError, match="cannot read"):
        board_files.read(str(tmp_path / "absent.yaml"))


def test_boards_of_files_need_names_of_their_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(_text(), encoding="utf-8")
    [found] = catalog.of_files([str(path)])
    assert found.name == "mine"
    with pytest.raises(errors.UsageError, match="which a board given before has"):
        catalog.of_files([str(path)] * 2)
    path.write_text(board_files.text("nrf5340"), encoding="utf-8")
    with pytest.raises(errors.UsageError, match="another than 'nrf5340', which a tar"):
        catalog.of_files([str(path)])


def test_an_unknown_name_lists_the_boards():
    with pytest.raises(errors.UsageError, match="unknown board 'stm32'; choose one of"):
        board_files.text("stm32")
