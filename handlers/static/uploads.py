"""Uploads: files put below a tree, by PUT or from a form, as their bytes come.

Law: a file is there whole or not at all (see incoming.py), and none is overwritten unless the client says in If-Match
that it means to (any, with "*", else the one it names), or the option says so. What can be refused is refused before
the body is read; what may have changed since then, because another upload was faster, is looked at again right before
a file is put in place. To create is one step for the system, so that of several who create a file one does. To replace
is two, looking and renaming: uploads of this server do not come between them, another process can.

All names of a form are checked before the first file is put in place, and then all are; only if the system fails in
the middle some are there, and the answer says how many.
"""

import os
import stat
from abc import ABC, abstractmethod
from contextlib import ExitStack
from time import time
from urllib.parse import quote

from reactor import BodySink, Request, Response

from .conditions import etag_of, evaluate
from .forms import Form, Part, boundary_of
from .incoming import Incoming
from .refusals import Refused, check_coding, check_page, refusal
from .tree import Busy, Missing, Tree

UNDER_WAY_LIMIT = 256  # files; each takes a descriptor, and others need some as well
FILES_LIMIT = 100  # in one form, for the same reason
FIELDS_LIMIT = 64 * 1024  # bytes of a form that are in no file, and that nobody reads

_EXISTS = "there is a file of this name; to replace it send its ETag in If-Match, or allow it by the option overwrite"
_EXISTS_FOR_A_FORM = "there is a file of this name already; nothing was uploaded: go back, and give yours another name"


