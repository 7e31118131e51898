"""Where another parser takes what we refuse: each sample and each case with the sentence that decides.

A case of the corpus brings that sentence, its `why`: `taken.toml` says which of them are taken, and by whom (after a
change to the corpus, `python3 -m tests --differential --list` writes it anew, for a person to read what is new). A
sample has it here. http.server is not asked: it reads lines off a file, and takes what looks like a request in
hundreds of ways; it counts only where we take something.
"""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from tests import corpus

from .asking import ask_all
from .known import H11, LLHTTP

LIST = Path(__file__).with_name("taken.toml")
BOTH = "both"


class Stricter(NamedTuple):
    """Attributes: `reason`; `both` (the samples that h11 and llhttp take; a pattern stands for all that it matches),
    `h11`, `llhttp` (that only one takes)."""

    reason: str
    both: list[str] = []  # noqa: RUF012  # a default, never changed
    h11: list[str] = []  # noqa: RUF012  # as above
    llhttp: list[str] = []  # noqa: RUF012  # as above

    def names(self, oracle: str) -> list[str]:
        """Of what `oracle` takes."""
        return self.both + {H11: self.h11, LLHTTP: self.llhttp}[oracle]


STRICTER: list[Stricter] = [
    Stricter(
        'RFC 9112 2.2: a server "SHOULD ignore at least one empty line"; a peer that goes on sending them says nothing',
        both=["five empty lines in front"],
    ),
    Stricter(
        'RFC 9112 2.2: "MAY recognize a single LF as a line terminator"; another may not, and frame it otherwise',
        h11=["bare LF", "bare LF behind the request line", "LF ends a line", "LF at the end of value"],
        llhttp=["LF in front"],
    ),
    Stricter(
        "RFC 9112 2.2: a bare CR is invalid, or replaced by a space; and no line begins with one",
        llhttp=["CR in front"],
    ),
    Stricter("RFC 9112 3: one space between the parts; to be lenient here is allowed, and is asked for by nobody",
        llhttp=["two spaces", "two spaces before the version"],
    ),
    Stricter(
        "RFC 9112 2.3, RFC 9110 2.5: another major version, or none, is another protocol",
        both=["HTTP/0.9", "HTTP/2.0"],
        h11=["HTTP/3.1", "HTTP/2 preface"],
        llhttp=["no version"],
    ),
    Stricter(
        "RFC 9112 3.2: none of the four forms that a target may have, or one that is for another method",
        both=["fragment", "asterisk*", "CONNECT with a path", "CONNECT with a URL"],
        h11=["authority with GET", "relative", "query alone"],
    ),
    Stricter(
        'RFC 9110 9.3.6: "MUST reject a CONNECT request that targets an empty or invalid port number"; none is default',
        both=["CONNECT without a port", "CONNECT with an empty port", "CONNECT, v6, without a port",
              "CONNECT with a large port"],
    ),
    Stricter(
        "RFC 9110 4.2: an http or https URL has an authority, a host and a port without userinfo; 7.2: Host is that",
        both=["absolute, ftp", "absolute, no authority", "absolute, userinfo", "absolute, bad port",
              "absolute, empty Host"],
        h11=["absolute, one slash"],
    ),
    Stricter(
        "RFC 9112 3, RFC 6585 5: 414 and 431 for what is too large; their limits are their server's",
        both=["request line over its limit*", "head over its limit*", "fields over their limit", "too many trailers",
              "trailers too large"],
        h11=["trailers too large, then a fault"],
        llhttp=["long and malformed request line"],
    ),
    Stricter('RFC 9112 5.2: a server "MUST either reject the message" with obs-fold, or replace it',
        h11=["folded", "folded with a tab", "blank folded line", "trailer folded"],
    ),
    Stricter(
        "RFC 9110 5.5: a control byte but HTAB is no field-content",
        h11=["control byte in value", "DEL in value"],
    ),
    Stricter(
        'RFC 9112 3.2: "A server MUST respond with a 400 [...] to any HTTP/1.1 request message that lacks a Host header'
        ' field and to any request message that contains more than one Host header field line or a Host header field'
        ' with an invalid field value"',
        both=["Host with*", "Host in Latin-1", "Host of a port", "Host, *"],
        h11=["no Host in HTTP/1.2"],
        llhttp=["no Host", "two *Hosts*"],
    ),
    Stricter(
        "RFC 9110 5.3: a singleton is not repeated; which of them counts is anybody's guess",
        both=["two Authorizations", "two Content-Types", "two Ranges", "two Expects in trailers", "two expectations"],
    ),
    Stricter(
        "RFC 9110 10.1.1: 417 for an expectation that cannot be met",
        both=["another expectation", "empty expectation"],
    ),
    Stricter(
        "RFC 9110 7.6.1: a list of tokens; whether another says close is anybody's guess",
        both=["Connection that is no list", "Connection with a space in a token"],
    ),
    Stricter(
        "RFC 9112 6.3: a list of equal lengths may be taken for one; another may read it otherwise",
        h11=["length list", "two equal lengths"],
    ),
    Stricter(
        'RFC 9112 6.3: both framings "might indicate an attempt to perform request smuggling"; 6.1 lets us reject them',
        h11=["both framings*"],
    ),
    Stricter(
        'RFC 9112 6.1: with Transfer-Encoding in HTTP/1.0, "MUST treat the message as if the framing is faulty"',
        both=["chunked in HTTP/1.0"],
    ),
    Stricter(
        "RFC 9112 6.1: 501 for a coding that we do not have, with chunked behind it",
        llhttp=["identity, chunked", "gzip, chunked", "comma, chunked"],
    ),
    Stricter(
        "RFC 9112 7.1: chunk-size is 1*HEXDIG and CRLF follows; mind the overflow",
        both=["chunk size of 16 digits"],
        h11=["chunk size, space behind", "chunk size, tab behind"],
    ),
    Stricter(
        "RFC 9112 7.1.1: an extension is tokens and quoted strings, of a limited length",
        both=["chunk extension without *", "chunk line too long"],
        h11=["chunk extension with CR", "chunk extension with NUL", "chunk extension, quote open",
             "chunk extension empty", "chunk extension with space"],
    ),
    Stricter("RFC 9110 15.5.14: 413 for a body that is too large", both=["chunks above the limit"]),
    Stricter(
        "RFC 9112 2.2, as in a head: LF alone ends no line among the trailers",
        h11=["trailer with LF", "trailers ended by LF", "last chunk ended by LF"],
    ),
    Stricter(
        "RFC 9110 6.5.1: what frames or routes a message is no trailer",
        both=["Host in trailers"],
        h11=["Content-Length in trailers", "Transfer-Encoding in trailers"],
    ),
]  # fmt: skip


