"""Reactor: an HTTP/1.1 server in pure Python. One thread, one selector, a state machine per connection."""

from .answers import Answer, BodySink, DatagramHandler, Handler, Later, Link, Upgrade, UpgradedProtocol
from .http1.errors import ProtocolError
from .http1.request import Request
from .http1.response import FileBody, Response
from .server import Server
from .settings import Settings

__all__ = ["Answer", "BodySink", "DatagramHandler", "FileBody", "Handler", "Later", "Link", "ProtocolError",
           "Request", "Response", "Server", "Settings", "Upgrade", "UpgradedProtocol"]  # fmt: skip
