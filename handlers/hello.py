"""The demo: "/" welcomes, "/test" says Hello, everything else is 404. The server this project grew from."""

from reactor import Request, Response

WELCOME = Response(200, "Welcome to the server!")
HELLO = Response(200, "Hello")
NOT_FOUND = Response(404, "Not Found")


def handler(request: Request) -> Response:
    """Answer by path alone."""
    if request.path == "/test":
        return HELLO
    if request.path == "/":
        return WELCOME
    return NOT_FOUND
