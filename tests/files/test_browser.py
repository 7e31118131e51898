"""A browser nobody here wrote: it shows a folder, goes where a click leads, seeks in a recording, and uploads."""

import gzip
import math
import struct
from pathlib import Path

import pytest

from tests.conftest import need
from tests.program import Program

from .browser import Browser
from .clients import MIB, answered, digest, noise, serving

NAMES = ["a b.txt", "größe.txt", "<b>&amp;.txt", "100%.txt", "q?r#s.txt", "javascript:alert(1).txt", "dash -- .txt"]
RATE = 8000  # samples per second
SECONDS = 3600

PAGE = {
    "index.html": """<!DOCTYPE html><html lang="de"><title>größe</title><link rel="stylesheet" href="style.css">
        <img id="image" src="image.svg"><script>let tell; const told = new Promise(done => tell = done)</script>
        <script type="module" src="app.mjs"></script>""",
    "style.css": "html { --told: 'größe' }",
    "image.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="12" height="7"/>',
    "library.js": "export const text = 'größe'",
    "data.json": '{"text": "größe"}',
    "app.mjs": """import {text} from "./library.js"
        const image = document.getElementById("image")
        await image.decode()
        await WebAssembly.compileStreaming(fetch("empty.wasm"))
        const answer = await fetch("data.json")
        tell([document.title, getComputedStyle(document.documentElement).getPropertyValue("--told"), image.naturalWidth,
              text, (await answer.json()).text, answer.headers.get("Content-Type")])""",
}
PARTS = ["größe", "'größe'", 12, "größe", "größe", "application/json"]  # what it tells in the end

PLAYER = """<!DOCTYPE html><title>player</title><video id="player" src="tone.wav" preload="auto" muted></video><script>
const player = document.getElementById("player");
function told(name) {
  return new Promise((done, failed) => {
    player.addEventListener(name, done, {once: true});
    player.addEventListener("error", () => failed(new Error(player.error.message)), {once: true});
  });
}
async function seek(place) {
  if (player.readyState < 1) await told("loadedmetadata");
  const seeked = told("seeked");
  player.currentTime = place;
  await seeked;
  const at = player.currentTime, played = told("timeupdate");
  await player.play();
  await played;
  return [player.duration, at, player.error === null];
}
</script>"""

NOTED = """
from pathlib import Path
from handlers.middleware import compose, middleware
from handlers.static import Static

@middleware
def noted(request):
    asked = request.headers.get("range", "-")
    response = yield
    print("noted", request.path, response.status, asked, flush=True)
    return response

handler = compose(Static(root=Path("site")), noted)
"""


@pytest.fixture
def names(site: Path) -> list[str]:
    """Files of all sorts of names, and a folder with one in it; what a listing should show, in any order."""
    for name in NAMES:
        (site / name).write_text(f"this is {name}")
    (site / "folder").mkdir()
    (site / "folder" / "inner.txt").write_text("this is inner.txt")
    return [*NAMES, "folder"]


def links(browser: Browser) -> dict[str, str]:
    """Where each link of a listing leads, by its text without the slash of a folder."""
    found = browser.evaluate("[...document.querySelectorAll('a')].map(each => [each.textContent.trim(), each.href])")
    return {text.rstrip("/"): target for text, target in found}


def test_a_listing_is_shown_and_every_link_leads_to_its_file(site: Path, names: list[str], tmp_path: Path) -> None:
    need("chromium")
    with serving(site) as program, Browser(tmp_path) as browser:
        for width in (360, 1280):
            browser.resize(width, 800)
            browser.go(f"{program.url}/")
            assert browser.rows_seen() > 20, "the picture is blank"
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
        targets = links(browser)
        assert set(names) <= set(targets)
        for name in NAMES:
            browser.go(targets[name])
            assert browser.evaluate("document.body.innerText") == f"this is {name}"


def test_a_click_leads_into_a_folder_and_back(site: Path, names: list[str], tmp_path: Path) -> None:
    need("chromium")
    with serving(site) as program, Browser(tmp_path) as browser:
        browser.go(f"{program.url}/")
        browser.click("a[href='folder/'], a[href='./folder/']")
        assert browser.evaluate("location.pathname") == "/folder/"
        browser.click("a[href$='inner.txt']")
        assert browser.evaluate("document.body.innerText") == "this is inner.txt"
        browser.go(f"{program.url}/folder/")
        browser.evaluate("[...document.querySelectorAll('a')].find(each => each.pathname == '/').focus()")
        browser.follow_with_enter()
        assert browser.evaluate("location.pathname") == "/"


def test_the_parts_of_a_page_are_what_their_names_say(site: Path, tmp_path: Path) -> None:
    """A browser that must not sniff takes a style, a module or WebAssembly only if its type is right."""
    need("chromium")
    for name, text in PAGE.items():
        (site / name).write_text(text)
    (site / "empty.wasm").write_bytes(b"\0asm\1\0\0\0")
    (site / "style.css.gz").write_bytes(gzip.compress(PAGE["style.css"].encode()))
    with serving(site) as program, Browser(tmp_path) as browser:
        browser.go(f"{program.url}/")
        assert browser.evaluate("told") == PARTS
        browser.reload()
        assert browser.evaluate("told") == PARTS
        program.await_said("GET / 304 0 B", "stdout")
        statuses = {name: answered(program, f"/{name}") for name in (*PAGE, "empty.wasm") if name != "index.html"}
    assert all(each[0] == 200 and set(each[1:]) <= {304} for each in statuses.values()), statuses


def recording(path: Path) -> None:
    """An hour of a tone, as WAV: 55 MiB of 8-bit samples, far more than a browser asks for ahead."""
    second = bytes(128 + round(100 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(RATE))
    size = RATE * SECONDS
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size))
        for _ in range(SECONDS):
            file.write(second)


def test_a_recording_is_seeked_in(site: Path, tmp_path: Path) -> None:
    need("chromium")
    recording(site / "tone.wav")
    (site / "player.html").write_text(PLAYER)
    (tmp_path / "noted.py").write_text(NOTED)
    size = (site / "tone.wav").stat().st_size
    with Program("noted.py", cwd=tmp_path) as program, Browser(tmp_path) as browser:
        browser.go(f"{program.url}/player.html")
        duration, at, is_well = browser.evaluate(f"seek({SECONDS - 100})")
        noted = program.await_said("noted /tone.wav 206 bytes=[0-9]{7}", "stdout")
    assert (duration, at, is_well) == (SECONDS, SECONDS - 100, True)
    lines = [line.split() for line in noted.splitlines() if line.startswith("noted /tone.wav 206 ")]
    starts = [int(line[3].removeprefix("bytes=").partition("-")[0]) for line in lines]
    assert max(starts) > size // 2, starts


def test_files_are_uploaded_by_the_form(site: Path, desk: Path, tmp_path: Path) -> None:
    need("chromium")
    (site / "folder").mkdir()
    for name, data in (("größe \"q\" 'x' 5%.bin", noise(2 * MIB)), ("empty", b"")):
        (desk / name).write_bytes(data)
    with serving(site, upload="yes") as program, Browser(tmp_path) as browser:
        browser.go(f"{program.url}/folder/")
        browser.choose("input[type=file]", *desk.iterdir())
        browser.click("form button")
        assert browser.evaluate("location.pathname") == "/folder/"
        shown = links(browser)
    assert {path.name for path in (site / "folder").iterdir()} == {path.name for path in desk.iterdir()} <= set(shown)
    for path in desk.iterdir():
        assert digest(site / "folder" / path.name) == digest(path)
