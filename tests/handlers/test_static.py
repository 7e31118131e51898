"""Static: its options, one by one, and from text."""

import os
from pathlib import Path
from typing import Any

import pytest

from handlers.static import IMMUTABLE, Static
from handlers.static.encodings import SUFFIXES
from reactor.plugins import PluginError, load
from reactor.testing import Reply

from .pages import Page
from .sites import BIG, put, root, serving

__all__ = ["root"]  # a fixture

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9"}


def get(root: Path, target: str, headers: Any = (), **options: Any) -> Reply:
    with serving(root, **options) as client:
        return client.get(target, headers)


# Options.


def test_index(root: Path) -> None:
    put(root, {"index.html": "index", "home.htm": "home", "sub/x": "x"})
    assert get(root, "/").text == "index"
    assert get(root, "/", index="home.htm").text == "home"
    assert Page(get(root, "/", index="").text).names == ["sub/", "home.htm", "index.html"]
    assert Page(get(root, "/sub/").text).names == ["../", "x"]
    (root / "sub" / "index.html").mkdir()
    assert Page(get(root, "/sub/").text).names == ["../", "index.html/", "x"]


def test_listing(root: Path) -> None:
    put(root, {"a": "a", "sub/index.html": "index"})
    assert Page(get(root, "/").text).names == ["sub/", "a"]
    assert get(root, "/", listing=False).status == 404
    assert get(root, "/sub/", listing=False).text == "index"
    assert get(root, "/a/").status == 404
    assert get(root, "/sub", listing=False).status == 301


def test_follow(root: Path) -> None:
    put(root, {"a": "a", "sub/b": "b"})
    (root / "to_a").symlink_to("a")
    (root / "to_sub").symlink_to(root / "sub")
    assert [get(root, path).status for path in ("/to_a", "/to_sub/b", "/to_sub/")] == [404] * 3
    assert [get(root, path, follow=True).text for path in ("/to_a", "/to_sub/b")] == ["a", "b"]
    assert Page(get(root, "/", follow=True).text).names == ["sub/", "to_sub/", "a", "to_a"]


def test_dotfiles(root: Path) -> None:
    put(root, {".a": "a"})
    assert get(root, "/.a").status == 404
    assert get(root, "/.a", dotfiles=True).text == "a"
    assert Page(get(root, "/", dotfiles=True).text).names == [".a"]


