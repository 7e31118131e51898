"""The page of a listing: its HTML and its looks.

Law: no name gets out of its place, whatever bytes it has: text is escaped, links are percent-encoded and relative.
The page has no script, and fetches nothing.
"""

import os
import re
from collections.abc import Iterator
from html import escape
from stat import S_ISDIR
from time import gmtime
from typing import NamedTuple, Self
from urllib.parse import quote

from reactor import Query

from .media_types import media_type

# What the page is sent with.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'",
}

# By the column's name in a query: its title, and how it is sorted by the first click on that.
_COLUMNS = {"name": ("Name", "asc"), "size": ("Size", "desc"), "date": ("Modified (UTC)", "desc")}

# Controls, what is not UTF-8, line breaks of any kind, and what turns the direction of text around (UAX 9).
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")

# By the media type, or what it begins with: the class of a file's row, and so its picture.
_KINDS = {
    "image": "image", "audio": "media", "video": "media", "application/zip": "archive", "application/gzip": "archive",
    "application/zstd": "archive", "application/x-bzip2": "archive", "application/x-xz": "archive",
    "application/x-tar": "archive", "application/x-7z-compressed": "archive", "application/vnd.rar": "archive",
}  # fmt: skip

_FIRST_TIME, _LAST_TIME = -62135596800, 253402300799  # seconds, of the years 1 to 9999: HTML has no others


class Order(NamedTuple):
    """How a listing is sorted: by the `column` "name", "size" or "date"."""

    column: str
    is_descending: bool

    @classmethod
    def of(cls, query: Query) -> Self:
        """What `?sort=size&order=desc` asks for; by name, ascending, where it asks for nothing we know."""
        column = query.get("sort", "")
        return cls(column if column in _COLUMNS else "name", query.get("order") == "desc")


def page_head(path: str, root: str, order: Order, can_upload: bool, notice: str) -> str:
    """All that comes before the rows of entries. For the arguments, see `listing`."""
    names = path.removeprefix(root)[1:-1]
    above = [f"{root}/", *(f"{name}/" for name in names.split("/"))] if names else [f"{root}/"]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{shown(path)}</title>\n'
        f'<link rel="icon" href="{_icon(_FOLDER)}">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f'<nav aria-label="Path"><h1>{"".join(_crumbs(above))}</h1></nav>\n<main>\n'
        f"{_UPLOAD if can_upload else ''}{_notice(notice)}"
        f"<table>\n<thead><tr>{''.join(_column_head(column, order) for column in _COLUMNS)}</tr></thead>\n<tbody>\n"
        f"{_UP if names else ''}"
    )


def row(name: str, status: os.stat_result) -> str:
    """The row of a file or a folder."""
    if S_ISDIR(status.st_mode):
        kind, slash, size = "folder", "/", ""
    else:
        kind, slash = _kind(name), ""
        size = f'<span title="{status.st_size:,} bytes">{human_size(status.st_size)}</span>'
    href = quote(os.fsencode(name), safe="") + slash
    return (
        f'<tr class="{kind}"><th scope="row"><a href="{href}"><bdi>{shown(name)}</bdi>{slash}</a></th>'
        f"<td>{size}</td><td>{_date(int(status.st_mtime))}</td></tr>\n"
    )


def page_foot(folders: int, files: int, size: int) -> str:
    """All that comes behind the rows: `folders` and `files` were there, of `size` bytes."""
    counts = f"{_count(folders, 'folder')}, {_count(files, 'file')}, {human_size(size)}"
    text = counts if folders or files else "This folder is empty."
    return f"</tbody>\n</table>\n</main>\n<footer>{text}</footer>\n</body>\n</html>\n"


