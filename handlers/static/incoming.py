"""A file on its way in, which nobody sees before it is complete.

Law: a file is put in place in one step, with all of its bytes, or nothing of it is ever seen. On Linux it has no name
until then (O_TMPFILE), so that nothing is left of it even if the process is killed. Where a file system has no such
files it has a hidden name (`.upload-` and 32 hexadecimal digits), which a killed process leaves behind.

That a file is in place says that it is in the system's memory, as after any write: to wait for the disk (fsync) may
take longer than the loop can be held.
"""

import errno
import os
import stat
from secrets import token_hex

# A file without a name gets one through /proc.
_NAMELESS = getattr(os, "O_TMPFILE", 0) if os.path.isdir("/proc/self/fd") else 0
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # what file systems and old kernels say that have none
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # and those without hard links, as FAT
_MODE = 0o666  # less the umask, or as the folder's default ACL has it: the system sees to it


class Incoming:
    """A new file in `folder` (a descriptor of a directory, held by whoever made this): `write`, `place`, `close`.

    OSError from each of them is the system's; whatever happens, `close` it. Attribute: `size` (bytes, so far).
    """

    __slots__ = ("_fd", "_folder", "_hidden", "size")

    def __init__(self, folder: int) -> None:
        self.size = 0
        self._folder = folder
        self._hidden = b""  # the name that it has before it is in place
        self._fd = -1
        if _NAMELESS:
            try:
                self._fd = os.open(".", os.O_WRONLY | _NAMELESS, _MODE, dir_fd=folder)
            except OSError as error:
                if error.errno not in _NO_NAMELESS:
                    raise
        if self._fd < 0:
            hidden = _hidden_name()
            self._fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE, dir_fd=folder)
            self._hidden = hidden

    def write(self, data: bytes) -> None:
        """Write all of `data` behind what there is."""
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self.size += written
            view = view[written:]

    def create(self, name: bytes) -> os.stat_result:
        """Give it `name`, which nothing has: FileExistsError if something does. Returns its status in place.

        Of several that come at once, in this process and others, one succeeds.
        """
        try:
            self._link(name)
        except OSError as error:
            if error.errno not in _NO_LINKS or not self._hidden:
                raise
            self._create_by_replacing(name)
        self._drop_hidden()  # before it is looked at: that a link is gone changes its ctime
        return os.fstat(self._fd)

    def replace(self, name: bytes, former: os.stat_result) -> os.stat_result:
        """Give it `name` in the place of the file that has it, whose status is `former` and whose permissions it
        takes over. Returns its status in place."""
        os.fchmod(self._fd, stat.S_IMODE(former.st_mode) & 0o777)  # not setuid: these are other bytes
        if not self._hidden:
            hidden = _hidden_name()
            self._link(hidden)  # only what has a name can take that of another
            self._hidden = hidden
        self._rename(name)
        return os.fstat(self._fd)

    def close(self) -> None:
        """Forget it, unless it is in place."""
        os.close(self._fd)
        self._drop_hidden()

    def _drop_hidden(self) -> None:
        hidden, self._hidden = self._hidden, b""
        if hidden:
            try:
                os.unlink(hidden, dir_fd=self._folder)
            except FileNotFoundError:
                pass  # somebody has tidied up

    def _link(self, name: bytes) -> None:
        if self._hidden:
            os.link(self._hidden, name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        else:
            os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=self._folder, follow_symlinks=True)

    def _rename(self, name: bytes) -> None:
        os.replace(self._hidden, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._hidden = b""

    def _create_by_replacing(self, name: bytes) -> None:
        """Where there are no links: an empty file takes the name, which only one can do, and this one replaces it."""
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE, dir_fd=self._folder))
        try:
            self._rename(name)
        except BaseException:
            os.unlink(name, dir_fd=self._folder)
            raise


def _hidden_name() -> bytes:
    return b".upload-" + token_hex(16).encode()
