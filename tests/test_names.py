"""Flags that there are not: the one that was meant, or none; never a misleading one."""

import pytest

from reactor.cli.config import make_parser, read_config
from reactor.cli.names import meant

FLAGS = tuple(make_parser()._option_string_actions)

OURS_BY_ANOTHER_NAME = {
    "--connection-limit": "--limit-connections",  # waitress
    "--graceful-timeout": "--timeout-graceful-shutdown",  # gunicorn, hypercorn
    "--keep-alive": "--timeout-keep-alive",  # gunicorn, hypercorn
    "--no-log": "--no-access-log",  # granian
}
NONE_OF_OURS = {
    "gunicorn": "-w --workers -k --worker-class --worker-connections -t --timeout --max-requests --max-requests-jitter "
    "--limit-request-fields --limit-request-field_size --reload --reload-engine --preload --check-config --no-sendfile "
    "-D --daemon -p --pid -u --user -g --group -m --umask -e --env --chdir --pythonpath --paste --spew --name "
    "--access-logfile --access-logformat --error-logfile --log-file --log-config --capture-output --log-syslog "
    "--statsd-host --dirty-app --keyfile --certfile --ca-certs --forwarded-allow-ips --proxy-protocol --root-path",
    "uvicorn": "--uds --fd --reload --reload-dir --reload-delay --workers --http --ws --ws-max-size --lifespan "
    "--env-file --log-config --use-colors --no-use-colors --proxy-headers --no-proxy-headers --root-path --header "
    "--limit-max-requests --timeout-worker-healthcheck --ssl-keyfile --ssl-certfile --h11-max-incomplete-event-size",
    "hypercorn": "--insecure-bind --quic-bind --debug --error-log --read-timeout --server-name --statsd-prefix "
    "--verify-mode --websocket-ping-interval -c --config",
    "waitress": "--listen --unix-socket --url-scheme --url-prefix --channel-timeout --cleanup-interval --call --ident "
    "--recv-bytes --max-request-body-size --max-request-header-size --no-ipv6 --expose-tracebacks",
    "flask run": "--app --cert --key --debug --debugger --no-reload --with-threads --without-threads --extra-files",
    "manage.py runserver": "--ipv6 -6 --noreload --nothreading --nostatic --insecure --settings --verbosity",
    "http.server": "--cgi --protocol --tls-cert --tls-key",
}
ALIKE = ["-b", "-h", "--bind", "--host", "--port", "--threads", "--backlog", "--log-level", "--factory", "--app-dir",
         "--limit-request-line", "--limit-concurrency", "--timeout-keep-alive", "--no-access-log", "--interface",
         "--directory", "--version", "--print-config"]  # fmt: skip


@pytest.mark.parametrize(("name", "right"), OURS_BY_ANOTHER_NAME.items())
def test_what_we_have_under_another_name_is_found(name: str, right: str) -> None:
    assert meant(name, FLAGS) == right


@pytest.mark.parametrize("server", NONE_OF_OURS)
def test_what_we_have_not_is_not_taken_for_something_else(server: str) -> None:
    names = NONE_OF_OURS[server].split()
    assert not set(names) & set(FLAGS), "one of these is ours by now"
    assert {name: meant(name, FLAGS) for name in names} == dict.fromkeys(names, "")


def test_what_is_called_as_elsewhere_is_a_flag() -> None:
    assert [name for name in ALIKE if name not in FLAGS] == []


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("--limt-body-size", "--limit-body-size"),
        ("--limit-body-sizes", "--limit-body-size"),
        ("--limit-body", "--limit-body-size"),
        ("--body-timeout", "--timeout-body"),
        ("--prot", "--port"),
        ("--hsot", "--host"),
        ("--hosts", "--host"),
        ("--thread", "--threads"),
        ("--uplaod", "--upload"),
        ("--dir", "--directory"),
        ("--loglevel", "--log-level"),
        ("--log_level", "--log-level"),
        ("--LOG-LEVEL", "--log-level"),
        ("--limit-requests", "--limit-requests-per-connection"),
        ("--no-acess-log", "--no-access-log"),
        ("--limit-size", ""),  # limit-body-size, or limit-head-size
        ("--limit-con", ""),  # connections, or concurrency
        ("--di", ""),
        ("--no-", ""),
        ("-x", ""),
    ],
)
def test_a_slip_is_mended_where_it_is_clear_what_was_meant(name: str, right: str) -> None:
    assert meant(name, FLAGS) == right


def test_where_there_are_no_names_none_was_meant() -> None:
    assert meant("--port", ()) == ""


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("REACTOR_KEEP_ALIVE", "REACTOR_TIMEOUT_KEEP_ALIVE"),
        ("REACTOR_LOGLEVEL", "REACTOR_LOG_LEVEL"),
        ("REACTOR_RELOAD", ""),
        ("REACTOR_APP", ""),
        ("REACTOR_SERVICE_PORT", ""),
    ],
)
def test_variables_are_compared_without_what_they_all_begin_with(variable: str, right: str) -> None:
    warnings = [f"{variable} is not known; did you mean {right}?"] if right else []
    assert read_config([], {variable: "1"}).warnings == warnings
