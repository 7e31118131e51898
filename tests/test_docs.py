"""What the documents show is run: every Python snippet, every server, every curl line and what it prints.

A snippet that begins with `# name.py` is that file; another one is run where those files are, and its asserts hold.
In a console block `$ python3 -m reactor …` starts a server, which lives as long as the block; what is printed below a
command is what it prints. A block of TOML with entry points is a package that has been installed.
"""

import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from loadtest.servers import free_port

from .conftest import need

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.exists()]
WAIT = 20.0  # seconds, for what takes one at most

SERVER = re.compile(r"(?:python3? -m )?reactor\b(?! handlers)")
ELSEWHERE = ("git clone", "python3 -m tests", "python3 -m loadtest", "pip install", "cd ")  # CI does, or tests of it


class Snippet(NamedTuple):
    """A fenced block: where it stands, its language, its text."""

    document: Path
    line: int
    language: str
    text: str

    @property
    def filename(self) -> str | None:
        """Of a snippet that is a file."""
        match = re.match(r"# (\w+\.py)\n", self.text)
        return match[1] if match and self.language == "python" else None


def snippets(document: Path) -> Iterator[Snippet]:
    text = document.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Snippet(document, text[: match.start()].count("\n") + 2, match[1], match[2])


ALL = [each for document in DOCUMENTS for each in snippets(document)]


def of(*languages: str) -> list[Snippet]:
    return [each for each in ALL if each.language in languages]


def where(snippet: Snippet) -> str:
    return f"{snippet.document.name}:{snippet.line}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """For each document a folder with its files, and its packages as if they had been installed."""
    found = {document: tmp_path_factory.mktemp(document.stem) for document in DOCUMENTS}
    for each in ALL:
        folder = found[each.document]
        if each.filename:
            assert not (folder / each.filename).exists(), f"{where(each)}: {each.filename} is there already"
            (folder / each.filename).write_text(each.text)
        elif each.language == "toml" and "entry-points" in each.text:
            install(tomllib.loads(each.text)["project"], folder)
    return found


def install(project: dict[str, object], folder: Path) -> None:
    """The metadata that pip would leave behind."""
    info = folder / f"{str(project['name']).replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {spec}\n" for name, spec in each.items()) for group, each in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


@pytest.mark.parametrize("snippet", of("python"), ids=where)
def test_a_python_snippet_runs(snippet: Snippet, folders: dict[Path, Path], tmp_path: Path) -> None:
    script = tmp_path / f"{snippet.document.stem}.md"  # its lines are numbered as in the document
    script.write_text("\n" * (snippet.line - 1) + snippet.text)
    folder = folders[snippet.document]
    environ = environment()
    environ["PYTHONPATH"] += f":{folder}"
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("snippet", of("toml"), ids=where)
def test_a_toml_snippet_is_toml(snippet: Snippet) -> None:
    assert tomllib.loads(snippet.text)


@pytest.mark.parametrize("snippet", of("console"), ids=where)
def test_a_console_block_prints_what_it_shows(snippet: Snippet, folders: dict[Path, Path]) -> None:
    folder = folders[snippet.document]
    shown = list(commands(snippet))
    names = Renamed(" ".join(command for command, _ in shown))
    with ExitStack() as servers:
        for command, expected in shown:
            if command.startswith(ELSEWHERE):
                continue
            tool = shlex.split(command)[0]
            if SERVER.match(command):
                printed = servers.enter_context(serving(names.ours(command), folder))
            else:
                printed = run(names.ours(command), folder, is_piped="|" in command or tool == "mkdir")
            if expected:
                assert tidy(names.shown(printed)) == tidy(expected), command


def commands(snippet: Snippet) -> Iterator[tuple[str, str]]:
    """Each command of a console block, without the comment behind it, and what is printed below it."""
    for part in re.split(r"^\$ ", snippet.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield re.sub(r"\s+#.*", "", command), output


class Renamed:
    """Free ports and names of our own for those in a block: two runs at once do not meet."""

    def __init__(self, text: str) -> None:
        self.names = {port: str(free_port()) for port in {"8000", *re.findall(r"[:\s](\d{4,5})\b", text)}}
        for name in re.findall(r"unix:@(\w+)", text):  # curl writes it without the @
            ours = f"{name}-{os.getpid()}"
            self.names |= {
                f"unix:@{name}": f"unix:@{ours}",
                f"--abstract-unix-socket {name}": f"--abstract-unix-socket {ours}",
            }

    def ours(self, text: str) -> str:
        if SERVER.match(text) and "--bind" not in text and "--port" not in text:
            text += " --port 8000"
        return self._replace(text, self.names)

    def shown(self, text: str) -> str:
        return self._replace(text, {ours: shown for shown, ours in self.names.items()})

    def _replace(self, text: str, names: dict[str, str]) -> str:
        either = "|".join(map(re.escape, names))
        return re.sub(rf"(?<=[:\s])({either})(?![\w-])", lambda each: names[each[0]], text)


@contextmanager
def serving(command: str, folder: Path) -> Iterator[str]:
    """Run a server, which stops as it should; gives what it printed at its start."""
    words = shlex.split(command)
    arguments = words[words.index("reactor") + 1 :]
    server = subprocess.Popen(
        [sys.executable, "-m", "reactor", *arguments],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(WAIT, server.kill)
    watchdog.start()
    assert server.stdout is not None
    with server.stdout as output:
        try:
            printed = ""
            while not re.search(r"^stop .*\n", printed, re.MULTILINE):
                line = output.readline()
                assert line, f"{command} did not start: {printed}"
                printed += line
            yield printed
            server.terminate()
            rest = output.read()
        finally:
            watchdog.cancel()
            server.kill()
            server.wait()
    assert server.returncode == 0, rest
    assert "Traceback" not in rest


def run(command: str, folder: Path, is_piped: bool) -> str:
    """What a command prints; only tools that harm nothing are run."""
    tools = [shlex.split(part)[0] for part in command.split("|")]
    assert set(tools) <= {"curl", "nc", "printf", "mkdir"}, f"who is to run this: {command}"
    for tool in tools:
        need(tool)
    arguments: str | list[str] = command if is_piped else shlex.split(command)
    done = subprocess.run(arguments, shell=is_piped, cwd=folder, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tidy(text: str) -> list[str]:
    """Lines to compare: without what differs from run to run, and between a terminal and a pipe."""
    text = re.sub(r"^Date: .*$", "Date: now", text.replace("\r\n", "\n"), flags=re.MULTILINE)
    text = re.sub(r"^stop .*$", "stop", text, flags=re.MULTILINE)
    return text.rstrip("\n").split("\n")


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """Where the relative links of a document lead: a file, and a heading in it or ""."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            yield (document.parent / path if path else document), heading


def headings(document: Path) -> set[str]:
    """As they are linked to: in small letters, with dashes for spaces, without punctuation."""
    lines = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_somewhere(document: Path) -> None:
    for path, heading in links(document):
        assert path.exists(), f"{document.name}: {path}"
        assert not heading or heading in headings(path), f"{document.name}: {path}#{heading}"


def test_something_was_found() -> None:
    assert len(of("python")) > 10
    assert len(of("console")) > 10
    assert sum(1 for document in DOCUMENTS for _ in links(document)) > 5
