"""Datagram endpoints: a packet in, a packet out or none.

Law: nothing is kept between two packets, and nothing is owed: an answer that the kernel does not take at once
is lost, as datagrams may be.
"""

import logging
import os
import socket

from .address import Endpoint
from .answers import DatagramHandler
from .loop import READ, Reactor

log = logging.getLogger("reactor")

BURST = 64  # packets answered from one endpoint in one turn
PACKET = 64 * 1024  # bytes; no UDP packet is longer, a Unix one may be


class DatagramEndpoint:
    """One bound datagram socket and the handler whose `on_datagram` answers on it."""

    def __init__(self, endpoint: Endpoint, reactor: Reactor, handler: DatagramHandler) -> None:
        self.endpoint = endpoint
        self._reactor = reactor
        self._handler = handler
        self._watched = 0

    def fileno(self) -> int:
        return self.endpoint.sock.fileno()

    def resume(self) -> None:
        if not self._watched:
            self._watched = READ
            self._reactor.watch(self, READ, self._on_readable)

    def close(self) -> None:
        if self._watched:
            self._reactor.watch(self, 0, self._on_readable, self._watched)
            self._watched = 0
        self.endpoint.close()

    def _on_readable(self, _ready: int) -> None:
        sock = self.endpoint.sock
        for _ in range(BURST):
            try:
                data, _, flags, peer = sock.recvmsg(PACKET)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier answer was not delivered (ICMP); the next packet is another matter
            if flags & socket.MSG_TRUNC:
                log.warning("a datagram on %s is longer than %d bytes; no answer", self.endpoint.url, PACKET)
                continue
            answer = self._ask(data)
            if answer is None or not peer:  # an unbound Unix socket has no name to answer to
                continue
            try:
                sock.sendto(answer, peer)
            except OSError as error:
                log.debug("an answer on %s was lost: %s", self.endpoint.url, os.strerror(error.errno or 0))

    def _ask(self, data: bytes) -> bytes | None:
        name = type(self._handler).__name__
        try:
            answer: object = self._handler.on_datagram(data)
        except KeyboardInterrupt:
            raise
        except BaseException:
            log.exception("on_datagram of %s raised; no answer", name)
            return None
        if answer is None or isinstance(answer, bytes):
            return answer
        log.error("on_datagram of %s returned %s, not bytes or None; no answer", name, type(answer).__name__)
        return None
