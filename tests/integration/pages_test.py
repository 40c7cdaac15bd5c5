"""Pages hold together: links lead somewhere, blocks end, nothing of a merge is left."""

import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGES = sorted(
    [
        *_ROOT.glob("*.md"),
        *(_ROOT / "docs").rglob("*.md"),
        *(_ROOT / "experiments").rglob("*.md"),
    ]
)
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", _PAGES, ids=lambda p: str(p.relative_to(_ROOT)))
def test_a_page_holds_together(page):
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", text, re.MULTILINE)
    prose = _BLOCK.sub("", text)
    assert "```" not in prose
    for link in _LINK.findall(re.sub(r"`[^`]*`", "", prose)):
        path, _, section = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if section and target.suffix == ".md":
            assert section in _anchors(target), link


def _anchors(page: pathlib.Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each) for each in headings]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in plain}