class Uploads:
    """What may be written below `tree`: `limit` bytes in one body (0: any number), existing files if `overwrite`.

    Attributes: those three, and `under_way` (the files that are on their way in).
    """

    def __init__(self, tree: Tree, *, limit: int, overwrite: bool) -> None:
        self.tree = tree
        self.limit = limit
        self.overwrite = overwrite
        self.under_way: set[Incoming] = set()

    def on_head(self, request: Request) -> Response | BodySink | None:
        """For a PUT, and for a POST of a form with files to a path that ends with a slash: where the body goes, or
        why it is not wanted. None for all else."""
        try:
            if request.method == "PUT":
                return self._at_put(request)
            if request.method == "POST" and request.path.endswith("/"):
                return self._at_form(request)
        except Exception as error:
            return refusal(error)
        return None

    def fault_of(self, name: str) -> str | None:
        """Why a file cannot have this name; None if it can."""
        if name in ("", ".", ".."):
            return "a file has a name"
        if any(character < " " or character == "\x7f" for character in name):
            return "a file's name has no control characters"
        return "names like this are hidden here" if self.tree.is_hidden(name) else None

    def find(self, folder: int, name: bytes) -> os.stat_result | None:
        """The status of the file of this name, if there is one. Refused if it is something else."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            raise Refused(409, "something of this name is there, and it is no file")
        return status

    def _at_put(self, request: Request) -> BodySink:
        """RFC 9110 9.3.4."""
        if "content-range" in request.headers:  # RFC 9110 14.5
            raise Refused(400, "a file is PUT whole, without Content-Range")
        check_coding(request.headers)
        path = request.path[1:]
        name = path.rpartition("/")[2]
        if not name:
            raise Refused(409, "a folder cannot be PUT: a file's path does not end with a slash")
        fault = self.fault_of(name)
        if fault is not None:
            raise Refused(403, fault)
        try:
            folder, _ = self.tree.open_folder(path)
        except Missing as error:  # RFC 4918 9.7.1
            raise Refused(409, "there is no folder for this file, and folders are not made here") from error
        return _Put(self, request, folder, name).begun()

    def _at_form(self, request: Request) -> BodySink | None:
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            return None
        check_page(request)
        check_coding(request.headers)
        if "//" in request.path:
            raise Missing(request.path)
        folder, status = self.tree.open(request.path[1:-1])
        if not stat.S_ISDIR(status.st_mode):
            os.close(folder)
            raise Missing(request.path)
        return _FormFiles(self, folder, boundary)


class _Sink(ABC):
    """A body on its way into a folder, whose descriptor it takes over. `limit`: bytes, 0: any number."""

    def __init__(self, uploads: Uploads, folder: int) -> None:
        self.limit = uploads.limit
        self._uploads = uploads
        self._folder = folder
        self._held = ExitStack()  # what is to be closed, in whatever way it ends
        self._held.callback(os.close, folder)

    def feed(self, data: bytes) -> Response | None:
        try:
            self._take(data)
        except Exception as error:
            self.abort()
            return refusal(error)
        return None

    def finish(self) -> Response:
        try:
            return self._complete()
        except Exception as error:
            return refusal(error)
        finally:
            self.abort()

    def abort(self) -> None:
        """Whatever is not in place is gone. May be called twice."""
        self._held.close()

    def _new_file(self) -> Incoming:
        """Raises Busy, OSError."""
        under_way = self._uploads.under_way
        if len(under_way) >= UNDER_WAY_LIMIT:
            raise Busy("too many uploads at once")
        file = Incoming(self._folder)
        self._held.callback(file.close)
        under_way.add(file)
        self._held.callback(under_way.discard, file)
        return file

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """The next bytes of the body. May raise what `refusal` knows, as `_complete` may."""

    @abstractmethod
    def _complete(self) -> Response:
        """The body is complete: put in place what came."""


class _Put(_Sink):
    """The file of a PUT."""

    def __init__(self, uploads: Uploads, request: Request, folder: int, name: str) -> None:
        super().__init__(uploads, folder)
        self._request = request
        self._name = _encode(name)

    def begun(self) -> "_Put":
        """Itself, if it is wanted as things are now."""
        try:
            self._former()
            self._file = self._new_file()
        except BaseException:
            self.abort()
            raise
        return self

    def _take(self, data: bytes) -> None:
        self._file.write(data)

    def _complete(self) -> Response:
        former = self._former()
        file, name = self._file, self._name
        status = file.create(name) if former is None else file.replace(name, former)
        tag = ("ETag", _lasting_tag(status))  # RFC 9110 9.3.4 allows it: the bytes are stored as they came
        if former is not None:
            return Response(204, b"", [tag])
        location = quote(_encode(self._request.root + self._request.path))
        return Response(201, f"{file.size} bytes are here\n", [("Location", location), tag])

    def _former(self) -> os.stat_result | None:
        """The status of the file that this one is to replace, None if there is none. Refused if it must not."""
        headers = self._request.headers
        former = self._uploads.find(self._folder, self._name)
        now = time()
        if former is None:
            verdict = evaluate("PUT", headers, None, None, now)
        else:
            verdict = evaluate("PUT", headers, etag_of(former, now), int(former.st_mtime), now)
        if verdict != 200:
            raise Refused(412, "the file is not as If-Match, If-None-Match or If-Unmodified-Since say it should be")
        if former is not None and not self._uploads.overwrite and "if-match" not in headers:
            raise Refused(409, _EXISTS)
        return former


class _FormFiles(_Sink):
    """The files of a form, whatever their fields are called."""

    def __init__(self, uploads: Uploads, folder: int, boundary: bytes) -> None:
        super().__init__(uploads, folder)
        self._form = Form(boundary)
        self._files: dict[bytes, Incoming] = {}  # by the name that each is to have
        self._file: Incoming | None = None  # the one that comes now
        self._fields = 0  # bytes

    def _take(self, data: bytes) -> None:
        for event in self._form.feed(data):
            if isinstance(event, Part):
                self._begin(event.filename)
            elif self._file is not None:
                self._file.write(event)
            else:
                self._fields += len(event)
                if self._fields > FIELDS_LIMIT:
                    raise Refused(413, f"the form has more than {FIELDS_LIMIT} bytes that are in no file")

    def _begin(self, sent: str | None) -> None:
        """A part begins: a file, or a field without a filename."""
        self._file = None
        if sent is None:
            return
        filename = sent.replace("\\", "/").rpartition("/")[2]  # some have sent the whole path: RFC 7578 4.2
        fault = self._uploads.fault_of(filename)
        if fault is not None:
            raise Refused(409, fault if sent else "no file was chosen")
        name = _encode(filename)
        if name in self._files:
            raise Refused(409, f"{_shown(name)}: the form has two files of this name")
        if len(self._files) >= FILES_LIMIT:
            raise Refused(413, f"a form brings at most {FILES_LIMIT} files")
        self._former(name)
        self._file = self._files[name] = self._new_file()

    def _complete(self) -> Response:
        self._form.finish()
        if not self._files:
            raise Refused(400, "there is no file in the form")
        formers = [self._former(name) for name in self._files]
        count = 0
        try:
            for (name, file), former in zip(self._files.items(), formers, strict=True):
                file.create(name) if former is None else file.replace(name, former)
                count += 1
        except OSError as error:
            return refusal(error, f"; of {len(formers)} files, {count} arrived")
        # Relative to what the client has asked for, whatever a proxy or a middleware has made of it.
        return Response(303, f"files that arrived: {count}\n", {"Location": f"?uploaded={count}"})

    def _former(self, name: bytes) -> os.stat_result | None:
        former = self._uploads.find(self._folder, name)
        if former is not None and not self._uploads.overwrite:
            raise Refused(409, f"{_shown(name)}: {_EXISTS_FOR_A_FORM}")
        return former


def _lasting_tag(status: os.stat_result) -> str:
    """The tag that the file just put in place will have, once it is a strong one (see `etag_of`).

    A weak one could not be sent back in If-Match, and that is what it is told for. Nobody could write in the file
    before it was in place; who does so in the same tick of the clock, and leaves its size, is not seen in its tag.
    """
    return etag_of(status, max(status.st_mtime, status.st_ctime) + 3)


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")