def test_precompressed(root: Path) -> None:
    put(root, {"a.js": "plain", "a.js.gz": "gzip", "a.js.br": "br", "b.js": "plain"})
    accepted = {"Accept-Encoding": "gzip, br"}
    packed = get(root, "/a.js", accepted)
    assert (packed.text, packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("br", "br", "Accept-Encoding")
    assert packed.headers["Content-Type"] == "text/javascript; charset=utf-8"
    plain = get(root, "/a.js")
    assert (plain.text, plain.headers["Content-Encoding"], plain.headers["Vary"]) == ("plain", None, "Accept-Encoding")
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert get(root, "/a.js", accepted, precompressed=False).headers["Vary"] is None
    assert get(root, "/b.js", accepted).headers["Vary"] is None
    assert get(root, "/a.js", accepted | {"Range": "bytes=1-"}).text == "r"


def test_what_is_older_or_no_file_is_no_sibling(root: Path) -> None:
    put(root, {"a.js": "plain", "a.js.gz": "gzip"})
    os.utime(root / "a.js", (2000, 2000.5))
    os.utime(root / "a.js.gz", (2000, 2000.0))  # tools that set a date set whole seconds
    (root / "a.js.br").mkdir()
    accepted = {"Accept-Encoding": ", ".join(SUFFIXES)}
    assert get(root, "/a.js", accepted).text == "gzip"
    os.utime(root / "a.js.gz", (2000, 1999))
    assert get(root, "/a.js", accepted).text == "plain"


def test_not_found(root: Path) -> None:
    assert (get(root, "/nope").status, get(root, "/nope").text) == (404, "Not Found\n")
    put(root, {"404.html": "<p>gone", "gone.txt": "gone", "big.html": b"x" * BIG, "sub/a": ""})
    own = get(root, "/nope")
    assert (own.status, own.text, own.headers["Content-Type"]) == (404, "<p>gone", "text/html; charset=utf-8")
    assert own.headers["ETag"] is None
    with serving(root) as client:
        head = client.head("/nope")
        assert (head.status, head.body, head.headers["Content-Length"]) == (404, b"", "7")
        conditional = {"If-None-Match": "*", "Range": "bytes=0-0", "If-Match": '"x"'}
        assert client.get("/nope", conditional).text == "<p>gone"
        assert client.get("/nope?download").headers["Content-Disposition"] is None
    assert get(root, "/nope", not_found="gone.txt").headers["Content-Type"] == "text/plain; charset=utf-8"
    assert get(root, "/nope", not_found="big.html").text == "x" * BIG
    for unfit in ("absent.html", "sub", "", "../root/gone.txt"):
        assert (get(root, "/nope", not_found=unfit).status, get(root, "/nope", not_found=unfit).text) == (
            404, "Not Found\n",
        )  # fmt: skip


def test_fallback(root: Path) -> None:
    put(root, {"app.html": "<p>app", "404.html": "<p>gone", "sub/a": ""})
    app = get(root, "/some/page", HTML, fallback="app.html")
    assert (app.status, app.text, app.headers["Content-Type"]) == (200, "<p>app", "text/html; charset=utf-8")
    assert get(root, "/some/page", HTML | {"If-None-Match": app.headers["ETag"]}, fallback="app.html").status == 304
    assert get(root, "/some/page?download", HTML, fallback="app.html").headers["Content-Disposition"] is None
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert get(root, "/some/page", accept, fallback="app.html").text == "<p>gone"
    for unfit in ("absent.html", "sub"):
        assert get(root, "/some/page", HTML, fallback=unfit).text == "<p>gone"
    assert get(root, "/some/page", HTML).status == 404


def test_cache_control_and_immutable(root: Path) -> None:
    put(root, {"a.js": "", "app.3f2a91bc.js": ""})
    cases: list[tuple[str, dict[str, Any], str | None]] = [
        ("/a.js", {}, None),
        ("/a.js", {"cache_control": "no-cache"}, "no-cache"),
        ("/app.3f2a91bc.js", {"cache_control": "no-cache"}, "no-cache"),
        ("/a.js", {"cache_control": "no-cache", "immutable": True}, "no-cache"),
        ("/a.js", {"immutable": True}, None),
        ("/app.3f2a91bc.js", {"cache_control": "no-cache", "immutable": True}, IMMUTABLE),
    ]
    for path, options, expected in cases:
        reply = get(root, path, **options)
        assert reply.headers["Cache-Control"] == expected
        assert get(root, path, {"If-None-Match": "*"}, **options).headers["Cache-Control"] == expected


@pytest.mark.parametrize(
    ("name", "is_hashed"),
    [
        ("app.3f2a91bc.js", True),
        ("main-0123456789abcdef0123.css", True),
        ("index-BxY3k_9a.js", True),
        ("chunk-5T2QKZ7P.js", True),
        ("style_DEADB2EF.css", True),
        ("app.3f2a91bc.js.map", True),
        ("app.3f2a91b.js", False),
        ("jquery-3.7.1.min.js", False),
        ("lib-1.10.0-SNAPSHOT.jar", False),
        ("photo.20240101.jpg", False),
        ("IMG-20240101-WA0001.jpg", False),
        ("my-IMG_20240101.jpg", False),
        ("report-2024-01-01-Final.pdf", False),
        ("resume-JohnDoe2024.pdf", False),
        ("readme-Windows10.txt", False),
        ("readme-a1b2c3d4.txt", False),
        ("the-facade-decadeed.txt", False),
        ("archive.backup-Friday.tar.gz", False),
        ("3f2a91bc.js", False),
        ("app.3f2a91bc", False),
    ],
)
def test_names_with_a_hash_in_them(root: Path, name: str, is_hashed: bool) -> None:
    (root / name).write_bytes(b"")
    assert get(root, f"/{name}", immutable=True).headers["Cache-Control"] == (IMMUTABLE if is_hashed else None)


def test_headers(root: Path) -> None:
    put(root, {"a": "a"})
    with serving(root, headers=("X-Robots-Tag: none", "X-Empty:")) as client:
        for sent, status in [({}, 200), ({"If-None-Match": "*"}, 304), ({"Range": "bytes=0-0"}, 206)]:
            reply = client.get("/a", sent)
            assert (reply.status, reply.headers["X-Robots-Tag"], reply.headers["X-Empty"]) == (status, "none", "")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("headers=X-Robots-Tag", "a header is written 'Name: value', not 'X-Robots-Tag'"),
        ("headers=X Y: z", "a header is a token and a value without CR, LF, NUL or non-Latin-1: 'X Y': 'z'"),
        ("headers=ETag: x", "ETag follows from the file, or has an option of its own"),
        ("headers=Date: now", "a handler does not set Date: it is the server's"),
        ("cache_control=a\nb", "a header is a token and a value without CR, LF, NUL or non-Latin-1"),
        ("cache_contol=no", "Static has no option cache_contol; did you mean cache_control?"),
        ("maxage=1", "it has root, index, listing, follow, dotfiles, precompressed, not_found, fallback"),
        ("index-file=x", "Static has no option index_file; did you mean index?"),
        ("listing=maybe", "option listing:"),
        ("open_files=many", "option open_files: a whole number is wanted"),
        ("upload_limit=-x", "option upload_limit: a whole number is wanted"),
        ("upload_limit=-1", "upload_limit and open_files are 0 or more"),
        ("open_files=-1", "upload_limit and open_files are 0 or more"),
        ("index=a/b", "index is the name of a file in each directory, not 'a/b'"),
    ],
)
def test_wrong_options_name_the_right_ones(root: Path, options: str, line: str) -> None:
    with pytest.raises(PluginError, match=r".") as caught:
        load(f"{root}:{options}")
    assert line in str(caught.value)


