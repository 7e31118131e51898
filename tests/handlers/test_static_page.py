"""The page of a listing: whole, for people, and no name gets out of its place in it."""

import os
import re
import stat
from collections import Counter
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static.page import human_size, row

from .pages import Page, make, page_of

ATTRIBUTES = {
    "aria-current", "aria-label", "aria-sort", "charset", "class", "content", "datetime", "enctype", "href", "lang",
    "method", "multiple", "name", "rel", "required", "role", "scope", "title", "type",
}  # fmt: skip

NASTY = [
    b"<script>alert(1)", b"<b>", b"&amp;", b"&", b"&#60;img src=x>", b'"', b"'", b'" onclick="alert(1)', b"]]>", b"-->",
    b"' autofocus '", b"><img src=x onerror=alert(1)>", b"<!--", b"javascript:alert(1)", b"a:b", b"data:text,x", b"?",
    b"http:", b"?sort=size", b"#", b"%", b"%2e%2e", b"%2F", b"%00", b"100%.txt", b"a+b", b"a b", b" ", b"  two  ", b";",
    b"tab\there", b"new\nline", b"\r\n\r\n", b"\x01\x1b[31mred", b"\x7f", b"\xff\xfe", b"latin\xe9", b"\xc0\xaf",
    b"\xed\xa0\x80", b"...", b"..a", b"-rf", b"~", b"*", b"\\", b"..\\..", b"C:\\", b"@", b"{}", b"`", b"$HOME", b"|",
    "photo\u202egpj.exe".encode(), "\u2066x\u2069".encode(), "\u2028".encode(), "\ufeffbom".encode(), b"x" * 255, b"=",
    "grüße".encode(), "gru\u0308\u00dfe".encode(), "日本語".encode(), "😀".encode(), "שלום".encode(),
]  # fmt: skip


# The page.


def test_a_row_for_each_file_and_folder(tmp_path: Path) -> None:
    make(tmp_path, sub=-1, small=512, large=1_468_006)
    os.utime(tmp_path / "small", (0, 1_795_372_245))
    page = page_of(tmp_path)
    assert page.names == ["sub/", "large", "small"]
    assert page.rows[2] == ["small", "small", "512 B", "2026-11-22 18:30"]
    assert [row[0] for row in page.rows] == ["sub/", "large", "small"]
    assert (page.rows[0][2], page.rows[1][2]) == ("", "1.4 MiB")
    assert page.titles == ["1,468,006 bytes", "512 bytes"]
    assert ("time", "datetime", "2026-11-22T18:30Z") in page.attributes
    assert page.texts["footer"] == "1 folder, 2 files, 1.4 MiB"


def test_it_is_a_whole_page_and_fetches_nothing(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    page = page_of(tmp_path, path="/files/", can_upload=True, notice="here")
    for tag in ("html", "head", "title", "style", "body", "h1", "main", "table", "thead", "tbody", "footer", "form"):
        assert page.tags[tag] == 1
    assert ("html", "lang", "en") in page.attributes
    assert ("meta", "charset", "utf-8") in page.attributes
    assert page.texts["title"] == "/files/"
    assert page.tags["script"] == page.tags["img"] == page.tags["iframe"] == 0
    assert {name for _, name, _ in page.attributes} <= ATTRIBUTES  # no style, which the policy would allow, no on…
    assert not re.search(r"url\((?!\"data:)|@import", page.texts["style"])
    assert [name for tag, name, _ in page.attributes if tag == "link" and name == "href"] == ["href"]


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert (page.rows, page.texts["footer"]) == ([], "This folder is empty.")
    page = page_of(tmp_path, path="/below/")
    assert (page.names, page.texts["footer"]) == (["../"], "This folder is empty.")


@pytest.mark.parametrize(
    ("path", "root", "crumbs"),
    [
        ("/", "", [("./", "/")]),
        ("/files/", "/files", [("./", "/files/")]),
        ("/a/", "", [("../", "/"), ("./", "a/")]),
        ("/a/b/", "", [("../../", "/"), ("../", "a/"), ("./", "b/")]),
        ("/my/files/a<b/c:d/", "/my/files", [("../../", "/my/files/"), ("../", "a<b/"), ("./", "c:d/")]),
        ("/\udcff/", "", [("../", "/"), ("./", "\ufffd/")]),
    ],
)
def test_the_path_is_links_to_the_folders_on_it(
    tmp_path: Path, path: str, root: str, crumbs: list[tuple[str, str]]
) -> None:
    page = page_of(tmp_path, path=path, root=root)
    assert page.crumbs == crumbs
    assert page.texts["title"] == path.replace("\udcff", "\ufffd")
    assert [row[0] for row in page.rows] == (["../"] if len(crumbs) > 1 else [])  # nothing leads above the root
    assert ("a", "aria-current", "page") in page.attributes


def test_a_form_where_uploads_are_taken(tmp_path: Path) -> None:
    assert page_of(tmp_path).tags["form"] == 0
    page = page_of(tmp_path, can_upload=True)
    form = {(name, value) for tag, name, value in page.attributes if tag == "form"}
    assert form == {("method", "post"), ("enctype", "multipart/form-data")}
    field = {name: value for tag, name, value in page.attributes if tag == "input"}
    assert field.pop("aria-label")
    assert field == {"type": "file", "name": "file", "multiple": None, "required": None}
    assert page.tags["button"] == 1


def test_a_notice_is_escaped(tmp_path: Path) -> None:
    assert page_of(tmp_path).tags["p"] == 0
    page = page_of(tmp_path, notice='"a<b>" is here')
    assert page.texts["p"] == '"a<b>" is here'
    assert ("p", "role", "status") in page.attributes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_524, "1023.9 KiB"),
        (1_048_525, "1.0 MiB"),  # and not 1024.0 KiB
        (1_468_006, "1.4 MiB"),
        (5 << 30, "5.0 GiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5.0 PiB"),
        ((1 << 63) - 1, "8.0 EiB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1970-01-01 00:00"),
        (-1, "1969-12-31 23:59"),
        (-62135596800, "0001-01-01 00:00"),
        (253402300799, "9999-12-31 23:59"),
        (-62135596801, ""),
        (253402300800, ""),
        (1 << 62, ""),
    ],
)
def test_a_date_that_has_no_year_in_html_is_left_out(seconds: int, shown: str) -> None:
    status = os.stat_result((stat.S_IFREG, 0, 0, 0, 0, 0, 7, seconds, seconds, seconds))
    assert Page(f"<tbody>{row('x', status)}</tbody>").rows == [["x", "x", "7 B", shown]]


