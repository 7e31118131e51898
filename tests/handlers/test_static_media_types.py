"""Media types: by name alone, and the same everywhere."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static import media_types
from handlers.static.media_types import UNKNOWN, media_type
from reactor import Response

TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("INDEX.HTM", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.min.mjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("data.json", "application/json"),
        ("site.webmanifest", "application/manifest+json"),
        ("module.wasm", "application/wasm"),
        ("feed.xml", "application/xml"),
        ("logo.svg", "image/svg+xml"),
        ("photo.JPG", "image/jpeg"),
        ("photo.avif", "image/avif"),
        ("photo.jxl", "image/jxl"),
        ("favicon.ico", "image/vnd.microsoft.icon"),
        ("song.mp3", "audio/mpeg"),
        ("film.mp4", "video/mp4"),
        ("live.m3u8", "application/vnd.apple.mpegurl"),
        ("segment0.ts", "video/mp2t"),
        ("film.vtt", "text/vtt; charset=utf-8"),
        ("font.woff2", "font/woff2"),
        ("paper.pdf", "application/pdf"),
        ("table.csv", "text/csv; charset=utf-8"),
        ("README.md", "text/markdown; charset=utf-8"),
        ("notes.txt", TEXT),
        ("main.py", TEXT),
        ("app.tsx", TEXT),
        ("build.sh", TEXT),
        ("pyproject.toml", "application/toml"),
        ("ci.yaml", "application/yaml"),
        ("ci.yml", "application/yaml"),
        ("party.ics", "text/calendar; charset=utf-8"),
        ("scene.gltf", "model/gltf+json"),
        ("reactor-1.0-py3-none-any.whl", "application/zip"),
        ("reactor_1.0_all.deb", "application/vnd.debian.binary-package"),
        ("game.apk", "application/vnd.android.package-archive"),
        ("source.tar.gz", "application/gzip"),  # the archive as it is: no Content-Encoding is meant
        ("source.tgz", "application/gzip"),
        ("source.tar", "application/x-tar"),
        ("drawing.svgz", "application/gzip"),
        ("Makefile", TEXT),
        ("README", TEXT),
        ("license", TEXT),
        (".gitignore", TEXT),
        ("docs/v1.2/README", TEXT),
        ("docs/v1.2/index.html", "text/html; charset=utf-8"),
        # Not known.
        ("", UNKNOWN),
        (".", UNKNOWN),
        ("program", UNKNOWN),
        ("program.exe", UNKNOWN),
        ("html", UNKNOWN),
        ("name.", UNKNOWN),
        ("index.html.", UNKNOWN),
        ("index.html ", UNKNOWN),
        ("index.html\n", UNKNOWN),
        ("folder.html/program", UNKNOWN),
        ("README.unheard-of", UNKNOWN),
        ("x.html\x00.png", "image/png"),
        # Bytes that are no text.
        ("\udcff.html", "text/html; charset=utf-8"),
        ("page.\udcff", UNKNOWN),
        ("\udcff", UNKNOWN),
    ],
)
def test_a_name_is_a_type(name: str, kind: str) -> None:
    assert media_type(name) == kind


def every_suffix() -> list[str]:
    return [suffix for all_of in media_types._SUFFIXES_BY_TYPE.values() for suffix in all_of.split()]


def test_no_suffix_is_there_twice() -> None:
    suffixes = every_suffix()
    assert len(suffixes) == len(set(suffixes)) > 200
    assert all(re.fullmatch(r"[a-z0-9]+", suffix) for suffix in suffixes)


def test_every_type_is_one_and_says_its_charset_where_it_is_text() -> None:
    shape = re.compile(r"(application|audio|font|image|message|model|multipart|text|video)/[a-z0-9][a-z0-9.+-]*")
    for suffix in every_suffix():
        kind, _, charset = media_type(f"a.{suffix}").partition("; ")
        assert shape.fullmatch(kind)
        assert charset == ("charset=utf-8" if kind.startswith("text/") else "")


def test_nothing_is_read_from_the_system() -> None:
    program = """if True:
        import sys
        opened = []
        sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
        from handlers.static.media_types import media_type
        media_type("a.html"), media_type("a.unheard-of")
        print(any("media_types." in name for name in opened))
        print([name for name in opened if name.endswith("mime.types")])
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n[]\n"


@given(st.text(st.characters(), max_size=20))
def test_every_name_has_a_type_that_can_be_sent(name: str) -> None:
    for each in (name, f"{name}.txt"):
        kind = media_type(each)
        assert Response(200, b"", content_type=kind).headers == (("Content-Type", kind),)
    assert media_type(f"{name}.TXT") == TEXT