def human_size(size: int) -> str:
    """ "512 B", "1.4 MiB": four digits and a point at most."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in "KMGTP":
        amount /= 1024
        if amount < 1023.95:  # or else it is rounded to 1024.0
            return f"{amount:.1f} {unit}iB"
    return f"{amount / 1024:.1f} EiB"


def shown(text: str) -> str:
    """`text` as HTML. A character that cannot be shown, or changes how others are, becomes U+FFFD."""
    return escape(_UNSHOWN.sub("\ufffd", text))


def _crumbs(names: list[str]) -> Iterator[str]:
    """Links to the folders on the way, relative, so that a proxy may serve us at another path."""
    for up, name in zip(range(len(names) - 1, -1, -1), names, strict=True):
        current = "" if up else ' aria-current="page"'
        yield f'<a href="{"../" * up or "./"}"{current}><bdi>{shown(name[:-1])}</bdi>/</a>'


def _notice(text: str) -> str:
    return f'<p role="status">{shown(text)}</p>\n' if text else ""


def _column_head(column: str, order: Order) -> str:
    """A title that sorts by its column when it is clicked, the other way around if that is done already."""
    title, direction = _COLUMNS[column]
    sorted_by = ""
    if column == order.column:
        sorted_by = f' aria-sort="{"descending" if order.is_descending else "ascending"}"'
        direction = "asc" if order.is_descending else "desc"
    return f'<th scope="col"{sorted_by}><a href="?sort={column}&amp;order={direction}">{title}</a></th>'


def _kind(name: str) -> str:
    type_ = media_type(name)
    return _KINDS.get(type_) or _KINDS.get(type_.partition("/")[0], "file")


def _date(seconds: int) -> str:
    if not _FIRST_TIME <= seconds <= _LAST_TIME:
        return ""
    year, month, day, hour, minute, *_ = gmtime(seconds)
    date, time = f"{year:04}-{month:02}-{day:02}", f"{hour:02}:{minute:02}"
    return f'<time datetime="{date}T{time}Z">{date} {time}</time>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _icon(shapes: str) -> str:
    """A picture of 20 by 20, as a URL."""
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'>{shapes}</svg>"
    return "data:image/svg+xml," + quote(svg, safe=" =:/'.,-")


_LINES = "fill='none' stroke='#76808c' stroke-width='1.4' stroke-linejoin='round' stroke-linecap='round'"
_FOLDER = "<path fill='#5a95e6' d='M2 5.5Q2 4 3.5 4h4l2 2h7Q18 6 18 7.5v7q0 1.5-1.5 1.5h-13Q2 16 2 14.5z'/>"
_FILE = f"<path {_LINES} d='M5 2.5h6.5l4 4v11H5zM11.5 2.5v4h4'/>"
_IMAGE = f"<path {_LINES} d='M2.5 4h15v12h-15zM3 14.5l4-4 3 3 3-3 4 4M6.5 7.5h.1'/>"
_MEDIA = f"<path {_LINES} d='M10 3a7 7 0 1 0 .1 0zM8.5 7v6l4.5-3z'/>"
_BOX = f"<path {_LINES} d='M3 4h14v3.5H3zM4 7.5V16h12V7.5M8.5 10.5h3'/>"
_ARROW = f"<path {_LINES} d='M5 17h5.5V4M6.5 8l4-4 4 4'/>"

_UP = '<tr class="up"><th scope="row"><a href="../" aria-label="Parent folder">../</a></th><td></td><td></td></tr>\n'
_UPLOAD = """<form method="post" enctype="multipart/form-data">
<input type="file" name="file" multiple required aria-label="Files to upload">
<button>Upload</button>
</form>
"""

_STYLE = f"""
:root {{ --text: #1b1f24; --soft: #5b6470; --line: #e4e7eb; --hover: #f2f6fc; --page: #fff; --link: #0a55b5; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e4e7eb; --soft: #9ba5b1; --line: #2b3138; --hover: #1e242c; --page: #15181c; --link: #8fbcff; }}
}}
* {{ box-sizing: border-box; }}
body {{
  max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}}
