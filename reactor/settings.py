"""Settings: every limit and timeout, with its unit, its reason and where users know it from.

Law: one frozen value, made at the start. Each field's metadata is its documentation: the command line, the
reference and the error messages are made from it.
"""

import resource
from dataclasses import dataclass, field, fields
from typing import Any

KIB = 1024
MIB = 1024 * KIB


def setting(default: Any, unit: str, why: str) -> Any:
    """A field of Settings; `unit` is "bytes", "seconds", "count" or ""."""
    return field(default=default, metadata={"unit": unit, "why": why})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set about how requests are served. 0 turns a limit or a timeout off."""

    limit_head_size: int = setting(32 * KIB, "bytes", "request line and fields; above it 431 (nginx has 4 x 8k)")
    limit_request_line: int = setting(8 * KIB, "bytes", "above it 414; RFC 9112 3 wants 8000 at least")
    limit_headers: int = setting(100, "count", "field lines in a head; above it 431 (gunicorn's number)")
    limit_body_size: int = setting(16 * MIB, "bytes", "of a body held in memory; above it 413; a body sink has its own")
    limit_discard: int = setting(256 * KIB, "bytes", "of an unwanted body read to keep its connection (Go's number)")
    limit_connections: int = setting(-1, "count", "open at once, then accepting pauses; -1: what RLIMIT_NOFILE allows")
    limit_per_client: int = setting(0, "count", "connections from one address; above it 503")
    limit_concurrency: int = setting(0, "count", "answers being worked on; above it 503")
    limit_requests_per_connection: int = setting(0, "count", "then it is closed")
    timeout_header: float = setting(10.0, "seconds", "for a whole head, from its first byte or from accept; then 408")
    timeout_body: float = setting(60.0, "seconds", "without progress of a body; then 408")
    timeout_write: float = setting(30.0, "seconds", "without progress of an answer; then the connection is reset")
    timeout_keep_alive: float = setting(75.0, "seconds", "between requests; longer than proxies in front keep theirs")
    timeout_linger: float = setting(5.0, "seconds", "for the peer's FIN after ours (nginx's lingering_timeout)")
    timeout_graceful_shutdown: float = setting(10.0, "seconds", "for answers under way at a stop; then they are reset")
    least_rate: int = setting(240, "bytes", "per second; slower, a body or answer counts as stalled (Kestrel's number)")
    backlog: int = setting(2048, "count", "connections the kernel queues for us (gunicorn's number)")
    server_header: bool = setting(True, "", "send Server: reactor")
    date_header: bool = setting(True, "", "send Date (RFC 9110 6.6.1 wants it)")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            least = -1 if item.name == "limit_connections" else 0
            if value < least:
                raise ValueError(f"{item.name} is {least} or more, not {value}")

    def connection_limit(self) -> int:
        """`limit_connections`, or what RLIMIT_NOFILE leaves after a reserve for files, listeners and logs."""
        if self.limit_connections >= 0:
            return self.limit_connections
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return 0
        return max(soft - max(soft // 10, 16), 1)
