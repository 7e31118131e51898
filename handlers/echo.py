"""Echo: what came, sent back. A body with its content type; a datagram as it is.

Law: only the body comes back. Fields are never echoed: they may hold cookies and credentials.
"""

from reactor import Request, Response

# The sender chooses the content type, and the sender may be another site's page: what comes back must not run as
# a script of ours. The type is kept, for that is what an echo is for; a browser is told not to guess another, and
# to open whatever it is (HTML, SVG, XML, and what is yet to be invented) without scripts and without our origin.
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


class Echo:
    """Answers every method and path; memory is bounded by the server's limit-body-size."""

    def __call__(self, request: Request) -> Response:
        return Response(200, request.body, SAFE, content_type=request.headers.get("content-type"))

    def on_datagram(self, data: bytes) -> bytes:
        return data


handler = Echo()
