"""Static: a directory of files, served. `python -m reactor DIR`.

Law: what may be seen is decided by the tree (tree.py), which of it is sent by the request's conditions, ranges and
codings, and everything is said of the very bytes that leave. In the order of a request:

    tree            what may be opened below the root, safely
    cache           what was opened a moment ago
    encodings       which of its compressed siblings the client takes
    conditions      whether the client has it already
    ranges          which parts of it are asked for
    representation  the answers: 200, 206, 304, 412, 416
    disk            what is not in memory is read by a thread
    media_types     what a file is, by its name
    listing, page   what is in a directory, as a page
    uploads, forms, incoming, refusals    files the other way
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path
from stat import S_ISDIR
from time import monotonic
from urllib.parse import quote

from reactor import BodySink, Headers, Request, Response

from . import page
from .cache import Cache, Resource
from .disk import Disk
from .encodings import SUFFIXES, sibling
from .listing import listing
from .media_types import media_type
from .representation import represent
from .tree import Busy, Forbidden, Missing, Opened, Tree
from .uploads import Uploads

REFRESH = 1.0  # seconds; the root is looked at this often, whether it is another directory by now

_HTML = "text/html; charset=utf-8"
_FORBIDDEN = Response(403, "Forbidden\n")
_BUSY = Response(503, "too many files are open; try again\n", {"Retry-After": "1"})
_NOT_FOUND = Response(404, "Not Found\n")
_ENCODED_SLASH = re.compile(rb"[^?]*%2[Ff]")
_HERE = re.compile(r"/(?:\./)+")
_QUERY, _PERCENT = b"?%"

# A part of a name that changes with what is in the file, as bundlers make it: eight characters or more, hexadecimal
# with both kinds of them, or of all kinds with a letter behind a digit, which a date or a version has not.
_HASHED = re.compile(
    r".*[.\-_](?:(?=[a-f]*+[0-9])(?=[0-9]*+[a-f])[0-9a-f]{8,64}"
    r"|(?=[^0-9.]*+[0-9]++[A-Za-z])(?=[^A-Z.]*+[A-Z])[A-Za-z0-9_\-]{8,64})"
    r"\.(?:css|js|mjs|wasm|json|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf)(?:\.map)?",
    re.DOTALL,
)
_OWN = frozenset(
    ("accept-ranges", "cache-control", "content-encoding", "content-range", "etag", "last-modified", "vary")
)
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass
class Static:
    """Serves the files below `root`.

    `index`: the file that stands for its directory, or "". `listing`: a directory without one is a page of what is in
    it. `follow`: symbolic links are followed, within the root. `dotfiles`: names that begin with a dot are files, too.
    `precompressed`: `app.js.br`, `.zst` or `.gz` is sent for `app.js` to who takes it, unless it is older. `not_found`:
    the file that is the body of a 404, where it exists. `fallback`: the file that is sent for a page that does not
    exist, as single-page apps want it, or "". `cache_control`: what this field says; `immutable`: but for names with a
    hash in them, as in app.3f2a91bc.js, that they never change. `headers`: other fields, as in "X-Robots-Tag: none".
    `open_files`: how many are kept open or in memory for a second. `upload`: files may be PUT here, or sent from a form
    on the listing; `overwrite`: in the place of others; `upload_limit`: bytes of one request, 0: any number.
    """

    root: Path
    index: str = "index.html"
    listing: bool = True
    follow: bool = False
    dotfiles: bool = False
    precompressed: bool = True
    not_found: str = "404.html"
    fallback: str = ""
    cache_control: str = ""
    immutable: bool = False
    headers: tuple[str, ...] = ()
    open_files: int = 1024
    upload: bool = False
    overwrite: bool = False
    upload_limit: int = 1 << 30

    def __post_init__(self) -> None:
        if "/" in self.index:
            raise ValueError(f"index is the name of a file in each directory, not {self.index!r}")
        if self.upload_limit < 0 or self.open_files < 0:
            raise ValueError("upload_limit and open_files are 0 or more")
        self._extra = [_field(each) for each in self.headers]
        if self.cache_control:
            Response(200, headers={"Cache-Control": self.cache_control})  # ValueError where it is none
        self._tree = Tree(self.root, follow=self.follow, dotfiles=self.dotfiles)
        self._cache = Cache(self.open_files)
        self._disk = Disk()
        self._next_refresh = monotonic() + REFRESH
        allow = "GET, HEAD, OPTIONS"
        if self.upload:
            allow = "GET, HEAD, OPTIONS, POST, PUT"
            self._uploads = Uploads(self._tree, limit=self.upload_limit, overwrite=self.overwrite)
        self._options = Response(204, headers={"Allow": allow})
        self._not_allowed = Response(405, "Method Not Allowed\n", {"Allow": allow})

    def on_head(self, request: Request) -> Response | BodySink | None:
        """Before a body is read: for an upload, where it goes; 405 where nothing is taken."""
        if request.method in ("GET", "HEAD"):
            return None
        if self.upload and request.method in ("PUT", "POST"):
            self._refresh()
            return self._not_allowed if has_encoded_slash(request) else self._uploads.on_head(request)
        return self._options if request.method == "OPTIONS" else self._not_allowed

    def shutdown(self) -> None:
        self._cache.clear()
        self._disk.close()
        self._tree.close()

    def __call__(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return self._options if request.method == "OPTIONS" else self._not_allowed
        try:
            response = self._answer(request)
        except Missing:
            return self._missing(request)
        except Forbidden:
            return _FORBIDDEN
        except Busy:
            response = self._from_memory(request)
        if _QUERY in request.target and "download" in request.query and response.status in (200, 206):
            return response.with_headers({"Content-Disposition": disposition(request.path)})
        return response

    def _answer(self, request: Request) -> Response:
        path = request.path
        if has_encoded_slash(request):
            raise Missing(path)
        if path == "/" and request.root and not request.target.partition(b"?")[0].endswith(b"/"):
            return _to_folder(request, "")  # where a router mounted us
        known = self._cache.get(path)
        if known is not None:
            chosen = known.choose(request.headers)
            if known.is_current(self._tree, chosen):
                return chosen.answer(request)
        self._refresh()
        if path[:1] != "/" or "//" in path:
            raise Missing(path)
        if "/./" in path:  # apt-get says so of a repository that is one directory; RFC 3986 5.2.4 knows what it means
            path = _HERE.sub("/", path)
        if path[-1] == "/":
            return self._answer_folder(request, path)
        opened = self._tree.open(path[1:])
        if S_ISDIR(opened.status.st_mode):
            os.close(opened.fd)
            return _to_folder(request, path)
        return self._load(path, path[1:], opened).choose(request.headers).answer(request)

    def _from_memory(self, request: Request) -> Response:
        """No descriptor is left: give back ours; what was read a moment ago can be had without."""
        self._cache.give_back()
        known = self._cache.get(request.path, inf)
        if known is None or not known.is_current(self._tree, known.plain):
            return _BUSY
        return known.plain.answer(request)

    def _refresh(self) -> None:
        now = monotonic()
        if now >= self._next_refresh:
            self._next_refresh = now + REFRESH
            if self._tree.refresh():
                self._cache.clear()

    def _find(self, key: str, name: str, headers: Headers) -> Resource:
        """The file `name`, which the cache may know as `key`. Raises as `Tree.open` does; a directory is Missing."""
        known = self._cache.get(key)
        if known is not None and known.is_current(self._tree, known.choose(headers)):
            return known
        opened = self._tree.open(name)
        if S_ISDIR(opened.status.st_mode):
            os.close(opened.fd)
            raise Missing(name)
        return self._load(key, name, opened)

    def _load(self, key: str, name: str, opened: Opened) -> Resource:
        """The file `opened` and its compressed siblings, for the cache. Takes the descriptor, whatever happens."""
        with ExitStack() as undo:
            undo.callback(os.close, opened.fd)
            found = [("", opened)]
            for coding, each in self._siblings(name, opened):
                undo.callback(os.close, each.fd)
                found.append((coding, each))
            undo.pop_all()
        fields = list(self._extra)
        if found[1:]:
            fields.append(("Vary", "Accept-Encoding"))
        control = IMMUTABLE if self.immutable and _HASHED.fullmatch(name.rpartition("/")[2]) else self.cache_control
        if control:
            fields.append(("Cache-Control", control))
        resource = Resource(represent(name, found, media_type(name), fields, self._disk))
        self._cache.put(key, resource)
        return resource

    def _siblings(self, name: str, opened: Opened) -> Iterator[tuple[str, Opened]]:
        """Those that were packed from the file as it is: none is older. Not where files are uploaded: who may add one
        could put it in the place of another."""
        for coding in SUFFIXES if self.precompressed and not self.upload else ():
            try:
                found = self._tree.open(sibling(name, coding))
            except (Missing, Forbidden):
                continue
            if S_ISDIR(found.status.st_mode) or int(found.status.st_mtime) < int(opened.status.st_mtime):
                os.close(found.fd)
            else:
                yield coding, found

    def _answer_folder(self, request: Request, path: str) -> Response:
        """From a directory's index, or what is in it."""
        if self.index:
            try:
                resource = self._find(path, path[1:] + self.index, request.headers)
            except Missing:
                pass
            else:
                return resource.choose(request.headers).answer(request)
        opened = self._tree.open(path[1:-1])
        if not self.listing or not S_ISDIR(opened.status.st_mode):
            os.close(opened.fd)
            raise Missing(path)
        count = request.query.get("uploaded", "") if self.upload else ""
        try:
            body = listing(
                opened.fd, path=request.root + path, root=request.root, query=request.query,
                is_hidden=self._tree.is_hidden, follow=self.follow, can_upload=self.upload,
                notice=f"Files uploaded: {count}" if count.isdecimal() else "",
            )  # fmt: skip
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise Busy(path) from error
            raise
        return Response(200, body, page.HEADERS, content_type=_HTML)

    def _missing(self, request: Request) -> Response:
        """The page of an app, whose paths only itself knows; or a 404, with a page of its own where there is one."""
        if "text/html" in request.headers.get("accept", ""):
            app = self._stand_in(self.fallback, 200, request.headers)
            if app is not None:
                return app.choose(request.headers).answer(request).with_headers({"Vary": "Accept"})
        own_page = self._stand_in(self.not_found, 404, request.headers)
        if own_page is None:
            return _NOT_FOUND
        return Response(404, own_page.plain.whole().body, content_type=media_type(self.not_found))

    def _stand_in(self, name: str, status: int, headers: Headers) -> Resource | None:
        """The file that is sent in the place of what is missing; None if there is no such file, or none was named."""
        try:
            return self._find(f"{name} for {status}", name, headers) if name else None
        except (Missing, Forbidden, Busy):
            return None


def has_encoded_slash(request: Request) -> bool:
    """No name has a slash in it, and two readings of a path are one too many."""
    return _PERCENT in request.target and _ENCODED_SLASH.match(request.target) is not None


def _field(text: str) -> tuple[str, str]:
    """ "Name: value" as a pair; the Response checks the rest."""
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"a header is written 'Name: value', not {text!r}")
    if name.lower() in _OWN:
        raise ValueError(f"{name} follows from the file, or has an option of its own")
    Response(200, headers=[(name, value.strip())])
    return name, value.strip()


def _to_folder(request: Request, path: str) -> Response:
    """The same path with a slash behind it, without which a page's relative links lead elsewhere."""
    path = quote((request.root + path + "/").encode("utf-8", "surrogateescape"), safe="/!$&'()*+,;=:@~")
    query = request.target.partition(b"?")
    return Response(301, headers={"Location": path + (query[1] + query[2]).decode("ascii")})


def disposition(path: str) -> str:
    """A Content-Disposition (RFC 6266) that has the file saved under its own name."""
    name = path.rpartition("/")[2].encode("utf-8", "surrogateescape") or b"index.html"
    plain = re.sub(rb'[^ !#$&-\[\]^_`a-z{}~]', b"_", name).decode("ascii")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
