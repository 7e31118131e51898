"""The configuration: command line over environment over defaults, and a clear line for what is wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reactor.cli.config import Config, make_parser, read_config
from reactor.cli.flags import FLAGS, UsageError
from reactor.settings import Settings


def read(*arguments: str, **environ: str) -> Config:
    return read_config(arguments, environ)


def binds(config: Config) -> list[str]:
    return [each.text for each in config.binds]


def test_the_defaults_are_those_of_settings() -> None:
    config = read()
    assert config.settings() == Settings()
    assert set(config.origins.values()) == {"default"}
    assert binds(config) == ["127.0.0.1:8000"]
    assert (config.values["target"], config.values["mount"], config.asked) == (None, [], "")


def test_every_field_of_settings_is_a_flag_and_a_variable() -> None:
    for flag in FLAGS:
        if flag.name in Settings.__dataclass_fields__:
            text = "no" if flag.metavar == "" else "7"
            arguments = [f"--no{flag.long[1:]}"] if flag.metavar == "" else [flag.long, text]
            by_flag, by_variable = read(*arguments), read(**{flag.variable: text})
            assert by_flag.settings() == by_variable.settings() == Settings(**{flag.name: flag.parse(text)})
            assert by_flag.settings() != Settings()
            assert by_flag.origins[flag.name] == "command line"
            assert by_variable.origins[flag.name] == f"environment ({flag.variable})"


def test_units() -> None:
    settings = read("--limit-body-size", "16m", "--timeout-header=500ms", "--limit-connections", "-1").settings()
    assert (settings.limit_body_size, settings.timeout_header, settings.limit_connections) == (16 << 20, 0.5, -1)


def test_the_command_line_wins() -> None:
    config = read(
        "hello", "--limit-headers", "5", REACTOR_LIMIT_HEADERS="6", REACTOR_TARGET="echo", REACTOR_BACKLOG="7"
    )
    assert (config.values["limit_headers"], config.values["target"], config.values["backlog"]) == (5, "hello", 7)


def test_an_empty_variable_is_not_set() -> None:
    assert read(REACTOR_LIMIT_HEADERS="", REACTOR_TARGET="").origins["limit_headers"] == "default"


def test_switches_both_ways() -> None:
    assert read("--no-access-log").values["access_log"] is False
    assert read("--access-log", REACTOR_ACCESS_LOG="no").values["access_log"] is True
    assert read(REACTOR_ACCESS_LOG="off").values["access_log"] is False
    assert read("--reuse-port").values["reuse_port"] is True
    assert read("--reuse-port", "--no-reuse-port").values["reuse_port"] is False


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        (["-b", ":1", "--bind", "unix:x"], {}, [":1", "unix:x"]),
        (["--port", "0"], {}, ["127.0.0.1:0"]),
        (["--host", "::1", "--port", "5"], {}, ["[::1]:5"]),
        (["--host", "[::1]"], {}, ["[::1]:8000"]),
        (["--host", "*"], {}, ["*:8000"]),
        ([], {"REACTOR_BIND": ":1 unix:'a b'"}, [":1", "unix:a b"]),
        ([], {"REACTOR_PORT": "5", "REACTOR_HOST": "localhost"}, ["localhost:5"]),
        (["--port", "0"], {"REACTOR_BIND": ":1"}, ["127.0.0.1:0"]),
        (["--port", "0"], {"REACTOR_HOST": "::1"}, ["[::1]:0"]),
        (["-b", ":1"], {"REACTOR_PORT": "5"}, [":1"]),
        (["-b", "127.0.0.1:0", "-b", "127.0.0.1:0"], {}, ["127.0.0.1:0", "127.0.0.1:0"]),
        (["-b", "127.0.0.1:1", "-b", "udp://127.0.0.1:1"], {}, ["127.0.0.1:1", "udp://127.0.0.1:1"]),
    ],
)
def test_where_to_listen(arguments: list[str], environ: Mapping[str, str], expected: list[str]) -> None:
    assert binds(read_config(arguments, environ)) == expected


def test_a_target_that_begins_with_a_dash() -> None:
    assert read("--port", "5", "--", "-x.py").values["target"] == "-x.py"


def test_mounts() -> None:
    assert read("--mount", "/a=x.py", "--mount", "/b=y:z").values["mount"] == [("/a", "x.py"), ("/b", "y:z")]
    assert read(REACTOR_MOUNT="/a=x.py /b=y:z").values["mount"] == [("/a", "x.py"), ("/b", "y:z")]


@pytest.mark.parametrize(
    ("arguments", "environ", "target", "origin"),
    [
        (["site"], {}, "site", "command line"),
        (["-d", "site"], {}, "./site", "command line"),
        (["--directory", "./site"], {}, "./site", "command line"),
        (["-d", "."], {}, ".", "command line"),
        ([], {"REACTOR_DIRECTORY": "site"}, "./site", "environment (REACTOR_DIRECTORY)"),
        (["-d", "site"], {"REACTOR_TARGET": "echo"}, "./site", "command line"),
        (["echo"], {"REACTOR_DIRECTORY": "site"}, "echo", "command line"),
        (["-d", "site"], {"REACTOR_DIRECTORY": "nowhere"}, "./site", "command line"),
        (["site", "--upload"], {}, "site:upload=yes", "command line"),
        (["site:listing=no", "--upload"], {}, "site:listing=no,upload=yes", "command line"),
        (["static:root=site", "--upload"], {}, "static:root=site,upload=yes", "command line"),
        (["-d", "site", "--upload"], {}, "./site:upload=yes", "command line"),
        ([], {"REACTOR_DIRECTORY": "site", "REACTOR_UPLOAD": "yes"}, "./site:upload=yes",
         "environment (REACTOR_DIRECTORY)"),
        (["site:upload=no", "--upload"], {}, "site:upload=no", "command line"),
        (["site", "--no-upload"], {"REACTOR_UPLOAD": "yes"}, "site", "command line"),
    ],
)  # fmt: skip
def test_a_directory_to_serve(
    arguments: list[str], environ: dict[str, str], target: str, origin: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    config = read(*arguments, **environ)
    assert (config.values["target"], config.origins["target"]) == (target, origin)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-d", "nowhere"], "--directory nowhere: there is no such directory"),
        (["-d", "file"], "--directory file: there is no such directory"),
        (["-d"], "--directory: DIR is missing"),
        (["echo", "-d", "site"], "TARGET is echo, and --directory says site: one of them"),
        (["site", "-d", "site"], "TARGET is site, and --directory says site: one of them"),
        (["echo", "--upload"], "--upload goes with a directory to serve, as in: reactor DIR --upload"),
        (["hello", "--upload"], "--upload goes with a directory to serve, as in: reactor DIR --upload"),
        (["--upload"], "--upload goes with a directory to serve, as in: reactor DIR --upload"),
        (["site", "--upload=yes"], "--upload: it takes no value"),
    ],
)
def test_what_is_wrong_with_a_directory(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("site", "hello"):
        (tmp_path / name).mkdir()  # the latter is a handler's name first
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        read(*arguments)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--limt-body-size", "5m"], "there is no flag --limt-body-size; did you mean --limit-body-size?"),
        (["--limit-body-sizes=5m"], "there is no flag --limit-body-sizes; did you mean --limit-body-size?"),
        (["--zzzzzz"], "there is no flag --zzzzzz"),
        (["--limit-body", "5m"], "there is no flag --limit-body; did you mean --limit-body-size?"),
        (["-x"], "there is no flag -x"),
        (["hello", "echo"], "one TARGET at a time, and echo is a second; --mount serves several"),
        (["--limit-body-size"], "--limit-body-size: SIZE is missing"),
        (["-b"], "--bind: ADDRESS is missing"),
        (["-b", "--port", "5"], "--bind: ADDRESS is missing"),
        (["--no-access-log=yes"], "--no-access-log: it takes no value"),
        (["--help=all"], "--help: it takes no value"),
        ([""], "TARGET: the name of a handler, a file or a module is wanted, not ''"),
        (["--"], "behind -- a TARGET is missing"),
        (["--port", "5", "--"], "behind -- a TARGET is missing"),
        (["handlers", "all"], "`reactor handlers` lists what can be served by name, and takes nothing more: leave out"),
        (["--host", ""], "--host: a name or an address, or * for all, is wanted, not ''"),
        (["-b", ":1", "-b", "*:1"], "--bind *:1: this address is given twice"),
        (["-b", "unix:x", "-b", "unix:x,mode=600"], "--bind unix:x,mode=600: this address is given twice"),
        (["-b", "fd://3", "-b", "fd://3"], "--bind fd://3: this address is given twice"),
        (["--limit-body-size", "5x"], "--limit-body-size: a size is written 64k, 16m, 1g or 512 (bytes), not '5x'"),
        (
            ["--timeout-header", "soon"],
            "--timeout-header: a duration is written 30s, 500ms, 5m, 1h or 2.5 (seconds), not",
        ),
        (["--limit-headers", "-5"], "--limit-headers: it is 0 or more, not -5"),
        (["--limit-connections", "-2"], "--limit-connections: it is -1 or more, not -2"),
        (["--limit-headers", "1.5"], "--limit-headers: a whole number is wanted, not '1.5'"),
        (["--port", "65536"], "--port: a port is a number from 0 to 65535, not '65536'"),
        (["--port", "http"], "--port: a port is a number from 0 to 65535, not 'http'"),
        (["--bind", "unxi://x"], "--bind unxi://x: unknown scheme 'unxi'; did you mean unix://x?"),
        (["-b", "127.0.0.1:99999"], "--bind 127.0.0.1:99999: a port is a number"),
        (["--host", "a b"], "--host a b:8000: write HOST:PORT"),
        (["-b", ":1", "--port", "5"], "--bind says both host and port; leave out --host and --port"),
        (
            ["--log-level", "debgu"],
            "--log-level: debug, info, warning, error or critical is wanted, not 'debgu'; did you",
        ),
        (["--mount", "api=x.py"], "--mount: a mount is written /prefix=SPEC, as in /api=app.py, not 'api=x.py'"),
    ],
)
def test_what_is_wrong_on_the_command_line(arguments: list[str], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*arguments)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_what_argparse_says_of_no_flag_of_ours_is_passed_on() -> None:
    with pytest.raises(UsageError, match=r"^something odd$"):
        make_parser().error("something odd")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("REACTOR_TIMEOUT_HEADER", "soon", "REACTOR_TIMEOUT_HEADER: a duration is written"),
        ("REACTOR_PORT", "80a", "REACTOR_PORT: a port is a number from 0 to 65535, not '80a'"),
        ("REACTOR_PORT", "tcp://10.0.0.1:80", "REACTOR_PORT: a port is a number from 0 to 65535, not 'tcp://"),
        ("REACTOR_BIND", "tpc://x", "REACTOR_BIND tpc://x: unknown scheme"),
        ("REACTOR_BIND", ":1 :1", "REACTOR_BIND :1: this address is given twice"),
        ("REACTOR_MOUNT", "'/a=b", "REACTOR_MOUNT: No closing quotation"),
        ("REACTOR_HOST", "a b", "REACTOR_HOST a b:8000: write HOST:PORT"),
        ("REACTOR_ACCESS_LOG", "perhaps", "REACTOR_ACCESS_LOG: yes or no is wanted, not 'perhaps'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_environment(name: str, text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(**{name: text})
    assert str(caught.value).startswith(line)


def test_a_misspelt_variable_is_mentioned_and_others_are_not_ours() -> None:
    config = read(REACTOR_TIMEOUT_HEADRE="5s", REACTOR_SERVICE_HOST="10.0.0.1", REACTOR_PORT_8000_TCP="x", PATH="/bin")
    assert config.warnings == ["REACTOR_TIMEOUT_HEADRE is not known; did you mean REACTOR_TIMEOUT_HEADER?"]


@pytest.mark.parametrize("flag", ["--help", "--version", "--print-config"])
def test_questions(flag: str) -> None:
    assert read(flag).asked == flag[2:].replace("-", "_")


def test_every_value_is_shown_with_its_origin() -> None:
    lines = read(
        "echo", "--port", "0", "--mount", "/a=x.py", REACTOR_TIMEOUT_HEADER="5m", REACTOR_LIMIT_HEADERS="7"
    ).lines()
    shown = {line.split(" ")[0]: line.partition("= ")[2] for line in lines}
    assert [*shown] == [flag.name.replace("_", "-") for flag in FLAGS]
    rows = {name: tuple(part.strip() for part in row.split("  # ")) for name, row in shown.items()}
    assert rows["target"] == ('"echo"', "command line")
    assert rows["mount"] == ('["/a=x.py"]', "command line")
    assert rows["bind"] == ('["127.0.0.1:0"]', "command line")
    assert rows["timeout-header"] == ('"5m"', "environment (REACTOR_TIMEOUT_HEADER)")
    assert rows["limit-headers"] == ("7", "environment (REACTOR_LIMIT_HEADERS)")
    assert rows["limit-body-size"] == ('"16m"', "default")
    assert rows["access-log"] == ("true", "default")


def test_binds_are_shown_as_they_were_written() -> None:
    line = next(line for line in read("-b", "unix:/x,mode=660").lines() if line.startswith("bind"))
    assert '= ["unix:/x,mode=660"]' in line
