"""The boards as a table, and one's file to copy."""

import pathlib

from tfpipeline import boards, estimate
from tfpipeline.targets.stm32 import board_files


def test_every_board_has_a_line_that_says_how_it_is_known(capsys):
    boards.main(boards.Command())
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [
        *("board", "core", "clock", "flash", "RAM", "known", "compared", "with")
    ]
    assert [line.split()[0] for line in lines] == list(board_files.names())
    by_name = {line.split()[0]: line for line in lines}
    assert "1,024 KiB  512 KiB" in by_name["nrf5340"]
    assert "  measured, -8 to +9 %  " in by_name["nrf5340"]
    assert "mlcommons/tiny_results_v1.0@c7761cf840" in by_name["nrf5340"]
    assert "  unmeasured (other software: -8 to +96 %)  " in by_name["m467"]
    assert by_name["rp2350"].split()[-2:] == ["unmeasured", "-"]


def test_the_page_has_the_table():
    page = pathlib.Path(__file__).parents[1] / "docs/targets/boards.md"
    known = [board_files.load(name) for name in board_files.names()]
    lines = boards.listed(known).splitlines()
    sources = lines[0].index("compared with")
    table = "\n".join(line[:sources].rstrip() for line in lines)
    assert f"\n{table}\n" in page.read_text(encoding="utf-8")


def test_a_printed_file_is_a_board_under_another_name(capsys, tmp_path):
    boards.main(boards.Command(board="nrf5340"))
    path = tmp_path / "mine.yaml"
    text = capsys.readouterr().out.replace("name: nrf5340", "name: mine")
    path.write_text(text.replace("clock_mhz: 128", "clock_mhz: 64"), encoding="utf-8")
    command = estimate.Command(
        model="cmsis_cifar10", target=("nrf5340",), board=(str(path),)
    )
    _, [known, mine] = estimate.run(command)
    assert (known.target, mine.target) == ("nrf5340", "mine")
    assert mine.memory == known.memory
    [one], [other] = known.latency.values(), mine.latency.values()
    assert other.cycles == one.cycles
    assert other.seconds == 2 * one.seconds


def test_boards_alone_are_estimated_alone(tmp_path):
    path = tmp_path / "mine.yaml"
    text = board_files.text("rp2350").replace("name: rp2350", "name: mine")
    path.write_text(text, encoding="utf-8")
    _, [found] = estimate.run(
        estimate.Command(model="cmsis_cifar10", board=(str(path),))
    )
    assert found.target == "mine"
