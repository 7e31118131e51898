"""The tree: a root directory, and what may be opened below it.

Law: nothing outside of the root is ever opened, and what is checked is what was opened. A name is looked up one
segment at a time, in a directory whose descriptor we hold, and the system never follows a symbolic link for us: a
directory that is swapped for a link between two of our calls gives an error, and not another place.

- Links are refused, unless `follow` is set. Then they are followed here, and lead to what lies in the root: ".." in
  one goes back to the directory that we came through, whose descriptor we have, and above the root there is nothing.
  Wherever a directory is moved meanwhile, its new parent is not asked. A link that begins with "/" counts if it begins
  with the real path of the root. What it names obeys the rule for hidden names, as a path does.
- Names that begin with a dot are hidden, unless `dotfiles` is set. ".well-known" never is (RFC 8615 3).
- Only regular files and directories are opened. Opening a device may have effects of its own (a tape rewinds, a
  watchdog starts), so a name is looked at first. If it becomes a device between the look and the opening, that is
  opened, seen, and closed: whoever can do that writes in the root, and is root. A FIFO or a socket that slips in so is
  harmless, for we never wait in an opening.
- Names are bytes, in UTF-8 or not, whatever the locale is; a backslash is one of them. They were decoded once, by who
  asks: a percent sign is a percent sign.

What cannot be seen here: hard links and mounted file systems, which look like any other part of the root.
"""

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple, NoReturn

PATH_LIMIT = 4095  # bytes, what the system takes in one call (PATH_MAX)
DEPTH = 128  # segments; while one path is walked, its directories are open
LINKS = 40  # on one path, as in Linux

# A directory that is only passed through need not be readable where O_PATH is known.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY  # close-on-exec is Python's doing (PEP 446)
_HERE, _UP = b".", b".."

# What O_DIRECTORY and O_NOFOLLOW make of a link; EMLINK is FreeBSD's.
_LINK = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})


class Missing(Exception):
    """There is nothing there, for whoever asks: 404."""


class Forbidden(Exception):
    """There is something, and the system does not let us have it: 403."""


class Busy(Exception):
    """There may be something, but not now: no descriptor or memory is left, or a lease is being given back: 503."""


class Opened(NamedTuple):
    """A regular file or a directory: a descriptor to read it by, whoever gets it closes it, and its status."""

    fd: int
    status: os.stat_result


class Root(NamedTuple):
    fd: int
    real: bytes  # its path without links: only compared with what links say, never opened
    identity: tuple[int, int]  # of its device, and on that


_MEANING: dict[int | None, type[Exception]] = {
    errno.ENOENT: Missing,
    errno.ENAMETOOLONG: Missing,
    errno.ESTALE: Missing,  # gone, on a file system of the network
    errno.EILSEQ: Missing,  # no name that this file system could have
    errno.EINVAL: Missing,  # likewise; or it is no link
    **dict.fromkeys((errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP), Missing),  # a socket or device, since we looked
    **dict.fromkeys(_LINK, Missing),
    errno.EACCES: Forbidden,
    errno.EPERM: Forbidden,
    errno.EMFILE: Busy,
    errno.ENFILE: Busy,
    errno.ENOMEM: Busy,
    errno.EAGAIN: Busy,  # somebody has a lease on the file, and waiting for it would hold the loop
}


