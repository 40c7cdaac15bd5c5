"""A report as one HTML file that needs nothing else: text, tables and figures inline.

Sections are values; the template knows nothing of any study.
"""

import base64
import dataclasses
import io
import os
from collections.abc import Sequence

import jinja2
import matplotlib
from matplotlib import figure as matplotlib_figure

from tfpipeline import atomic_files

# Of figures that are pictures of photographs; all others are drawn as lines.
_DOTS_AN_INCH = 110


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells, text as it is shown.

    Attributes:
        head: of the columns.
        rows: of cells; the first one names the row.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Image:
    """A figure as a browser takes it.

    Attributes:
        address: `data:` with the whole content.
        caption: what it shows; the reader without the picture has this.
    """

    address: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: of the section.
        paragraphs: plain text.
        tables: behind the text.
        images: behind the tables.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    images: tuple[Image, ...] = ()


_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
nav li { display: inline; margin-right: 1rem; }
nav ul { padding: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; }
figcaption { color: #555; font-size: .9rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<nav><ul>
{%- for section in sections %}
<li><a href="#s{{ loop.index }}">{{ section.title }}</a></li>
{%- endfor %}
</ul></nav>
{%- for section in sections %}
<section id="s{{ loop.index }}">
<h2>{{ section.title }}</h2>
{%- for paragraph in section.paragraphs %}
<p>{{ paragraph }}</p>
{%- endfor %}
{%- for table in section.tables %}
<div class="wide"><table>
<thead><tr>{% for cell in table.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr>
</thead>
<tbody>
{%- for row in table.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table></div>
{%- endfor %}
{%- for image in section.images %}
<figure><img alt="{{ image.caption }}" src="{{ image.address }}">
<figcaption>{{ image.caption }}</figcaption></figure>
{%- endfor %}
</section>
{%- endfor %}
</body>
</html>
"""


def render(title: str, sections: Sequence[Section]) -> str:
    """The HTML of a report; every text of the sections is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE).render(title=title, sections=sections)


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
    stream = io.BytesIO()
    if photographs:
        drawn.savefig(
            stream, format="png", dpi=_DOTS_AN_INCH, metadata={"Software": None}
        )
        kind = "image/png"
    else:
        with matplotlib.rc_context({"svg.hashsalt": "report"}):
            drawn.savefig(
                stream, format="svg", metadata={"Date": None, "Creator": None}
            )
        kind = "image/svg+xml"
    content = base64.b64encode(stream.getvalue()).decode("ascii")
    return Image(f"data:{kind};base64,{content}", caption)