def reasons(name: str, oracle: str) -> list[str]:
    """Why we refuse the sample `name` though `oracle` takes it: one reason, or none where it does not."""
    return [row.reason for row in STRICTER if any(fnmatchcase(name, pattern) for pattern in row.names(oracle))]


def listed() -> dict[str, set[str]]:
    """The cases of the corpus that h11 and llhttp take, by parser, as `taken.toml` has them."""
    cases: dict[str, set[str]] = {H11: set(), LLHTTP: set()}
    for group, takers in tomllib.loads(LIST.read_text("utf-8")).items():
        for key, names in takers.items():
            for oracle in (H11, LLHTTP) if key == BOTH else (key,):
                cases[oracle].update(f"invalid/{group}/{name}" for name in names.split())
    return cases


def list_again() -> str:
    """What `taken.toml` has to say of the corpus as it is."""
    groups: dict[str, dict[str, list[str]]] = {}
    for name, case in corpus.load().items():
        takers = set() if case.is_valid else ask_all(case.data).takers & {H11, LLHTTP}
        if takers:
            _, group, name = name.split("/", 2)
            groups.setdefault(group, {}).setdefault(BOTH if len(takers) > 1 else takers.pop(), []).append(name)
    lines = ["# What other parsers take of the invalid cases; written by `python3 -m tests --differential --list`."]
    for group, keys in sorted(groups.items()):
        lines += ["", f"[{group}]"]
        for key in sorted(keys):
            names = wrap(" ".join(keys[key]), 110, break_long_words=False, break_on_hyphens=False)
            lines += [f'{key} = """', *(f"  {line}" for line in names), '"""']
    return "\n".join(lines) + "\n"
