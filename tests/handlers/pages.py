"""A listing's page, made and read: what the tests of both need."""

import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from handlers.static.listing import Listing, listing
from reactor import Query

VOID = {"meta", "link", "input"}
COLUMNS = {"th": 1, "span": 2, "time": 3}  # by the tag that its text is in


class Page(HTMLParser):
    """A page as it is read: `rows` of the table's body (href, text, size, date), `tags` and how often each is there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.rows: list[list[str]] = []
        self.titles: list[str | None] = []  # of sizes
        self.texts: dict[str, str] = {}  # by tag
        self.crumbs: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []  # each that was opened is closed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        if "tbody" in self.open:
            if tag == "tr":
                self.rows.append(["", "", "", ""])
            elif tag == "a":
                self.rows[-1][0] = given["href"] or ""
            elif tag == "span":
                self.titles.append(given["title"])
        elif "h1" in self.open and tag == "a":
            self.crumbs.append((given["href"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data
        column = max((COLUMNS.get(tag, 0) for tag in self.open), default=0)
        if column and "tbody" in self.open:
            self.rows[-1][column] += data
        elif "h1" in self.open and self.crumbs:
            href, text = self.crumbs[-1]
            self.crumbs[-1] = href, text + data

    @property
    def names(self) -> list[str]:
        return [text for _, text, *_ in self.rows]

    @property
    def sorting(self) -> str:
        """How it is sorted, and what a click on each title asks for, as in "name ascending; name=desc size=desc"."""
        links: list[str] = []
        states: list[str] = []
        state = ""
        for tag, name, value in self.attributes:
            if name == "aria-sort":
                state = value or ""  # of the column whose link comes next
            elif (tag, name) == ("a", "href") and (match := re.fullmatch(r"\?sort=(\w+)&order=(\w+)", value or "")):
                links.append(f"{match[1]}={match[2]}")
                states += [f"{match[1]} {state}"] if state else []
                state = ""
        return f"{', '.join(states)}; {' '.join(links)}"


def open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def start(folder: Path, query: str = "", path: str = "/", **options: Any) -> Listing:
    options = {"is_hidden": lambda name: name.startswith(".")} | options
    return listing(open_folder(folder), path=path, query=Query(query.encode()), **options)


def page_of(folder: Path, query: str = "", path: str = "/", **options: Any) -> Page:
    return Page(b"".join(start(folder, query, path, **options)).decode())


def make(folder: Path, **sizes: int) -> None:
    """Files of these sizes; with -1, a folder."""
    for name, size in sizes.items():
        if size < 0:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(b"x" * size)