def test_a_row_tells_what_it_is(tmp_path: Path) -> None:
    make(tmp_path, **{"sub.zip": -1, "a.png": 1, "b.flac": 1, "c.mp4": 1, "d.tar.gz": 1, "e.txt": 1, "f": 1})
    page = page_of(tmp_path, path="/below/")
    kinds = [value for tag, name, value in page.attributes if (tag, name) == ("tr", "class")]
    assert kinds == ["up", "folder", "image", "media", "media", "archive", "file", "file"]
    for kind in {*kinds} - {"file", None}:
        assert f".{kind} a" in page.texts["style"]


# Names.


def named(href: str) -> bytes:
    """The name that a browser asks for when it follows `href` from a page at http://host/base/."""
    target = urlsplit(urljoin("http://host/base/", href))
    assert (target.scheme, target.netloc, target.query, target.fragment) == ("http", "host", "", "")
    assert target.path.startswith("/base/")
    return unquote_to_bytes(target.path.removeprefix("/base/"))


@pytest.mark.parametrize("is_folder", [False, True])
def test_no_name_gets_out_of_its_place(tmp_path: Path, is_folder: bool) -> None:
    for name in NASTY:
        path = os.path.join(os.fsencode(tmp_path), name)
        if is_folder:
            os.mkdir(path)
        else:
            open(path, "xb").close()
    page = page_of(tmp_path, is_hidden=lambda name: False)
    slash = b"/" if is_folder else b""
    assert sorted(named(href) for href, *_ in page.rows) == sorted(name + slash for name in NASTY)
    (tmp_path / "plain").mkdir()
    tags = page_of(tmp_path / "plain").tags
    count = len(NASTY)
    tags += Counter({"tr": count, "th": count, "a": count, "bdi": count, "td": 2 * count, "time": count})
    tags["span"] += 0 if is_folder else count
    assert page.tags == +tags
    assert {name for _, name, _ in page.attributes} <= ATTRIBUTES


@given(st.binary(min_size=1, max_size=255).filter(lambda name: re.fullmatch(rb"[^/\0]+", name) and name.strip(b".")))
def test_any_name_is_linked_to_and_shown(name: bytes) -> None:
    status = os.stat_result((stat.S_IFREG, *[0] * 9))
    page = Page(f"<tbody>{row(os.fsdecode(name), status)}</tbody>")
    ((href, text, *_),) = page.rows
    assert named(href) == name
    text.encode()  # no surrogates are left
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert page.tags == {"tbody": 1, "tr": 1, "th": 1, "a": 1, "bdi": 1, "td": 2, "span": 1, "time": 1}


def test_what_cannot_be_shown_is_a_mark(tmp_path: Path) -> None:
    for name in (b"latin\xe9", "photo\u202egpj.exe".encode(), b"two\nlines", "fine ä".encode()):
        open(os.path.join(os.fsencode(tmp_path), name), "xb").close()
    assert sorted(page_of(tmp_path).names) == ["fine ä", "latin\ufffd", "photo\ufffdgpj.exe", "two\ufffdlines"]
