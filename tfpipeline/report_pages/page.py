"""A report as one HTML file that needs nothing else: text, tables and figures inline.

Sections are values; the template knows nothing of what they are about. Without scripts,
and without addresses: the file works from a USB stick. Dark and light are the reader's
choice, paper is light; figures are drawn in the color of the text around them.
"""

import base64
import dataclasses
import io
import os
import re
from collections.abc import Sequence
from typing import Any

import jinja2
import markupsafe
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import figure as matplotlib_figure
from PIL import Image as pillow

from tfpipeline import atomic_files

# Of figures that are pictures of photographs; all others are drawn as lines.
_DOTS_AN_INCH = 110
# Least pixels of the longer side of a small picture, which is enlarged in whole steps.
_PICTURE_SIDE = 96
_MOST_PICTURE_SIDE = 256
# Text in fonts of the reader; `$` in names is no mathematics.
_SVG_FONTS = "none"
_FONTS = re.compile(r"'DejaVu Sans'[^;\"]*sans-serif")
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_NAMESPACE = re.compile(r' xmlns(:xlink)?="[^"]*"')
# A column of these is one of numbers, whatever unit is behind them.
_NUMBER = re.compile(r"[-+<]?[0-9]")
_SIZE = re.compile(r'width="([0-9.]+)pt" height="[0-9.]+pt"')


_NO_MARKUP = markupsafe.Markup("")


@dataclasses.dataclass(frozen=True)
class Bar:
    """A cell that is a bar, and what stands beside it.

    Attributes:
        share: of the longest bar of the column, 0 to 1.
        text: beside it.
    """

    share: float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells, text as it is shown.

    Attributes:
        head: of the columns.
        rows: of cells; the first one names the row.
        title: in front of a table that is folded until it is asked for; empty for one
            that stands open.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str | Bar, ...], ...]
    title: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """How each column stands: of text and bars to the left, else to the right."""
        return tuple(_class(column) for column in zip(*self.rows, strict=True))


def _class(cells: Sequence[str | Bar]) -> str:
    if any(isinstance(cell, Bar) for cell in cells):
        return "bars"
    said = [str(cell) for cell in cells if cell and cell != "-"]
    numbers = sum(_NUMBER.match(cell) is not None for cell in said)
    return "" if 2 * numbers >= len(said) else "text"


