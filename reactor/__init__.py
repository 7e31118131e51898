"""Reactor: an HTTP/1.1 server in pure Python. One thread, one selector, a state machine per connection.

The map, lowest layer first; a file imports only from those above it here, and `tests/test_layers.py` sees to it:

    http1/         the protocol, no I/O: grammar, errors, dates, memo, fields, framing, terms, query, request, parser,
                   body, response, response_parser
    settings       every limit and timeout, with unit and reason
    loop           the reactor: select, call back, tick; knows no HTTP
    address        bind addresses: parse, open
    transport      a socket as the rest sees it
    answers        Later, Upgrade, body sinks: what a handler may answer with besides a Response
    outbox         what we owe, and how it leaves: send, sendmsg, sendfile, iterators
    reply          from a Response to bytes: framing decided
    exchange       a request whose body or answer is not complete
    outlet         lines to whoever reads a log, without waiting
    terminal       colours or none, log records as lines
    access_log     a line per answer
    parking        idle connections, without the objects they are made of
    service        what the connections of a server share
    dial           other servers: where they are, sockets on their way there
    asking         what passes between a connection to another server and whoever asks
    hearing        its answers, from bytes in the inbox to the asker
    client         a connection to another server: asks, and hears the answers
    upgrade        an upgraded protocol and its link
    respondent     request -> handler -> outbox, at once or later, and a line in the log
    dialogue       inbox -> requests and bodies -> respondent; or -> an upgraded protocol
    courier        transport -> inbox, outbox -> transport
    state          the table of a connection's states
    wait           the clock of a state: since when, until when
    connection     the state machine: what is waited for, and until when; the end
    aio/           asyncio: the reactor as a loop's guest, requests as tasks; imported where it is needed
    coroutines     what may be a handler: a coroutine function, too
    listener       accepting, in bursts and with pauses
    datagram       packets in, packets out
    signals        TERM, INT and HUP, while a server runs
    server         wires it all; start, drain, stop
    memory         a transport and a reactor without a kernel
    testing        a client for handlers, without sockets
    values         what people write, as values: sizes, durations, switches
    plugins/       SPEC -> handler: found, imported, given its options
    cli/           python -m reactor: flags, environment, messages, exit codes

To follow a request, read loop, state, connection, courier, dialogue, http1/parser, respondent, exchange, reply, outbox,
in this order.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # said before anything is imported that an older Python cannot read
    _line = f"reactor needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}"
    raise SystemExit(_line) if sys.argv[0] == "-m" else ImportError(_line)

from typing import TYPE_CHECKING, Any

from .answers import Answer, BodySink, DatagramHandler, Handler, Later, Link, Upgrade, UpgradedProtocol
from .asking import Asker, ClientError, ClientTimeouts, Taker
from .client import ClientConnection
from .coroutines import as_handler
from .dial import Place, Upstream, parse_upstream, resolve
from .exchange import Collector
from .http1.dates import http_date, parse_http_date
from .http1.fields import Headers
from .http1.query import Query
from .http1.request import Request
from .http1.response import FileBody, Response, check_trailers
from .http1.response_parser import ResponseHead
from .server import Server, serve
from .service import handler_name
from .settings import Settings

if TYPE_CHECKING:
    from .aio import Gone, Host, Inflow, Outflow, Pieces, StreamingRequest, Whole, current_host, streaming

__version__ = "0.1.0"

__all__ = [
    "Answer", "Asker", "BodySink", "ClientConnection", "ClientError", "ClientTimeouts", "Collector", "DatagramHandler",
    "FileBody", "Gone", "Handler", "Headers", "Host", "Inflow", "Later", "Link", "Outflow", "Pieces", "Place", "Query",
    "Request", "Response", "ResponseHead", "Server", "Settings", "StreamingRequest", "Taker", "Upgrade",
    "UpgradedProtocol", "Upstream", "Whole",
    "as_handler", "check_trailers", "current_host", "handler_name", "http_date", "parse_http_date", "parse_upstream",
    "resolve", "serve", "streaming",
]  # fmt: skip

_OF_ASYNCIO = ("Gone", "Host", "Inflow", "Outflow", "Pieces", "StreamingRequest", "Whole", "current_host", "streaming")


def __getattr__(name: str) -> Any:
    """What needs asyncio is imported when it is asked for."""
    if name not in _OF_ASYNCIO:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import aio

    return getattr(aio, name)
