"""XML that anybody may have written: elements and their text, nothing else.

Of the language only that is taken which cannot grow: no document types, so no entities
and nothing from outside.
"""

import dataclasses
from typing import Any
from xml.parsers import expat

from tfpipeline.untrusted import damage

MAX_DEPTH = 20
MAX_ELEMENTS = 100_000


@dataclasses.dataclass
class Element:
    """An element without its attributes.

    Attributes:
        tag: its name.
        text: what stands in it directly, without the spaces around it.
        children: in their order.
    """

    tag: str
    text: str = ""
    children: list["Element"] = dataclasses.field(default_factory=list)

    def child(self, tag: str) -> "Element":
        """The only child of a name.

        Raises:
            ValueError: there is none, or more than one.
        """
        fitting = self.all(tag)
        if len(fitting) != 1:
            raise ValueError(f"<{self.tag}> has {len(fitting)} times <{tag}>, not once")
        return fitting[0]

    def all(self, tag: str) -> list["Element"]:
        """The children of a name."""
        return [child for child in self.children if child.tag == tag]


def parse(data: bytes, what: str) -> Element:
    """The root element of a document.

    Args:
        data: of the file.
        what: names it in an error.

    Raises:
        DamagedFileError: it is not XML, has a document type, nests deeper than
            `MAX_DEPTH` or has over `MAX_ELEMENTS` elements.
    """
    top = Element("")
    # Elements that are open, and the pieces of their texts.
    stack: list[tuple[Element, list[str]]] = [(top, [])]
    count = 0

    def begin(tag: str, _: Any) -> None:
        nonlocal count
        count += 1
        if len(stack) > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} elements")
        if count > MAX_ELEMENTS:
            raise ValueError(f"it has over {MAX_ELEMENTS:,} elements")
        element = Element(tag)
        stack[-1][0].children.append(element)
        stack.append((element, []))

    def end(_: str) -> None:
        element, pieces = stack.pop()
        element.text = "".join(pieces).strip()

    def characters(text: str) -> None:
        stack[-1][1].append(text)

    with damage.reported(what, "plain XML"):
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = begin
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters
        parser.Parse(data, True)
    return top.children[0]


def _refuse_doctype(*_: Any) -> None:
    raise ValueError("it has a document type, which no annotation needs")
