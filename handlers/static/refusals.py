"""Why an upload is refused, and what its client is told.

Law: what the client or the system's state is the cause of has a status and a line of text; all else is raised on, and
is ours.
"""

import errno
from collections.abc import Collection

from reactor import Headers, Request, Response

from .forms import FormError
from .tree import Busy, Forbidden, Missing

_NO_ROOM = (507, "there is no room left")
_NOT_ALLOWED = (403, "the system does not let this server write there")
_NOT_NOW = (503, "too many files are open; try again")
_TROUBLE = {
    errno.ENOSPC: _NO_ROOM, errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: (413, "the file is larger than the file system can have it"),
    errno.EACCES: _NOT_ALLOWED, errno.EPERM: _NOT_ALLOWED, errno.EROFS: _NOT_ALLOWED,
    errno.EMFILE: _NOT_NOW, errno.ENFILE: _NOT_NOW, errno.ENOMEM: _NOT_NOW,
    errno.EEXIST: (409, "another upload of this name was faster"),
    errno.ENOENT: (409, "the folder is gone"), errno.EISDIR: (409, "there is a folder of this name now"),
    errno.ENAMETOOLONG: (403, "the name is too long"), errno.EINVAL: (403, "the file system takes no such name"),
    errno.EILSEQ: (403, "the file system takes no such name"),
}  # fmt: skip
_ERRNO = {Forbidden: errno.EACCES, Busy: errno.EMFILE}  # what the tree has made of them


class Refused(Exception):
    """An upload is refused: `response` says why."""

    def __init__(self, status: int, text: str, headers: Collection[tuple[str, str]] = ()) -> None:
        super().__init__(status, text)
        self.response = Response(status, text + "\n", headers)


def refusal(error: Exception, more: str = "") -> Response:
    """What an error means to the client, and `more` if it is the system's; raises it if it is ours."""
    if isinstance(error, Refused):
        return error.response
    if isinstance(error, FormError):
        return Response(400, f"{error}\n")
    if isinstance(error, Missing):
        return Response(404, "there is no such folder\n")
    number = error.errno if isinstance(error, OSError) else _ERRNO.get(type(error))
    if number not in _TROUBLE:
        raise error
    status, text = _TROUBLE[number]
    return Response(status, f"{text}{more}\n", {"Retry-After": "1"} if status == 503 else {})


def check_coding(headers: Headers) -> None:
    """RFC 9110 8.4: a body that is coded is not the file; 15.5.16: what would do instead."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "a file is sent as it is, without Content-Encoding", [("Accept-Encoding", "identity")])


def check_page(request: Request) -> None:
    """Refuse a form that a browser sends for a page that is not ours.

    Any page can have its reader's browser post a form here, with files of the page's making and no question asked
    before (a "simple" request of the Fetch standard), also where only the reader can reach us. But the browser says
    whose page it is: in Sec-Fetch-Site where it trusts the connection, else in Origin. A PUT for another site it does
    not send at all, unless an OPTIONS has allowed it. Who says nothing is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    elif origin is not None:
        authority = origin.partition("://")[2]  # of "null", none
        is_ours = authority != "" and authority.lower() == request.host.lower()
    else:
        is_ours = True
    if not is_ours:
        raise Refused(403, "this form is on a page of another site")
