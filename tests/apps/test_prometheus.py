"""Prometheus: an app that is tiny, beside others, scraped by its own parser; under WSGI, and ASGI."""

from pathlib import Path

import pytest
import requests

from . import WAIT, asgi_sources, run_python, sources
from .conftest import Serve


@pytest.mark.parametrize(
    ("source", "scraped"),
    [
        (sources.PROMETHEUS, "counter visits visits_total {} 3.0"),
        (asgi_sources.PROMETHEUS, "gauge temperature_celsius temperature_celsius {'where': 'here, ü'} -0.5"),
    ],
    ids=["wsgi", "asgi"],
)
def test_what_is_scraped(source: str, scraped: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(source)
    (tmp_path / "scrape.py").write_text(sources.PROMETHEUS_PARSER)
    program = serve("hello", "--mount", "/metrics=metrics.py")
    assert scraped in run_python("scrape.py", f"{program.url}/metrics", cwd=tmp_path).splitlines()
    reply = requests.get(f"{program.url}/metrics", timeout=WAIT)
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    assert reply.headers["Content-Encoding"] == "gzip"
    openly = {"Accept": "application/openmetrics-text"}
    assert requests.get(f"{program.url}/metrics", headers=openly, timeout=WAIT).text.endswith("# EOF\n")
    assert requests.get(f"{program.url}/test", timeout=WAIT).text == "Hello"