@dataclasses.dataclass(frozen=True)
class Image:
    """A figure as a browser takes it.

    Attributes:
        address: `data:` with the whole content; empty where there is markup.
        caption: what it shows; the reader without the picture has this.
        markup: SVG that stands in the page itself.
    """

    address: str
    caption: str
    markup: markupsafe.Markup = _NO_MARKUP


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Small pictures side by side, each with its caption.

    Attributes:
        images: in their order.
    """

    images: tuple[Image, ...]


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: of the section.
        paragraphs: plain text.
        tables: behind the text.
        images: behind the tables.
        galleries: behind the images.
        code: what can be typed, behind all that.
        parts: sections of the section, without sections of their own.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    images: tuple[Image, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    code: str = ""
    parts: tuple["Section", ...] = ()


_TEMPLATE = """\
{% macro contents(section) %}
{%- for paragraph in section.paragraphs %}
<p>{{ paragraph }}</p>
{%- endfor %}
{%- for table in section.tables %}
{% if table.title %}<details><summary>{{ table.title }}</summary>{% endif -%}
<div class="wide" tabindex="0" role="region"
 aria-label="table: {{ table.title or section.title }}"><table>
{%- set classes = table.classes or [""] * table.head | length %}
<thead><tr>{% for cell in table.head %}<th scope="col"
{%- if classes[loop.index0] %} class="{{ classes[loop.index0] }}"{% endif %}>
{{- cell }}</th>{% endfor %}</tr>
</thead>
<tbody>
{%- for row in table.rows %}
<tr>{% for cell in row %}<td
{%- if classes[loop.index0] %} class="{{ classes[loop.index0] }}"{% endif %}>
{%- if cell.share is defined -%}
<span class="bar" style="width: {{ '%.2f' % (6 * cell.share) }}rem"></span>
{%- endif %}{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table></div>
{%- if table.title %}</details>{% endif %}
{%- endfor %}
{%- for image in section.images %}
<figure>{% if image.markup %}<div class="wide" tabindex="0" role="region"
 aria-label="figure: {{ image.caption }}">{{ image.markup }}</div>
{%- else %}<img alt="{{ image.caption }}" src="{{ image.address }}">{% endif %}
<figcaption>{{ image.caption }}</figcaption></figure>
{%- endfor %}
{%- for gallery in section.galleries %}
<div class="gallery">
{%- for image in gallery.images %}
<figure>{% if image.markup %}{{ image.markup }}
{%- else %}<img alt="{{ image.caption }}" src="{{ image.address }}">{% endif %}
<figcaption>{{ image.caption }}</figcaption></figure>
{%- endfor %}
</div>
{%- endfor %}
{%- if section.code %}
<pre>{{ section.code }}</pre>
{%- endif %}
{%- endmacro %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --text: #1f2328; --back: #fff; --dim: #57606a;
  --line: #d0d7de; --link: #0a58ca; --soft: #f3f5f7; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --back: #14181d; --dim: #9aa5b1; --line: #39424d;
    --link: #79b8ff; --soft: #1e242b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--back); max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 3rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2rem; }
a { color: var(--link); }
nav li { display: inline-block; margin-right: 1rem; }
nav ul { padding: 0; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums;
  font-size: .92rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td { max-width: 34rem; white-space: nowrap; }
td.text, td:first-child { white-space: normal; }
th.text, td.text, th.bars, td.bars { text-align: left; }
td.bars { white-space: nowrap; }
.bar { display: inline-block; height: .8em; margin-right: .4em; background: #2f7fc1;
  vertical-align: -.05em; print-color-adjust: exact; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--link); }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; background: #fff; }
figure svg { display: block; height: auto; max-width: 100%; }
.wide > svg { min-width: min(34rem, var(--drawn)); }
figure svg text { fill: currentColor; }
figcaption { color: var(--dim); font-size: .9rem; }
.gallery { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
.gallery figure { margin: 0; }
.gallery img { image-rendering: pixelated; width: 100%; max-width: 12rem; }
.gallery figcaption { font-size: .8rem; }
pre { background: var(--soft); padding: .8rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
@page { size: A4; margin: 14mm; }
@media print {
  body { font-size: 10.5pt; margin: 0; padding: 0; max-width: none; }
  nav { display: none; }
  .wide { overflow: visible; }
  .wide > svg { min-width: 0; }
  table { font-size: 8.5pt; }
  th, td { padding: .1rem .35rem; }
  h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
}
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<nav aria-label="sections"><ul>
{%- for section in sections %}
<li><a href="#s{{ loop.index }}">{{ section.title }}</a></li>
{%- endfor %}
</ul></nav>
{%- for section in sections %}
<section id="s{{ loop.index }}">
<h2>{{ section.title }}</h2>
{{- contents(section) }}
{%- for part in section.parts %}
<h3>{{ part.title }}</h3>
{{- contents(part) }}
{%- endfor %}
</section>
{%- endfor %}
</main>
</body>
</html>
"""


def render(title: str, sections: Sequence[Section]) -> str:
    """The HTML of a report; every text of the sections is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(_TEMPLATE).render(title=title, sections=sections)
    return text.lstrip() + "\n"


def write(
    path: str | os.PathLike[str], title: str, sections: Sequence[Section]
) -> None:
    """Writes `render` to a file, atomically.

    Raises:
        ForeignFileError: there is a file that this program did not write.
        StorageError: the file cannot be written.
    """
    atomic_files.write_text(path, render(title, sections))


def image(
    drawn: matplotlib_figure.Figure, caption: str, *, photographs: bool = False
) -> Image:
    """A figure inline: as SVG, or as PNG where it has photographs.

    The same figure gives the same bytes, without a date or a version.
    """
    if photographs:
        stream = io.BytesIO()
        drawn.savefig(
            stream, format="png", dpi=_DOTS_AN_INCH, metadata={"Software": None}
        )
        return Image(_address(stream.getvalue()), caption)
    return Image("", caption, _markup(drawn, caption))


def picture(pixels: npt.NDArray[np.uint8], caption: str) -> Image:
    """A photograph inline, as PNG of whole pixels.

    Args:
        pixels: [H, W, 1 or 3].
        caption: what it is.
    """
    shown = pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    times = max(1, _PICTURE_SIDE // max(shown.size))
    if times > 1:
        size = (shown.width * times, shown.height * times)
        shown = shown.resize(size, pillow.Resampling.NEAREST)
    shown.thumbnail((_MOST_PICTURE_SIDE, _MOST_PICTURE_SIDE))
    stream = io.BytesIO()
    shown.save(stream, format="PNG", optimize=True)
    return Image(_address(stream.getvalue()), caption)


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _markup(drawn: matplotlib_figure.Figure, caption: str) -> markupsafe.Markup:
    """SVG that stands in a page: in its colors, with its fonts, named for readers."""
    for axes in drawn.axes:
        axes.patch.set_visible(False)
        _bare(axes.get_legend())
    for legend in drawn.legends:
        _bare(legend)
    stream = io.StringIO()
    # Identifiers of one page must differ, so that they come from what it shows.
    with matplotlib.rc_context({"svg.fonttype": _SVG_FONTS, "svg.hashsalt": caption}):
        drawn.savefig(
            stream,
            format="svg",
            facecolor="none",
            metadata={"Date": None, "Creator": None},
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for pattern in (_METADATA, _NAMESPACE):
        text = pattern.sub("", text)
    text = _FONTS.sub("sans-serif", text)
    text = text.replace("#000000", "currentColor").replace("xlink:href", "href")
    size = _SIZE.search(text)
    assert size is not None
    # A point of the figure is one of the page.
    width = f"{float(size[1]) / 0.75:.0f}px"
    name = markupsafe.escape(caption)
    named = f'role="img" aria-label="{name}" width="{width}" style="--drawn: {width}"'
    return markupsafe.Markup(_SIZE.sub(lambda _: named, text, count=1).strip())


def _bare(legend: Any) -> None:
    """Without the white box behind it."""
    if legend is not None:
        legend.get_frame().set_visible(False)