a {{ color: inherit; text-decoration: none; }}
a:hover bdi {{ text-decoration: underline; text-underline-offset: .2em; }}
:focus-visible {{ outline: 2px solid var(--link); outline-offset: -2px; border-radius: 4px; }}
bdi {{ white-space: pre-wrap; }}
h1 {{ margin: 0 .5rem 1rem; font-size: 1.25rem; font-weight: 400; }}
h1 a {{ padding: .25rem; color: var(--link); }}
h1 a[aria-current] {{ color: inherit; font-weight: 600; }}
form, p {{ margin: 0 .75rem 1rem; }}
form {{ display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }}
button, input {{ max-width: 100%; font: inherit; }}
button, ::file-selector-button {{
  padding: .25rem .75rem; border: 1px solid var(--soft); border-radius: 6px;
  background: var(--hover); color: var(--text); font: inherit; cursor: pointer;
}}
::file-selector-button {{ margin-right: .75rem; }}
button:hover, ::file-selector-button:hover {{ border-color: var(--link); }}
p {{ padding: .5rem .75rem; border-left: 3px solid var(--link); background: var(--hover); }}
table {{ width: 100%; table-layout: fixed; border-collapse: collapse; }}
th {{ padding: 0; font-weight: inherit; text-align: left; }}
td {{
  padding: .625rem .75rem; vertical-align: top; color: var(--soft);
  font-size: .875rem; font-variant-numeric: tabular-nums;
}}
th:nth-child(2), td:nth-child(2) {{ width: 7rem; text-align: right; }}
th:nth-child(3), td:nth-child(3) {{ width: 11rem; text-align: right; }}
thead a {{ display: block; padding: .5rem .75rem; color: var(--soft); font-size: .875rem; }}
thead a:hover {{ color: var(--text); }}
[aria-sort] a {{ color: var(--text); font-weight: 600; }}
[aria-sort] a::after {{
  content: ""; display: inline-block; margin-left: .4em; vertical-align: .15em;
  border: .3em solid transparent; border-top: 0; border-bottom-color: currentColor;
}}
[aria-sort=descending] a::after {{ transform: scaleY(-1); }}
tbody tr {{ border-top: 1px solid var(--line); }}
tbody tr:hover {{ background: var(--hover); }}
tbody a {{
  display: block; padding: .5rem .75rem .5rem 2.75rem;
  background: url("{_icon(_FILE)}") .75rem .6rem/1.25rem no-repeat;
}}
.folder a {{ background-image: url("{_icon(_FOLDER)}"); font-weight: 500; }}
.image a {{ background-image: url("{_icon(_IMAGE)}"); }}
.media a {{ background-image: url("{_icon(_MEDIA)}"); }}
.archive a {{ background-image: url("{_icon(_BOX)}"); }}
.up a {{ background-image: url("{_icon(_ARROW)}"); color: var(--soft); }}
footer {{ padding: .75rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem; }}
@media (pointer: coarse) {{
  h1 a {{ display: inline-block; min-width: 44px; line-height: 44px; padding: 0 .25rem; }}
  thead a {{ padding-top: .75rem; padding-bottom: .75rem; }}
  tbody a {{ padding-top: .625rem; padding-bottom: .625rem; background-position-y: .75rem; }}
  button, ::file-selector-button {{ min-height: 44px; }}
}}
@media (max-width: 40rem) {{
  body {{ padding: 1rem 0 2rem; }}
  table, thead, tbody {{ display: block; }}
  tr {{ display: grid; grid-template-columns: 1fr auto; position: relative; }}
  thead tr {{ display: flex; flex-wrap: wrap; }}
  thead th:nth-child(n) {{ width: auto; }}
  tbody th {{ grid-column: 1 / -1; }}
  tbody tr:not(.up) a {{ padding-bottom: 0; }}
  tbody a::after {{ content: ""; position: absolute; inset: 0; }}
  td:nth-child(n) {{ width: auto; padding: 0 .75rem .5rem; grid-row: 2; }}
  td:nth-child(3) {{ grid-column: 1; padding-left: 2.75rem; text-align: left; }}
  td:empty {{ display: none; }}
}}
"""
