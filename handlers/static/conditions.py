"""Conditions: what a client has already, and whether it still holds (RFC 9110 8.8 and 13).

Law: an entity-tag that is strong stands for the same bytes for ever; where a file may still change without its
timestamps telling, its tag is weak. What cannot be read is never repaired: a malformed list of tags matches nothing,
and a date that is none is as if it were not there.
"""

import os
import re
from hashlib import blake2b

from reactor import Headers, parse_http_date

# How long a file may change without its timestamps changing: the kernel's clock ticks every 10 ms at the slowest, FAT
# counts in steps of two seconds.
FINE = 20_000_000  # nanoseconds
WRITING = 10_000_000  # nanoseconds for a MiB: one call writes any number, and the file is stamped when it begins
COARSE = 2_000_000_000  # nanoseconds, where both timestamps are whole seconds
SECOND = 1_000_000_000  # nanoseconds

# entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE; etagc = %x21 / %x23-7E / obs-text      RFC 9110 8.8.3
# A comma may be inside the quotes, a space may not. A list may have empty elements:   RFC 9110 5.6.1.2
_TAG = rb'(?:W/)?"[!#-~\x80-\xff]*+"'
_TAGS = re.compile(_TAG)
_TAG_LIST = re.compile(rb"[ \t,]*+(?:%b[ \t]*+(?:,[ \t,]*+|\Z))*" % _TAG)


def etag_of(status: os.stat_result, now: float) -> str:
    """The entity-tag (RFC 9110 8.8.3) of a file with this `status`, looked at `now` (seconds since the epoch).

    It follows from device, inode, size, mtime and ctime: what is renamed into the file's place has another inode, and
    what is written into it moves its ctime, even where somebody sets size and mtime to what they were. It is a digest,
    so that it is short and tells nobody an inode's number. The price: other links, another mode or another copy of the
    same bytes are another tag, which costs a transfer and is never wrong.

    While the file may still change without its timestamps changing (it was changed just now, or its clock is ahead of
    ours), the tag is weak, and another one than it will be: remembered, it does not match what the file has become.
    So a weak tag is not to be kept; ask again. Not seen is who writes through a memory map (mmap(2)), which moves the
    timestamps when the system likes: a site is changed by renaming files into it.
    """
    newest = max(status.st_mtime_ns, status.st_ctime_ns)  # FAT has no time of change, and gives that of birth for it
    is_coarse = not (status.st_mtime_ns % SECOND or status.st_ctime_ns % SECOND)
    unsure = (COARSE if is_coarse else FINE) + WRITING * (status.st_size >> 20)
    is_settled = now * SECOND - newest >= unsure
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, is_settled)
    digest = blake2b(repr(facts).encode(), digest_size=12).hexdigest()
    return f'"{digest}"' if is_settled else f'W/"{digest}"'


def evaluate(method: str, headers: Headers, etag: str | None, modified: int | None, now: float) -> int:
    """200: go on; 304: the client has it; 412: what the client relies on does not hold (RFC 9110 13.2.2).

    `etag` and `modified` (seconds since the epoch, as Last-Modified says) are those of the file as it would be sent,
    or both None where there is none. `now`: seconds since the epoch. `method`: one that reads the file or changes it;
    what a condition cannot be about, as OPTIONS (13.2.1), is not to be asked here. Range and If-Range come after a 200.
    """
    if not _holds(headers, etag, modified, now):
        return 412
    reads = method in ("GET", "HEAD")
    none_match = headers.raw(b"if-none-match")
    if none_match is not None:
        if not _matches(none_match, etag, is_strong=False):
            return 200
        return 304 if reads else 412
    if reads and modified is not None:
        since = _date(headers, b"if-modified-since", now)
        # A date that is still to come counts: RFC 2616 14.25 called it invalid, RFC 9110 13.1.3 does not.
        if since is not None and modified <= since:
            return 304
    return 200


def _holds(headers: Headers, etag: str | None, modified: int | None, now: float) -> bool:
    """Whether the file is what the client relies on: If-Match, or else If-Unmodified-Since."""
    match = headers.raw(b"if-match")
    if match is not None:
        return _matches(match, etag, is_strong=True)
    if modified is None:
        return True  # RFC 9110 13.1.4
    since = _date(headers, b"if-unmodified-since", now)
    return since is None or modified <= since


def range_is_wanted(headers: Headers, etag: str | None, modified: int | None, now: float) -> bool:
    """Whether a Range is to be heeded: there is no If-Range, or it names what would be sent (RFC 9110 13.1.5).

    A tag is compared strongly. A date is to be the very one of Last-Modified, and strong: RFC 9110 8.8.2.2 asks of us
    that the file did not change twice in that second, which nobody can see of a file; so what we ask is that the
    second is over, and of the client, as the RFC does, that what it has was sent when it was. Anything else: no.
    """
    condition = headers.raw(b"if-range")
    if condition is None:
        return True
    if _TAGS.fullmatch(condition) is not None:
        return _matches(condition, etag, is_strong=True)
    since = _date(headers, b"if-range", now)
    return since is not None and since == modified and now >= modified + 1


def _matches(value: bytes, etag: str | None, is_strong: bool) -> bool:
    """Whether `value` ("*", or a list of entity-tags) has the present `etag`, compared as RFC 9110 8.8.3.2 says.
    A malformed list has none, and where there is no file nothing matches."""
    if etag is None:
        return False
    if value == b"*":
        return True
    if _TAG_LIST.fullmatch(value) is None:
        return False
    ours = etag.encode("latin-1")
    if is_strong:
        return ours[:1] == b'"' and ours in _TAGS.findall(value)
    return ours.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in _TAGS.findall(value)]


def _date(headers: Headers, name: bytes, now: float) -> int | None:
    """The date (seconds since the epoch) in a field, or None where there is none, or something else."""
    value = headers.raw(name)
    return None if value is None else parse_http_date(value.decode("latin-1"), now)