class Tree:
    """`Tree(Path("site"))`, then `open("images/logo.png")`. ValueError says why `root` is no directory to serve.

    `follow`: links that stay in the root are followed. `dotfiles`: nothing is hidden. A path is relative to the root,
    without a slash at its ends; "" is the root. It is text as `Request.path` is: UTF-8, what is not UTF-8 as surrogate
    escapes. The root's own path may have links in it.

    Attributes: `follow`, `dotfiles`, as above; `root`, what is open now.
    """

    def __init__(self, root: Path, *, follow: bool = False, dotfiles: bool = False) -> None:
        self.follow = follow
        self.dotfiles = dotfiles
        try:
            self._path = root.absolute()  # the working directory may be another one at the next refresh
            self.root = _opened_root(self._path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"{str(root)!r} is no directory that can be read: {reason}") from error

    def open(self, path: str) -> Opened:
        """The file or directory at `path`. Raises Missing, Forbidden, Busy; OSError where the disk fails."""
        way = _Way(self)
        try:
            return way.open(self._names(path))
        except OSError as error:
            _explain(error, path)
        finally:
            way.close()

    def open_folder(self, path: str) -> tuple[int, str]:
        """For what is to be written: a descriptor of the directory that the last segment of `path` lies in, and that
        segment. Whoever gets the descriptor closes it. Raises as `open` does.

        The segment is one that `open` would take. Whether there is something of that name was not looked at, least of
        all where it leads if it is a link: create it with O_EXCL or O_NOFOLLOW, or rename onto it. It may be longer
        than the file system takes (ENAMETOOLONG).
        """
        way = _Way(self)
        try:
            names = self._names(path)
            if not names:
                raise Missing(path)
            way.enter(names[:-1])
            return os.open(_HERE, _READ | os.O_DIRECTORY, dir_fd=way.folder), path.rpartition("/")[2]
        except OSError as error:
            _explain(error, path)
        finally:
            way.close()

    def status(self, path: str) -> os.stat_result | None:
        """What is at `path` now, by one system call; None if nothing can be had.

        Only to compare with an `Opened.status`, never to decide whether something may be served: the system follows
        links in this, wherever they lead.
        """
        try:
            name = b"/".join(self._names(path)) or _HERE
            return os.stat(name, dir_fd=self.root.fd, follow_symlinks=self.follow)
        except (OSError, Missing):
            return None

    def is_hidden(self, name: str) -> bool:
        """Whether a listing leaves this name out."""
        return self.hides(name.encode("utf-8", "surrogatepass"))

    def hides(self, name: bytes) -> bool:
        return name[:1] == b"." and not self.dotfiles and name != b".well-known"

    def refresh(self) -> bool:
        """Serve the directory that is at the root's path now: a site is replaced by renaming directories, or by
        switching a link. True if it is another one than before; what was opened in that stays open.

        To be called about once a second; it is one system call. Where there is no directory at the moment, as between
        two renames, the one before is served on.
        """
        try:
            if self.root.fd < 0 or _identity(os.stat(self._path)) == self.root.identity:
                return False
            root = _opened_root(self._path)
        except OSError:
            return False
        os.close(self.root.fd)
        self.root = root
        return True

    def close(self) -> None:
        """May be called twice; nothing is opened afterwards."""
        fd = self.root.fd
        if fd >= 0:
            self.root = self.root._replace(fd=-1)
            os.close(fd)

    def _names(self, path: str) -> list[bytes]:
        """The segments; Missing if one of them is no file's name, or hidden."""
        if not path:
            return []
        try:
            encoded = path.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise Missing(path) from error
        names = encoded.split(b"/")
        if len(encoded) > PATH_LIMIT or len(names) > DEPTH or b"\0" in encoded:
            raise Missing(path)
        for name in names:
            if name in (b"", _HERE, _UP) or self.hides(name):
                raise Missing(path)
        return names


class _Way:
    """The way of one path, from the root down: descriptors of the directories that it has come through."""

    __slots__ = ("_folders", "_links", "_tree")

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._folders: list[int] = []  # without the root's, which is the tree's
        self._links = 0

    @property
    def folder(self) -> int:
        """A descriptor of where it is now."""
        return self._folders[-1] if self._folders else self._tree.root.fd

    def enter(self, names: list[bytes]) -> None:
        """Go down these directories, and up where a link says "..". Raises Missing, OSError."""
        for name in names:
            if name == _HERE:
                continue  # it must not be on the stack twice, for ".." takes one off
            if name == _UP:
                self._leave()
                continue
            if len(self._folders) >= DEPTH:
                raise Missing("too deep")
            try:
                self._folders.append(os.open(name, _PASS, dir_fd=self.folder))
            except OSError as error:
                if not self._tree.follow or error.errno not in _LINK:
                    raise
                self.enter(self._follow(name))

    def open(self, names: list[bytes]) -> Opened:
        """Open the last of them, below the others, to read it. Raises Missing, OSError."""
        if not names or names[-1] == _UP:
            names = [*names, _HERE]
        *folders, name = names
        self.enter(folders)
        folder = self.folder
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode) and self._tree.follow:
            return self.open(self._follow(name))
        _check_kind(mode)
        fd = os.open(name, _READ, dir_fd=folder)
        try:
            # It need not be what we looked at, which may just have been replaced by a newer file: this one counts.
            status = os.fstat(fd)
            _check_kind(status.st_mode)
        except BaseException:
            os.close(fd)
            raise
        return Opened(fd, status)

    def close(self) -> None:
        while self._folders:
            os.close(self._folders.pop())

    def _leave(self) -> None:
        if not self._folders:
            raise Missing("a link leads out of the root")
        os.close(self._folders.pop())

    def _follow(self, name: bytes) -> list[bytes]:
        """What the link `name` says, as names from where we are, which is the root if it begins with "/". Raises
        Missing, OSError (EINVAL: it is no link)."""
        target = os.readlink(name, dir_fd=self.folder)
        self._links += 1
        if self._links > LINKS:
            raise Missing("too many links")
        if target[:1] == b"/":
            root = self._tree.root.real.rstrip(b"/") + b"/"
            if not (target + b"/").startswith(root):
                raise Missing("a link leads out of the root")
            self.close()
            target = target[len(root) :]
        names = [each for each in target.split(b"/") if each]
        if any(each not in (_HERE, _UP) and self._tree.hides(each) for each in names):
            raise Missing("a link leads to a hidden name")
        return [*names, _HERE] if target.endswith(b"/") else names


def _opened_root(path: Path) -> Root:
    """Raises OSError, ValueError."""
    real = os.path.realpath(os.fsencode(path))
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return Root(fd, real, _identity(os.fstat(fd)))
    except BaseException:
        os.close(fd)
        raise


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise Missing("no regular file")


def _explain(error: OSError, path: str) -> NoReturn:
    """Raise what an error means to who asked for `path`; the disk's own failures as they are."""
    meaning = _MEANING.get(error.errno)
    if meaning is None:
        raise error
    raise meaning(path) from error
