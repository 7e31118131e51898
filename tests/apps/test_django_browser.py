"""A person with a browser: headless Chromium logs in to Django's admin, types, clicks, and sees what it should."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .chromium import Page, chromium
from .conftest import Serve


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.mark.parametrize("spec", ["mysite.wsgi", "mysite.asgi"])
def test_a_browser_logs_in_to_the_admin(spec: str, page: Page, serve: Serve, project: Path, tmp_path: Path) -> None:
    program = serve(spec, cwd=project)
    page.open(f"{program.url}/admin/")
    assert page.evaluate("document.title") == "Log in | Django site admin"
    page.type_into("#id_username", "ann")
    page.type_into("#id_password", "a good secret")
    page.click("input[type=submit]")
    assert page.evaluate("document.querySelector('#content h1').textContent") == "Site administration"
    assert "Ann" in page.evaluate("document.querySelector('#user-tools').innerText").title()
    sheets = "[...document.styleSheets].filter(sheet => sheet.cssRules.length).length"
    assert page.evaluate(sheets) >= 4, "its style sheets are here"
    page.photograph(tmp_path / "admin.png")
    assert (tmp_path / "admin.png").read_bytes().startswith(b"\x89PNG")
    page.click("a[href='/admin/auth/user/']")
    assert "1 user" in page.evaluate("document.querySelector('.paginator').innerText")
    page.click("#logout-form button")
    assert page.evaluate("document.querySelector('#content h1').textContent") == "Logged out"