def test_every_option_can_be_said_in_text(root: Path) -> None:
    text = (
        "index=a.htm,listing=no,follow=yes,dotfiles=yes,precompressed=no,not-found=n,fallback=f,"
        "cache-control=public\\, max-age=1,immutable=yes,headers=X-A: 1;X-B: 2\\, 3,open-files=2k,upload=yes,"
        "overwrite=yes,upload-limit=1m"
    )
    static: Any = load(f"{root}:{text}")
    static.shutdown()
    expected = Static(root, "a.htm", False, True, True, False, "n", "f", "public, max-age=1", True,
                      ("X-A: 1", "X-B: 2, 3"), 2048, True, True, 1 << 20)  # fmt: skip
    expected.shutdown()
    assert static == expected


def test_uploads_are_asked_for(root: Path) -> None:
    put(root, {"a": "a"})
    with serving(root) as client:
        for method in ("PUT", "POST", "DELETE"):
            reply = client.request(method, "/a", body="b")
            assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    with serving(root, upload=True, upload_limit=3) as client:
        assert client.put("/b", "bbb").status == 201
        assert client.put("/b", "b").status == 409
        assert client.put("/c", "cccc").status == 413
        assert client.get("/b").text == "bbb"
        assert client.request("OPTIONS", "/a").headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT"
        assert client.put("/x%2fb", "b").status == 405
        assert client.get("/x%2fb").status == 404
        assert 'type="file"' in client.get("/").text
        assert "Files uploaded: 2" in client.get("/?uploaded=2").text
        assert "Files uploaded" not in client.get("/?uploaded=<b>").text
    with serving(root, upload=True, overwrite=True) as client:
        assert client.put("/b", "new").status == 204
        assert client.get("/b").text == "new"
    assert "Files uploaded" not in get(root, "/?uploaded=2").text
