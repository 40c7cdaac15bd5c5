"""The picture of the rooms shows the table, and each room above what it imports."""

from tests import room_table, rooms_picture


def test_the_picture_is_of_todays_table():
    drawn = rooms_picture.draw(room_table.read())
    assert rooms_picture.FILE.read_text(encoding="utf-8") == drawn, (
        "python -m tests.rooms_picture draws it again"
    )


def test_every_room_is_drawn_above_what_it_imports():
    tree = room_table.read()
    floors = rooms_picture.ranks(tree)
    assert set(floors) == set(tree.rooms)
    for room, others in tree.rooms.items():
        assert all(floors[other] < floors[room] for other in others), room


def test_sides_are_told_apart():
    tree = room_table.read()
    sides = rooms_picture.sides(tree)
    assert sides["tfpipeline/train"] == sides["tfpipeline/estimate"] == "entry"
    assert sides["tfpipeline/training"] == "TensorFlow"
    assert sides["tfpipeline/ir"] == sides["tfpipeline/targets/gap8"] == "NumPy"
