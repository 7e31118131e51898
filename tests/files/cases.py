"""What is asked of a site, and what must come: requests and answers as data, by RFC 9110 and by what Static promises.

In what is sent and in what must come, `{a.txt}` stands for the entity-tag of that file, and `{page.css br}` for that
of one of its encodings; they are asked for when the site is up, so nothing here knows how a tag is made.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# --- the site

NOISE = random.Random(1).randbytes(100_000)
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
HOME = b"<!doctype html><title>Home</title>"
NOT_THERE = b"<!doctype html><title>There is no such page</title>"
CSS = b"body { margin: 0 }\n" * 50

# The files, by path; a path with b"\xe9" in it is no UTF-8.
FILES: dict[bytes, bytes] = {
    b"index.html": HOME, b"404.html": NOT_THERE, b"a.txt": LETTERS, b"big.bin": NOISE, b"empty.txt": b"",
    b"page.css": CSS, b"page.css.br": b"page.css as br", b"page.css.gz": b"page.css as gzip",
    b"page.css.zst": b"page.css as zstd", b"404.html.br": b"404.html as br", b"sub/index.html.gz": b"index as gzip",
    b"dir.js": b"dir()", b"dir.js.gz/x": b"no file", b"safe.js": b"safe()", b"pipe.js": b"pipe()",
    b"app.3f2a91bc.js": b"hashed()",
    b"app.js": b"app()", b"app.js.gz": b"app.js as gzip", b"old.js": b"old()", b"old.js.gz": b"older than old.js",
    b"sub/index.html": b"<title>Sub</title>", b"sub/deep/file.txt": b"deep", b"list/one.txt": b"one",
    b"list/two.txt": b"two", b"list/.hidden": b"hidden", b"with space/x.txt": b"x",
    b".hidden": b"hidden", b".git/config": b"hidden", b".well-known/security.txt": b"Contact: mailto:a@example.com\n",
    b"data.json": b"{}", b"tiny.svg": b"<svg/>", b"pixel.png": b"\x89PNG", b"mod.wasm": b"\0asm", b"v1.tar.gz": b"gz",
    b"unknown.qqq": b"?", b"with space.txt": b"space", "ümlaut.txt".encode(): b"uml", b"caf\xe9.txt": b"latin",
    b"100%.txt": b"percent", b"%2e%2e": b"dots, encoded", b"back\\slash.txt": b"backslash", b"a+b.txt": b"plus",
    b"q?.txt": b"question", b"#1.txt": b"hash", b"semi;colon.txt": b"semicolon", b"a:b.txt": b"colon",
    b"quo'te\".txt": b"quotes", b"new\nline.txt": b"newline", b"a&b.txt": b"and", b"A.TXT": b"capitals",
    b"trailing ": b"trailing space", b"trailing.": b"trailing dot",
}  # fmt: skip
OLDER = b"old.js.gz"
LINKS = {b"link.txt": b"a.txt", b"link-dir": b"sub", b"link-out.txt": b"../secret.txt", b"link-up": b"..",
         b"safe.js.gz": b"../secret.txt"}  # fmt: skip
PIPES = (b"fifo", b"pipe.js.gz")
SECRET = b"the secret beside the site"

MODIFIED = 784_111_777  # of all files: the second of RFC 9110's examples
IMF, RFC850, ASCTIME = "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
BEFORE, AFTER = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
TO_COME = "Fri, 01 Jan 2999 00:00:00 GMT"

# Options of Static, by the name of a site; all serve the same folder.
SITES: dict[str, dict[str, Any]] = {
    "plain": {"listing": False},
    "listing": {"listing": True},
    "open": {"listing": False, "dotfiles": True, "follow": True},
    "bare": {"listing": False, "precompressed": False, "index": "", "not_found": ""},
    "app": {"listing": False, "fallback": "index.html"},
    "cached": {"listing": False, "cache_control": "max-age=60", "immutable": True},
    "more": {"listing": False, "headers": ("X-Robots-Tag: none", "X-More:  more ")},
}


# --- the table


class Parts(NamedTuple):
    """A body that is multipart/byteranges: these spans (first byte, and behind the last) of a file of a type."""

    spans: tuple[tuple[int, int], ...]
    file: bytes = b"big.bin"
    kind: str = "application/octet-stream"


class Case(NamedTuple):
    """`told`: fields of the answer, with what they say; ANY: something; None: not there. `body` None: not looked at."""

    name: str
    method: str
    target: str
    status: int
    sent: Mapping[str, str] = {}
    told: Mapping[str, str | None] = {}
    body: bytes | Parts | None = None
    site: str = "plain"


ANY = "(any)"
PLAIN_TEXT, HTML, JAVASCRIPT = "text/plain; charset=utf-8", "text/html; charset=utf-8", "text/javascript; charset=utf-8"
WHOLE = {
    "Accept-Ranges": "bytes", "Content-Length": "26", "ETag": "{a.txt}", "Last-Modified": IMF, "Content-Range": None,
}  # fmt: skip
KNOWN = {"ETag": "{a.txt}", "Content-Length": None, "Content-Type": None, "Content-Range": None}
FAILED = {"Content-Range": None, "Accept-Ranges": None}
ALLOW = {"Allow": "GET, HEAD, OPTIONS"}
VARY = "Accept-Encoding"


def get(name: str, target: str, status: int, sent: Mapping[str, str], told: Mapping[str, str | None] = {},
        body: bytes | Parts | None = None, site: str = "plain") -> Case:  # fmt: skip
    return Case(name, "GET", target, status, sent, told, body, site)


# --- conditions: RFC 9110 13

_OWN, _OTHER, _WEAK = "{a.txt}", '"another"', "W/{a.txt}"
_200, _304, _412 = (200, WHOLE, LETTERS), (304, KNOWN, b""), (412, FAILED, None)
_CONDITIONS: dict[str, tuple[dict[str, str], tuple[int, Mapping[str, str | None], bytes | None]]] = {
    "If-Match: its tag": ({"If-Match": _OWN}, _200),
    "If-Match: another tag": ({"If-Match": _OTHER}, _412),
    "If-Match: its tag, but weak": ({"If-Match": _WEAK}, _412),
    "If-Match: *": ({"If-Match": "*"}, _200),
    "If-Match: its tag in a list": ({"If-Match": f'"x,y", {_OWN} ,"z"'}, _200),
    "If-Match: others in a list": ({"If-Match": '"x", "y"'}, _412),
    "If-Match: empty elements": ({"If-Match": f" , ,{_OWN},,"}, _200),
    "If-Match: no tag at all": ({"If-Match": "nonsense"}, _412),
    "If-Match: a tag without quotes at its end": ({"If-Match": '"x'}, _412),
    "If-Match: * in a list": ({"If-Match": f"*, {_OWN}"}, _412),
    "If-Match: empty": ({"If-Match": ""}, _412),
    "If-None-Match: its tag": ({"If-None-Match": _OWN}, _304),
    "If-None-Match: its tag, but weak": ({"If-None-Match": _WEAK}, _304),
    "If-None-Match: another tag": ({"If-None-Match": _OTHER}, _200),
    "If-None-Match: *": ({"If-None-Match": "*"}, _304),
    "If-None-Match: its tag in a list": ({"If-None-Match": f'"x", {_OWN}'}, _304),
    "If-None-Match: its tag in a list without spaces": ({"If-None-Match": f'"x,y",{_OWN},"z"'}, _304),
    "If-None-Match: no tag at all": ({"If-None-Match": "nonsense"}, _200),
    "If-None-Match: a small w": ({"If-None-Match": "w/{a.txt}"}, _200),
    "If-None-Match: empty": ({"If-None-Match": ""}, _200),
    "If-None-Match: the tag of another file": ({"If-None-Match": "{big.bin}"}, _200),
    "If-Modified-Since: its date": ({"If-Modified-Since": IMF}, _304),
    "If-Modified-Since: its date, RFC 850": ({"If-Modified-Since": RFC850}, _304),
    "If-Modified-Since: its date, asctime": ({"If-Modified-Since": ASCTIME}, _304),
    "If-Modified-Since: a second later": ({"If-Modified-Since": AFTER}, _304),
    "If-Modified-Since: a second before": ({"If-Modified-Since": BEFORE}, _200),
    "If-Modified-Since: a date to come": ({"If-Modified-Since": TO_COME}, _304),
    "If-Modified-Since: no GMT": ({"If-Modified-Since": IMF.removesuffix(" GMT")}, _200),
    "If-Modified-Since: another zone": ({"If-Modified-Since": IMF.replace("GMT", "+0000")}, _200),
    "If-Modified-Since: small letters": ({"If-Modified-Since": IMF.lower()}, _200),
    "If-Modified-Since: a length behind it": ({"If-Modified-Since": f"{IMF}; length=26"}, _200),
    "If-Modified-Since: 30 February": ({"If-Modified-Since": "Wed, 30 Feb 2000 00:00:00 GMT"}, _200),
    "If-Modified-Since: hour 25": ({"If-Modified-Since": "Tue, 29 Feb 2000 25:00:00 GMT"}, _200),
    "If-Modified-Since: a number": ({"If-Modified-Since": "784111777"}, _200),
    "If-Modified-Since: a day of one digit": ({"If-Modified-Since": "Sun, 6 Nov 1994 08:49:37 GMT"}, _200),
    "If-Modified-Since: ISO 8601": ({"If-Modified-Since": "1994-11-06T08:49:37Z"}, _200),
    "If-Modified-Since: empty": ({"If-Modified-Since": ""}, _200),
    "If-Unmodified-Since: its date": ({"If-Unmodified-Since": IMF}, _200),
    "If-Unmodified-Since: its date, RFC 850": ({"If-Unmodified-Since": RFC850}, _200),
    "If-Unmodified-Since: its date, asctime": ({"If-Unmodified-Since": ASCTIME}, _200),
    "If-Unmodified-Since: a second before": ({"If-Unmodified-Since": BEFORE}, _412),
    "If-Unmodified-Since: a date to come": ({"If-Unmodified-Since": TO_COME}, _200),
    "If-Unmodified-Since: no date": ({"If-Unmodified-Since": "yesterday"}, _200),
    "precedence: If-Match holds, If-Unmodified-Since is not looked at":
        ({"If-Match": _OWN, "If-Unmodified-Since": BEFORE}, _200),
    "precedence: If-Match fails, If-Unmodified-Since is not looked at":
        ({"If-Match": _OTHER, "If-Unmodified-Since": AFTER}, _412),
    "precedence: If-None-Match differs, If-Modified-Since is not looked at":
        ({"If-None-Match": _OTHER, "If-Modified-Since": AFTER}, _200),
    "precedence: If-None-Match is the same, If-Modified-Since is not looked at":
        ({"If-None-Match": _OWN, "If-Modified-Since": BEFORE}, _304),
    "precedence: If-Match fails before If-None-Match": ({"If-Match": _OTHER, "If-None-Match": _OWN}, _412),
    "precedence: If-Match holds, then If-None-Match": ({"If-Match": _OWN, "If-None-Match": _OWN}, _304),
    "precedence: If-Unmodified-Since fails before If-None-Match":
        ({"If-Unmodified-Since": BEFORE, "If-None-Match": _OWN}, _412),
    "precedence: If-Unmodified-Since holds, then If-Modified-Since":
        ({"If-Unmodified-Since": AFTER, "If-Modified-Since": AFTER}, _304),
    "precedence: If-Match holds, then If-Modified-Since": ({"If-Match": "*", "If-Modified-Since": IMF}, _304),
    "precedence: all of them hold":
        ({"If-Match": _OWN, "If-Unmodified-Since": AFTER, "If-None-Match": _OTHER, "If-Modified-Since": BEFORE}, _200),
}  # fmt: skip


def conditions() -> Iterator[Case]:
    for name, (sent, (status, told, body)) in _CONDITIONS.items():
        yield get(name, "/a.txt", status, sent, told, body)
        yield Case(f"{name} (HEAD)", "HEAD", "/a.txt", status, sent, told, b"")


# --- ranges: RFC 9110 14


def _spans(first: int, last: int, size: int = len(NOISE)) -> dict[str, str | None]:
    return {"Content-Range": f"bytes {first}-{last}/{size}", "Content-Length": str(last - first + 1),
            "Accept-Ranges": "bytes", "ETag": ANY, "Last-Modified": IMF}  # fmt: skip


_BIG = {"Content-Range": None, "Content-Length": "100000", "Accept-Ranges": "bytes", "ETag": "{big.bin}"}
_NONE_OF_BIG = {"Content-Range": "bytes */100000"}
_MANY = {"Content-Type": ANY, "Content-Range": None, "Accept-Ranges": "bytes", "ETag": "{big.bin}"}

_ONE: dict[str, tuple[int, int]] = {  # one part: what is asked for, and the first and last byte that must come
    "0-0": (0, 0), "0-99": (0, 99), "50000-50099": (50_000, 50_099), "99999-99999": (99_999, 99_999),
    "99000-": (99_000, 99_999), "0-": (0, 99_999), "-1": (99_999, 99_999), "-500": (99_500, 99_999),
    "0-99999": (0, 99_999), "0-100000": (0, 99_999), "99990-200000": (99_990, 99_999), "-100000": (0, 99_999),
    "-999999": (0, 99_999), "10-999999999999999999999999999999": (10, 99_999), "007-0010": (7, 10),
    "0-9,10-19": (0, 19), "0-9,5-19": (0, 19), "0-9,0-9": (0, 9), "0-9,200000-": (0, 9), "200000-,0-9": (0, 9),
    "0-9, 60-69": (0, 69), " ,0-9,, ": (0, 9), ",".join(f"{n}-{n}" for n in range(20)): (0, 19),
}  # fmt: skip
_SEVERAL: dict[str, tuple[tuple[int, int], ...]] = {
    "0-99,50000-50099": ((0, 100), (50_000, 50_100)),
    "50000-50099,0-99": ((50_000, 50_100), (0, 100)),
    "0-99,-100": ((0, 100), (99_900, 100_000)),
    "0-0,500-500,1000-1000": ((0, 1), (500, 501), (1000, 1001)),
    "0-99 , 200-299\t,\t90000-": ((0, 100), (200, 300), (90_000, 100_000)),
    "0-99,50000-50099,200000-": ((0, 100), (50_000, 50_100)),
    "0-9,5-99,50000-50009,50005-50099": ((0, 100), (50_000, 50_100)),
    ",".join(f"{n}-{n + 9}" for n in range(0, 16_000, 1000)): tuple((n, n + 10) for n in range(0, 16_000, 1000)),
}
_UNSATISFIABLE = ("100000-", "100000-100001", "999999999999999999999-", "-0", "100000-,200000-",
                  ",".join(f"{n}-{n}" for n in range(0, 17_000, 1000)), "0-,0-,0-,0-")  # fmt: skip
_MALFORMED = ("", "-", "a-b", "9-0", "0-9,9-0", "0-9;1-2", "0 - 9", "0-9-10", "--5", "+0-9", "0x0-0x9", "0-9,a",
              "1.0-2", "0", "\u00b2-9", "0-" + "9" * 2000)  # fmt: skip
_RANGE = {"Range": "bytes=0-9"}
_FIRST = (206, _spans(0, 9, 26), LETTERS[:10])
_RANGED: dict[str, tuple[dict[str, str], tuple[int, Mapping[str, str | None], bytes | None]]] = {
    "If-Range: its tag": ({"If-Range": _OWN}, _FIRST),
    "If-Range: another tag": ({"If-Range": _OTHER}, _200),
    "If-Range: its tag, but weak": ({"If-Range": _WEAK}, _200),
    "If-Range: its date": ({"If-Range": IMF}, _FIRST),
    "If-Range: its date, RFC 850": ({"If-Range": RFC850}, _FIRST),
    "If-Range: a later date": ({"If-Range": AFTER}, _200),
    "If-Range: an earlier date": ({"If-Range": BEFORE}, _200),
    "If-Range: nonsense": ({"If-Range": "nonsense"}, _200),
    "If-Range: *": ({"If-Range": "*"}, _200),
    "If-None-Match wins over a range": ({"If-None-Match": _OWN}, _304),
    "If-Modified-Since wins over a range": ({"If-Modified-Since": IMF}, _304),
    "If-Match wins over a range": ({"If-Match": _OTHER}, _412),
    "If-Unmodified-Since wins over a range": ({"If-Unmodified-Since": BEFORE}, _412),
    "If-Match holds, then the range": ({"If-Match": _OWN}, _FIRST),
    "If-Unmodified-Since holds, then the range": ({"If-Unmodified-Since": IMF}, _FIRST),
    "If-None-Match differs, then the range": ({"If-None-Match": _OTHER}, _FIRST),
    "If-Match and If-Range hold": ({"If-Match": _OWN, "If-Range": _OWN}, _FIRST),
    "If-Match holds, If-Range does not": ({"If-Match": _OWN, "If-Range": _OTHER}, _200),
    "If-None-Match and If-Range, both its tag": ({"If-None-Match": _OWN, "If-Range": _OWN}, _304),
}


def _short(text: str) -> str:
    return text if len(text) < 40 else f"{text[:30]}… ({len(text)})"


def ranges() -> Iterator[Case]:
    for value, (first, last) in _ONE.items():
        sent = {"Range": f"bytes={value}"}
        yield get(f"Range: {_short(value)}", "/big.bin", 206, sent, _spans(first, last), NOISE[first : last + 1])
        yield Case(f"Range: {_short(value)} (HEAD)", "HEAD", "/big.bin", 200, sent, _BIG, b"")
    for value, spans in _SEVERAL.items():
        yield get(f"ranges: {_short(value)}", "/big.bin", 206, {"Range": f"bytes={value}"}, _MANY, Parts(spans))
    yield get("ranges of a small file", "/page.css", 206, {"Range": "bytes=0-9,500-509"}, {"Vary": VARY},
              Parts(((0, 10), (500, 510)), b"page.css", "text/css; charset=utf-8"))  # fmt: skip
    for value in _UNSATISFIABLE:
        yield get(f"no such range: {_short(value)}", "/big.bin", 416, {"Range": f"bytes={value}"}, _NONE_OF_BIG)
    for value in _MALFORMED:
        yield get(f"no range: {_short(value)!r}", "/big.bin", 200, {"Range": f"bytes={value}"}, _BIG, NOISE)
    for value in ("items=0-9", "bytes", "bytes 0-9", "=0-9", "bytes:0-9", "seconds=1-2"):
        yield get(f"no range of bytes: {value}", "/big.bin", 200, {"Range": value}, _BIG, NOISE)
    yield get("BYTES=0-9", "/big.bin", 206, {"Range": "BYTES=0-9"}, _spans(0, 9), NOISE[:10])
    for value in ("0-", "0-0", "5-", "-5", "-0"):  # there are no parts of nothing: RFC 9110 14.2 lets us ignore it
        nothing = {"Content-Range": None, "Content-Length": "0"}
        yield get(f"Range: {value} of nothing", "/empty.txt", 200, {"Range": f"bytes={value}"}, nothing, b"")
    for name, (sent, (status, told, body)) in _RANGED.items():
        yield get(f"with a range: {name}", "/a.txt", status, {**_RANGE, **sent}, told, body)
    yield get("a range and If-Range, neither", "/a.txt", 200, {"If-Range": _OWN}, WHOLE, LETTERS)
    yield get("no such range, and If-Range does not hold", "/a.txt", 200,
              {"Range": "bytes=99-", "If-Range": _OTHER}, WHOLE, LETTERS)  # fmt: skip
    yield get("a range of a folder's index", "/", 206, {"Range": "bytes=0-3"}, _spans(0, 3, len(HOME)), HOME[:4])
    yield get("a range of a listing", "/list/", 200, _RANGE, {"Content-Range": None}, site="listing")
    yield get("a range of what is not there", "/nope", 404, _RANGE, {"Content-Range": None}, NOT_THERE)
    yield get("a range that what is not there has not, either", "/nope", 404, {"Range": "bytes=999-"}, {}, NOT_THERE)
    yield get("a range of a redirect", "/sub", 301, _RANGE, {"Content-Range": None})


# --- encodings: RFC 9110 12.5.3

_CODINGS: dict[str, str] = {  # Accept-Encoding, and what comes of page.css, which has them all
    "br": "br", "gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "br", "gzip, zstd": "zstd", "GZIP": "gzip",
    "x-gzip": "gzip", "gzip;q=1, br;q=0.5": "gzip", "br;q=0, zstd;q=0, gzip": "gzip", "*": "br", "br;q=0, *": "zstd",
    "gzip;q=0.001": "gzip", "gzip ; q=0.5 , br ; q=0.4": "gzip", "*;q=0.1": "br", "identity;q=0, gzip;q=0.5": "gzip",
    "identity": "", "": "", "deflate": "", "compress, deflate": "", "br;q=0": "",
    "gzip;q=0.0, br;q=0.000, zstd;q=0": "", "identity, gzip;q=0.5": "", "nonsense nonsense": "", "*;q=0": "",
    "identity;q=0": "",
}  # fmt: skip
_BODIES = {"br": FILES[b"page.css.br"], "gzip": FILES[b"page.css.gz"], "zstd": FILES[b"page.css.zst"], "": CSS}


def _tag(coding: str) -> str:
    return f"{{page.css {coding}}}" if coding else "{page.css}"


def _encoded(coding: str) -> dict[str, str | None]:
    return {"Content-Encoding": coding or None, "Vary": VARY, "Content-Type": "text/css; charset=utf-8",
            "ETag": _tag(coding), "Content-Length": str(len(_BODIES[coding]))}  # fmt: skip


def encodings() -> Iterator[Case]:
    for value, coding in _CODINGS.items():
        sent = {"Accept-Encoding": value}
        yield get(f"Accept-Encoding: {value}", "/page.css", 200, sent, _encoded(coding), _BODIES[coding])
    yield get("no Accept-Encoding", "/page.css", 200, {}, _encoded(""), CSS)
    own = {"Vary": None, "Content-Encoding": None}
    br, gzip = {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip"}
    yield Case("HEAD of an encoding", "HEAD", "/page.css", 200, br, _encoded("br"), b"")
    yield get("a file that has none", "/a.txt", 200, br, own, LETTERS)
    yield get("a file that has another", "/app.js", 200, br, {"Vary": VARY, "Content-Encoding": None}, b"app()")
    yield get("a file that has this one", "/app.js", 200, gzip, {"Vary": VARY, "Content-Encoding": "gzip",
              "Content-Type": JAVASCRIPT}, b"app.js as gzip")  # fmt: skip
    yield get("one that is older than the file", "/old.js", 200, gzip, {"Content-Encoding": None}, b"old()")
    yield get("an encoding asked for by its name", "/page.css.gz", 200, gzip, {"Content-Encoding": None,
              "Content-Type": "application/gzip"}, b"page.css as gzip")  # fmt: skip
    for file, body in {"/dir.js": b"dir()", "/safe.js": b"safe()", "/pipe.js": b"pipe()"}.items():
        yield get(f"what is beside {file} is no file", file, 200, gzip, own, body)
    yield get("a link beside a file leads outside", "/safe.js", 200, gzip, own, b"safe()", "open")
    yield get("a folder's index, encoded", "/sub/", 200, gzip, {"Vary": VARY, "Content-Encoding": "gzip",
              "Content-Type": HTML}, b"index as gzip")  # fmt: skip
    yield get("the page of what is not there is sent as it is", "/nope", 404, br, {"Content-Encoding": None}, NOT_THERE)
    yield get("precompressed is off", "/page.css", 200, br, own, CSS, "bare")
    for coding in ("br", ""):
        tag, sent = _tag(coding), {"Accept-Encoding": coding}
        told = {"ETag": tag, "Vary": VARY, "Content-Length": None, "Content-Type": None}
        of = coding or "the file itself"
        yield get(f"If-None-Match: its tag, of {of}", "/page.css", 304, {**sent, "If-None-Match": tag}, told, b"")
        yield get(f"If-Match: its tag, of {of}", "/page.css", 200, {**sent, "If-Match": tag}, _encoded(coding))
        body = _BODIES[coding][:4]
        part = {**_encoded(coding), "Content-Range": f"bytes 0-3/{len(_BODIES[coding])}", "Content-Length": "4"}
        yield get(f"a range of {of}", "/page.css", 206, {**sent, "Range": "bytes=0-3"}, part, body)
        yield get(f"a range and If-Range of {of}", "/page.css", 206,
                  {**sent, "Range": "bytes=0-3", "If-Range": tag}, part, body)  # fmt: skip
    yield get("If-None-Match: the tag of another encoding", "/page.css", 200,
              {**br, "If-None-Match": "{page.css}"}, _encoded("br"), _BODIES["br"])  # fmt: skip
    yield get("If-Range: the tag of another encoding", "/page.css", 200,
              {**br, "Range": "bytes=0-3", "If-Range": "{page.css gzip}"}, _encoded("br"), _BODIES["br"])  # fmt: skip
    yield get("If-Match: the tag of another encoding", "/page.css", 412, {**br, "If-Match": "{page.css gzip}"})
    yield get("a range that only the file itself has", "/page.css", 416, {**br, "Range": "bytes=100-"},
              {"Content-Range": f"bytes */{len(_BODIES['br'])}"})  # fmt: skip


# --- methods


def methods() -> Iterator[Case]:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "X-ANY"):
        yield Case(f"{method} of a file", method, "/a.txt", 405, {}, ALLOW)
    for method in ("POST", "PUT", "DELETE"):
        yield Case(f"{method} of a folder", method, "/sub/", 405, {}, ALLOW)
    yield Case("OPTIONS of a file", "OPTIONS", "/a.txt", 204, {}, {**ALLOW, "Content-Length": None}, b"")
    yield Case("OPTIONS of a folder", "OPTIONS", "/sub/", 204, {}, ALLOW, b"")
    yield Case("OPTIONS of the server", "OPTIONS", "*", 204, {}, ALLOW, b"")
    yield Case("OPTIONS with a condition", "OPTIONS", "/a.txt", 204, {"If-Match": _OTHER}, ALLOW, b"")
    yield Case("HEAD of a file", "HEAD", "/a.txt", 200, {}, WHOLE, b"")
    yield Case("HEAD of a folder's index", "HEAD", "/", 200, {}, {"Content-Length": str(len(HOME))}, b"")
    yield Case("HEAD of a redirect", "HEAD", "/sub", 301, {}, {"Location": "/sub/"}, b"")
    yield Case("HEAD of what is not there", "HEAD", "/nope", 404, {}, {"Content-Length": str(len(NOT_THERE))}, b"")
    yield Case("HEAD of nothing", "HEAD", "/empty.txt", 200, {}, {"Content-Length": "0"}, b"")
    yield Case("HEAD of a listing", "HEAD", "/list/", 200, {}, {"Content-Type": HTML}, b"", "listing")
    yield get("GET with a body's fields, but none", "/a.txt", 200, {"Content-Length": "0"}, WHOLE, LETTERS)


# --- paths

_NAMES: dict[str, bytes] = {  # as sent -> as on the disk
    "/with%20space.txt": b"with space.txt", "/%C3%BCmlaut.txt": "ümlaut.txt".encode(), "/caf%E9.txt": b"caf\xe9.txt",
    "/%c3%bcmlaut.txt": "ümlaut.txt".encode(), "/100%25.txt": b"100%.txt", "/%252e%252e": b"%2e%2e",
    "/back%5Cslash.txt": b"back\\slash.txt", "/a+b.txt": b"a+b.txt", "/a%2Bb.txt": b"a+b.txt", "/q%3F.txt": b"q?.txt",
    "/%231.txt": b"#1.txt", "/semi;colon.txt": b"semi;colon.txt", "/semi%3Bcolon.txt": b"semi;colon.txt",
    "/a:b.txt": b"a:b.txt", "/quo'te%22.txt": b"quo'te\".txt", "/new%0Aline.txt": b"new\nline.txt",
    "/a&b.txt": b"a&b.txt", "/A.TXT": b"A.TXT", "/trailing%20": b"trailing ", "/trailing.": b"trailing.",
    "/%61.txt": b"a.txt", "/a%2Etxt": b"a.txt", "/%61%2e%74%78%74": b"a.txt", "/a.txt?": b"a.txt",
    "/a.txt?x=1&y": b"a.txt", "/a.txt?/../../secret.txt": b"a.txt", "/a.txt?to=%2Fsub%2f": b"a.txt",
    "/sub/deep/file.txt": b"sub/deep/file.txt", "/./a.txt": b"a.txt", "/sub/././deep/./file.txt": b"sub/deep/file.txt",
    "/./": b"index.html", "/%2e/a.txt": b"a.txt",
    "/with%20space/x.txt": b"with space/x.txt", "http://any.example/a.txt": b"a.txt",
    "http://any.example:81/a.txt?x": b"a.txt",
    "/.well-known/security.txt": b".well-known/security.txt", "/404.html": b"404.html", "/index.html": b"index.html",
    "/sub/": b"sub/index.html", "/": b"index.html", "/?x": b"index.html", "http://any.example": b"index.html",
}  # fmt: skip
_MISSING = (
    "/nope", "/nope/", "/sub/nope", "/a.txt/", "/a.txt/x", "/a.txt/index.html", "//a.txt", "/sub//deep/file.txt",
    "//", "/sub//", "/sub/../a.txt", "/.", "/..", "/%2e", "/%2e%2e/",
    "/sub%2Findex.html", "/sub%2F", "/%2Fa.txt", "/a.txt%2F", "/a.txt%00", "/%00", "/a.txt%00.html", "/a.TXT",
    "/.hidden", "/.git/config", "/.git", "/.git/", "/list/.hidden", "/%2Ehidden", "/link.txt", "/link-dir/index.html",
    "/link-dir", "/link-out.txt", "/link-up", "/link-up/secret.txt", "/fifo", "/socket", "/a.txt%20", "/a.txt.",
    "/%C3%A9.txt", "/caf%C3%A9.txt", "/back/slash.txt", "/a%09b.txt", "/" + "x" * 300, "/" + "x/" * 300, "/a.txt;v=1",
    "/*",
)  # fmt: skip
_TYPES = {
    "/a.txt": PLAIN_TEXT, "/": HTML, "/app.js": JAVASCRIPT, "/page.css": "text/css; charset=utf-8",
    "/data.json": "application/json", "/pixel.png": "image/png", "/mod.wasm": "application/wasm",
    "/v1.tar.gz": "application/gzip", "/unknown.qqq": "application/octet-stream", "/A.TXT": PLAIN_TEXT,
}  # fmt: skip


def paths() -> Iterator[Case]:
    for target, name in _NAMES.items():
        yield get(f"the file at {target}", target, 200, {}, {"Accept-Ranges": "bytes"}, FILES[name])
    for target in _MISSING:
        yield get(f"nothing at {_short(target)}", target, 404, {}, {"Content-Type": HTML}, NOT_THERE)
    for target, kind in _TYPES.items():
        yield get(f"the type of {target}", target, 200, {}, {"Content-Type": kind})
    for target, location in {
        "/sub": "/sub/", "/sub?": "/sub/?", "/sub?x=1&y=%20": "/sub/?x=1&y=%20", "/sub/deep": "/sub/deep/",
        "/with%20space": "/with%20space/", "http://any.example/sub": "/sub/", "/s%75b": "/sub/",
        "/list": "/list/",
    }.items():  # fmt: skip
        yield get(f"the folder at {target}", target, 301, {}, {"Location": location}, site="listing")
    yield get("a listing", "/list/", 200, {}, {"Content-Type": HTML, "Accept-Ranges": None}, site="listing")
    yield get("a folder with an index has no listing", "/sub/", 200, {}, {}, b"<title>Sub</title>", "listing")
    yield get("the root has one name", "//", 404, {}, {}, NOT_THERE, "listing")
    yield get("and so have folders", "/list//", 404, {}, {}, NOT_THERE, "listing")
    yield get("no listing", "/list/", 404, {}, {}, NOT_THERE)
    yield get("an empty file", "/empty.txt", 200, {}, {"Content-Length": "0", "ETag": ANY}, b"")
    yield get("a link is followed", "/link.txt", 200, {}, {}, LETTERS, "open")
    yield get("a link to a folder is followed", "/link-dir/index.html", 200, {}, {}, b"<title>Sub</title>", "open")
    yield get("a link that leads outside is not", "/link-out.txt", 404, {}, {}, NOT_THERE, "open")
    yield get("nor one to the folder above", "/link-up/secret.txt", 404, {}, {}, NOT_THERE, "open")
    yield get("hidden files are shown", "/.git/config", 200, {}, {}, b"hidden", "open")
    yield get("no index", "/sub/", 404, {}, {}, None, "bare")
    yield get("no page of its own for what is missing", "/nope", 404, {}, {"Content-Type": PLAIN_TEXT}, None, "bare")
    yield get("the page of an app", "/any/route", 200, {"Accept": "text/html"}, {"Content-Type": HTML}, HOME, "app")
    yield get("an app has no page for what is no page", "/nope.js", 404, {"Accept": "*/*"}, {}, NOT_THERE, "app")
    yield get("a file of an app", "/a.txt", 200, {}, {}, LETTERS, "app")
    yield get("Cache-Control", "/a.txt", 200, {}, {"Cache-Control": "max-age=60"}, LETTERS, "cached")
    yield get("Cache-Control of a 304", "/a.txt", 304, {"If-None-Match": _OWN}, {"Cache-Control": "max-age=60"}, b"",
              "cached")  # fmt: skip
    yield get("Cache-Control of a 206", "/a.txt", 206, _RANGE, {"Cache-Control": "max-age=60"}, LETTERS[:10], "cached")
    yield get("a name with a hash in it", "/app.3f2a91bc.js", 200, {},
              {"Cache-Control": "public, max-age=31536000, immutable"}, b"hashed()", "cached")  # fmt: skip
    yield get("a name with a hash in it, but no option", "/app.3f2a91bc.js", 200, {}, {"Cache-Control": None})
    more = {"X-Robots-Tag": "none", "X-More": "more"}
    yield get("other fields", "/a.txt", 200, {}, more, LETTERS, "more")
    yield get("other fields of a part", "/a.txt", 206, _RANGE, more, LETTERS[:10], "more")
    yield get("to be saved", "/a.txt?download", 200, {}, {"Content-Disposition": ANY}, LETTERS)
    yield get("a part to be saved", "/a.txt?download", 206, _RANGE, {"Content-Disposition": ANY}, LETTERS[:10])
    yield get("not to be saved", "/a.txt?x", 200, {}, {"Content-Disposition": None}, LETTERS)
    for field, value in {"If-Match": _OTHER, "If-None-Match": "{404.html}", "If-Modified-Since": IMF,
                         "If-Unmodified-Since": BEFORE}.items():  # fmt: skip
        yield get(f"{field} on what is not there", "/nope", 404, {field: value}, {}, NOT_THERE)
    yield get("a condition on what is not there", "/nope", 404, {"If-None-Match": "*"}, {}, NOT_THERE)
    yield get("a condition on a redirect", "/sub", 301, {"If-None-Match": "*"}, {"Location": "/sub/"})


CASES = (*conditions(), *ranges(), *encodings(), *methods(), *paths())
