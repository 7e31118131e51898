"""A browser nobody here wrote: headless Chromium shows the demo, and an answer that comes in pieces."""

import html
import re
import subprocess
from pathlib import Path

from .conftest import need
from .program import DEADLINE, Program

# Without the last four it looks for hosts on the network that are not there.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip

PIECES = """
from reactor import Request, Response

def handler(request: Request) -> Response:
    return Response(200, (b"<p>piece %d" % n for n in range(1000)), content_type="text/html")
"""


def shown(url: str, folder: Path) -> str:
    """The text of the page at `url`, as the browser has it in the end."""
    command = [need("chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", url]
    dom = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3 * DEADLINE).stdout
    return html.unescape(re.sub(r"<[^>]*>", "", dom)).strip()


def test_the_demo(tmp_path: Path) -> None:
    need("chromium")
    with Program("hello", cwd=tmp_path) as program:
        assert shown(f"{program.url}/", tmp_path) == "Welcome to the server!"
        assert shown(f"{program.url}/test", tmp_path) == "Hello"
        assert shown(f"{program.url}/nope", tmp_path) == "Not Found"
        assert program.stop() == 0


def test_an_answer_in_pieces(tmp_path: Path) -> None:
    need("chromium")
    (tmp_path / "pieces.py").write_text(PIECES)
    with Program("pieces.py", cwd=tmp_path) as program:
        assert shown(f"{program.url}/", tmp_path) == "".join(f"piece {n}" for n in range(1000))
        assert program.stop() == 0
