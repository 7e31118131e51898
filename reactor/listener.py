"""Listeners: accept in bursts, pause where there is no room, never spin.

Law: a listener that cannot accept is not watched; the kernel queues meanwhile. Where all places are taken, the
connections that have been idle for longest make room. Else room comes back with a closed connection, and is looked for
with every tick. Those that were parked come back through `revive`.
"""

import errno
import logging
from math import inf

from .address import Endpoint
from .connection import Connection
from .http1.errors import ProtocolError
from .http1.request import Origin
from .loop import READ
from .reply import refusal
from .service import Service
from .transport import RECV_SIZE, Transport

log = logging.getLogger("reactor")

SILENCE = 10.0  # seconds between two complaints that nobody can be accepted
BURST = 64  # connections accepted from one listener in one turn

# That client is gone already, or its network is (accept(2)): the next one may not be. After any other error, such
# as EMFILE, ENFILE, ENOBUFS or ENOMEM, accepting again at once would fail again at once.
_GONE = frozenset(
    (errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
     errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.ETIMEDOUT, errno.ECONNRESET)
)  # fmt: skip


class Listener:
    """Accepts on one endpoint. Attribute `is_exhausted`: accepting failed for want of descriptors or memory."""

    def __init__(self, endpoint: Endpoint, service: Service) -> None:
        self.endpoint = endpoint
        self._service = service
        self._limit = service.settings.connection_limit()
        self._watched = 0
        self._silent_until = -inf
        self._is_closed = False
        self.is_exhausted = False

    def fileno(self) -> int:
        return self.endpoint.sock.fileno()

    def resume(self) -> None:
        """Accept; whether there is room will show when somebody comes."""
        if self._watched or self._is_closed:
            return
        try:
            self._service.reactor.watch(self, READ, self._on_readable)
        except OSError as error:  # the selector takes no more
            self._exhausted(error)
            return
        self.is_exhausted = False
        self._watched = READ

    def pause(self) -> None:
        """Accept no more, for now."""
        if self._watched:
            self._service.reactor.watch(self, 0, self._on_readable, self._watched)
            self._watched = 0

    def finish(self) -> None:
        """Take who is in the queue already, then close: the kernel would reset them."""
        self.pause()
        for _ in range(self._service.settings.backlog // BURST + 1):
            if not self._accept(BURST, is_limited=False):
                break
        self.close()

    def close(self) -> None:
        """Accept no more, ever."""
        self.pause()
        self._is_closed = True
        self.is_exhausted = False
        self.endpoint.close()

    def _has_room(self) -> bool:
        return not self._limit or self._service.count < self._limit

    def _on_readable(self, _ready: int) -> None:
        self._accept(BURST, is_limited=True)

    def _accept(self, count: int, is_limited: bool) -> bool:
        """Accept up to `count` connections, and no more than there is room for; True: there may be others."""
        for number in range(count):
            if is_limited and not self._has_room():
                if not number:  # somebody waits; behind others, that will show in the next turn
                    self._pause_for_room()
                return False
            try:
                sock, address = self.endpoint.sock.accept()
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _GONE:
                    continue
                self._exhausted(error)
                return False
            sock.setblocking(False)
            self._take(Transport(sock), address)
        return True

    def _take(self, transport: Transport, address: object) -> None:
        origin = Origin(address)
        if self._service.has_enough_of(origin):
            self._turn_away(transport)
            return
        connection = Connection(self._service, transport, origin)
        try:
            connection.begin()
        except OSError as error:  # the selector takes no more
            connection.close()
            self._exhausted(error)
        except Exception:  # our bug: it costs this connection, and not the listener
            log.exception("internal error in %s's first turn; closing it", origin.peer)
            connection.close()

    def _turn_away(self, transport: Transport) -> None:
        """One client has too many connections: say so, if the kernel takes it at once, and close."""
        error = ProtocolError(503, f"more than {self._service.settings.limit_per_client} connections from one address")
        try:
            transport.send(refusal(error, self._service.stamp, is_head=False))
            transport.recv(RECV_SIZE)  # closing over what was not read would reset the answer away
        except OSError:
            pass  # it has gone, or does not listen
        transport.close()

    def _pause_for_room(self) -> None:
        """Accept no more before there is room; and make some, when all who are ready in this turn have been heard."""
        self.pause()
        self._service.reactor.call_soon(self._make_room)

    def _make_room(self) -> None:
        """Whoever had to pause takes the place itself: in the next turn another listener might stand in front again."""
        if self._is_closed:
            return
        if not self._has_room() or self.is_exhausted:
            self._service.make_room()
        if self._watched and self._has_room():
            self._accept(1, is_limited=True)

    def _exhausted(self, error: OSError) -> None:
        if error.errno == errno.EMFILE:
            self._pause_for_room()
        else:
            self.pause()
        now = self._service.reactor.now
        if now >= self._silent_until:
            self._silent_until = now + SILENCE
            log.error("cannot accept on %s: %s; trying again every second", self.endpoint.url, error.strerror)
        self.is_exhausted = True
        self._service.reactor.keeps_time = True  # the tick resumes us


def revive(service: Service, fd: int, deadline: float) -> Connection | None:
    """The connection that was parked as `fd`; None: its peer has reset it, or the selector takes no more."""
    transport = Transport.from_descriptor(fd)
    try:
        origin = Origin(transport.peer())
    except OSError:
        transport.close()
        service.tell_room()
        return None
    connection = Connection(service, transport, origin)
    try:
        connection.unpark(deadline)
    except OSError as error:
        log.error("cannot watch %s: %s; closing it", origin.peer, error.strerror)
        connection.close()
        return None
    except Exception:  # our bug, which the parking logs
        connection.close()
        raise
    return connection
