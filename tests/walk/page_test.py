"""Steps of a page."""

from tests.walk import page

_PAGE = """# A page

```
python -m tfpipeline.estimate --model=a \\
    --target=tflm
# a remark
make demo
```

prints:

```
one
...
```

## Another section

```
not of a command
```

```python
print()
```

```
$ python -m tfpipeline.compare a b
three
$ python -m tfpipeline.compare b a
four
```
"""


def test_commands_and_what_is_shown_of_them():
    first, second = page.steps(_PAGE)
    assert first.commands == (
        "python -m tfpipeline.estimate --model=a --target=tflm",
        "make demo",
    )
    assert first.shown == ((12, "one"), (13, "..."))
    assert second.commands == (
        "python -m tfpipeline.compare a b",
        "python -m tfpipeline.compare b a",
    )
    assert [line for _, line in second.shown] == ["three", "four"]


def test_lines_are_replaced_where_they_stand(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(_PAGE)
    page.replaced(path, {12: "two"})
    assert path.read_text() == _PAGE.replace("\none\n", "\ntwo\n")
