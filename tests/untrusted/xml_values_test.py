"""XML: its elements, or one clear error, whatever it holds."""

import hypothesis
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.untrusted import xml_values


def test_elements_and_texts():
    root = xml_values.parse(
        b'<?xml version="1.0"?><a x="1"> t <b>1</b>u<b/><!-- c --><c>&lt;</c></a>', "it"
    )
    assert (root.tag, root.text) == ("a", "t u")
    assert [child.text for child in root.all("b")] == ["1", ""]
    assert root.child("c").text == "<"
    for tag, count in (("b", 2), ("d", 0)):
        with pytest.raises(ValueError, match=f"<a> has {count} times <{tag}>"):
            root.child(tag)


_BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
_OUTSIDE = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no element found"),
        (b"<a>", "no element found"),
        (b"<a></b>", "mismatched tag"),
        (b"<a/><b/>", "junk after document element"),
        (b"<a>\xff</a>", "not well-formed"),
        (b"<a>&b;</a>", "undefined entity"),
        (_BOMB, "document type"),
        (_OUTSIDE, "document type"),
        (b"<a>" * 21 + b"</a>" * 21, "nests deeper than 20"),
        (b"<a>" + b"<b/>" * 100_000 + b"</a>", "over 100,000 elements"),
    ],
)
def test_what_is_refused(data, reason):
    with pytest.raises(errors.DamagedFileError, match=reason) as raised:
        xml_values.parse(data, "it")
    assert str(raised.value).startswith("it is not plain XML")


@hypothesis.given(strategies.binary(max_size=60))
def test_any_bytes_give_elements_or_the_error(data):
    try:
        xml_values.parse(data, "it")
    except errors.DamagedFileError as error:
        assert str(error).startswith("it ")
