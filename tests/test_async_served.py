"""What is async, served by `python -m reactor`: found out, and run."""

from pathlib import Path
from textwrap import dedent
from urllib.request import urlopen

import pytest

from tests.program import Program, run

SOURCE = dedent("""\
    import asyncio

    from handlers.router import Router
    from reactor import Response

    async def hello(request):
        await asyncio.sleep(0)
        return Response(200, "hello")

    async def count(number):
        for each in range(number):
            await asyncio.sleep(0)
            yield b"%d " % each

    routes = Router()

    @routes.get("/count/{number:int}")
    async def counted(request):
        return Response(200, count(int(request.params["number"])))

    @routes.get("/plain")
    def plain(request):
        return Response(200, "plain")

    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            scope["state"]["word"] = b"hello"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["state"]["word"]})
    """)


@pytest.mark.parametrize(
    ("attr", "path", "body"),
    [
        ("hello", "/", b"hello"),
        ("routes", "/count/3", b"0 1 2 "),
        ("routes", "/plain", b"plain"),
        ("asgi", "/", b"hello"),
    ],
)
def test_it_is_found_out_and_served(attr: str, path: str, body: bytes, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(SOURCE)
    with Program(f"work.py:{attr}", "--port", "0", cwd=tmp_path) as program:
        with urlopen(program.url + path) as answer:
            assert (answer.status, answer.read()) == (200, body)
        assert program.stop() == 0
        assert "Traceback" not in program.said()


def test_a_startup_that_fails_is_the_apps_reason(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    ended = run("work.py", cwd=tmp_path)
    assert ended.returncode == 3
    assert "no database" in ended.stderr
