"""A SPEC that is wrong: one line that says what would be right, or where an import failed and why."""

import os
import sys
from pathlib import Path

import pytest

from reactor.plugins import Hosting, PluginError, load

from .specs import APPS, UPLOAD, body, empty_folder, offer, write

__all__ = ["empty_folder"]
pytestmark = pytest.mark.usefixtures("empty_folder")


def error(spec: str) -> str:
    with pytest.raises(PluginError) as caught:
        load(spec)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("helo", "there is no handler and no directory helo; did you mean hello?"),
        ("foldr", "there is no handler and no directory foldr; did you mean folder?"),
        ("zzzzz", "there is no handler and no directory zzzzz; handlers are echo, health, hello"),
        ("app", "there is no handler app; did you mean app.py?"),
        ("json", "there is no handler json; of the module of that name, say which: json:ATTR"),
        ("router", "there is no handler and no directory router; handlers are echo"),
        (":a=b", "'' names no handler"),
        ("", "'' names no handler"),
        ("folder:roots=x", "folder: Static has no option roots; did you mean root? It has root, index"),
        ("folder:root=x", "folder: its root is the directory itself"),
        ("ap.py", "there is no file ap.py; did you mean app.py?"),
        ("folder/x.py", "there is no file folder/x.py"),
        ("nowhere/x.py:y", "there is no file nowhere/x.py"),
        ("folder/notes.txt", "folder/notes.txt is no Python file: its name would end in .py; a directory is served as"),
        ("notes.txt", "notes.txt is no Python file: its name would end in .py; a directory is served as a whole"),
        ("./foldr", "there is no file or directory ./foldr; did you mean ./folder?"),
        ("foldr/", "there is no file or directory foldr/; did you mean folder?"),
        ("./ap", "there is no file or directory ./ap; did you mean ./app.py?"),
        ("./folder:listing", "./folder is a directory; an option of it is written ./folder:option=value"),
        ("folder:listing", "folder has no listing; an option of the directory is written folder:option=value"),
        ("app:app", "app has no app; it has handler"),
        ("app.handler", "there is no module app.handler in "),
        ("app.py:handlr", "app.py has no handlr; did you mean handler?"),
        ("app.py:handler.deep", "app.py has no handler.deep"),
        ("empty.py", "empty.py has none of handler, app, application; say which, as in empty.py:ATTR"),
        (
            "upload.py",
            "upload.py has none of handler, app, application; say which, as in upload.py:ATTR; it has Upload",
        ),
        ("nowhere:app", "there is no module nowhere in "),
        ("nowhere.deep:app", "there is no module nowhere in "),
        ("nowhere.deep", "there is no module nowhere in "),
        ("json.tool", "json.tool has none of handler, app, application; say which, as in json.tool:ATTR"),
        ("json.", "json. is not understood; write file.py:attr, module:attr, or a handler's name"),
        ("json:", "json: is not understood; write file.py:attr, module:attr, or a handler's name"),
        ("a b:c", "a b:c is not understood"),
        ("app.py:a=b", "app.py takes no options, for it is no class: leave out :a=b"),
        ("upload.py:Upload", "upload.py:Upload: Upload needs the option folder, as in :folder=…"),
        ("upload.py:Upload:foldr=x", "upload.py:Upload: Upload has no option foldr; did you mean folder? It has"),
        ("upload.py:Upload:x", "'x' is not understood; an option is written option=value, as in upload.py:Upload:text"),
        ("upload:Upload:x", "'x' is not understood; an option is written option=value, as in upload:Upload:text=hi"),
        ("upload.py:Upload:folder=x,y", "upload.py:Upload: options are written name=value"),
        ("apps.py:flask:threads=8", "apps.py:flask takes no options, for it is no class: leave out :threads=8"),
        ("apps.py:four", "apps.py:four cannot be called with a request alone; its parameters are (a, b, c, d)"),
        ("apps.py:none", "apps.py:none cannot be called with a request alone; its parameters are ()"),
        ("apps.py:number", "apps.py:number is of type int, and cannot be called with a request"),
    ],
)
def test_a_wrong_spec_is_told_what_would_be_right(spec: str, line: str) -> None:
    write("app.py")
    write("empty.py", "")
    write("upload.py", UPLOAD)
    write("apps.py", APPS)
    write("folder/notes.txt", "")
    write("notes.txt", "")
    assert error(spec).startswith(line)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\nimport nowhere", "ModuleNotFoundError: No module named 'nowhere' (bad.py, line 2)"),
        ("x = (", "SyntaxError: '(' was never closed (bad.py, line 1)"),
        ("\n\n1 / 0", "ZeroDivisionError: division by zero (bad.py, line 3)"),
        ("import sys\nsys.exit('usage:\\n x')", "SystemExit: usage: x (bad.py, line 2)"),
        ("\nimport json\njson.loads('{')", "JSONDecodeError: Expecting property name"),
        ("from reactor import Response\nResponse(200, headers={'A': 'b\\r\\nc'})", "ValueError: "),
        ("raise KeyError", "KeyError (bad.py, line 1)"),
        ("import worse", "RuntimeError: two lines (worse.py, line 1)"),
    ],
)
def test_an_error_at_import_is_one_line_with_its_place(source: str, reason: str) -> None:
    write("bad.py", source)
    write("worse.py", "raise RuntimeError('two\\nlines')")
    line = error("bad.py")
    assert line.startswith(f"bad.py cannot be loaded: {reason}")
    assert "(bad.py, line " in line or "(worse.py, line 1)" in line
    assert "bad_py" not in sys.modules


def test_the_traceback_of_an_import_stays_at_hand() -> None:
    write("bad.py", "1 / 0")
    with pytest.raises(PluginError) as caught:
        load("bad:handler")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_colon_is_missed_and_names_are_not_listed_without_end() -> None:
    write("app.py")
    write("many.py", "".join(f"def {name}(): ...\n" for name in "abcdefghi"))
    assert error("app.handler").endswith("or on Python's path; did you mean app:handler?")
    assert error("many.py").endswith("; it has a, b, c, d, e, f, g, h, …")


@pytest.mark.parametrize(
    ("projects", "path", "hint"),
    [
        (["mysite"], "manage.py", "; did you mean mysite.wsgi?"),
        (["mysite"], "sub/../manage.py", "; did you mean mysite.wsgi --app-dir sub/..?"),
        (["mysite", "other"], "manage.py", "; it has main"),
        ([], "manage.py", "; it has main"),
    ],
)
def test_the_script_of_a_django_project_is_not_its_app(projects: list[str], path: str, hint: str) -> None:
    write("manage.py", "def main(): ...")
    write("sub/x.py")
    for name in projects:
        write(f"{name}/wsgi.py")
    assert error(path).endswith(hint)


def test_a_module_that_misses_another_is_not_missing_itself() -> None:
    write("bad.py", "import nowhere")
    assert (
        error("bad:handler") == "bad cannot be loaded: ModuleNotFoundError: No module named 'nowhere' (bad.py, line 1)"
    )


def test_the_place_of_an_error_where_the_working_directory_is_gone(tmp_path: Path) -> None:
    bad = write("bad.py", "1 / 0").absolute()
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert error(str(bad)).endswith(f"({bad}, line 1)")


def test_ctrl_c_during_an_import_is_ctrl_c() -> None:
    write("bad.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("bad.py")


def test_two_packages_that_offer_the_same_name() -> None:
    offer("same", "one", "one:handler")
    write("site/other-3.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 3\n")
    write("site/other-3.dist-info/entry_points.txt", "[reactor.handlers]\nsame = one:app\n")
    line = error("same")
    assert line.startswith("several packages offer same: ")
    assert "one:handler of same-dist 1.2" in line
    assert "one:app of other 3" in line


def test_a_package_that_hides_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `handlers` in the working directory comes before our own on the path; it does not come between."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "handlers"]:
        monkeypatch.delitem(sys.modules, name)
    write("handlers/__init__.py", "")
    sys.path.insert(0, str(Path.cwd()))
    assert body(load("hello"), "/test") == "Hello"
    for name in [name for name in sys.modules if name.partition(".")[0] == "handlers"]:
        monkeypatch.delitem(sys.modules, name)
    __import__("handlers")
    assert error("hello") == (
        "hello cannot be loaded: handlers was imported before Reactor's own `handlers`; call that folder something else"
    )


def test_a_folder_that_is_called_as_ours_is() -> None:
    """Its modules are not found behind our package, and ours not behind its."""
    write("handlers/mine.py")
    write("app.py", "import handlers.mine")
    hint = "; `handlers` is Reactor's own package: call the folder handlers something else"
    assert error("handlers.mine:handler").startswith("there is no module handlers.mine in ")
    assert error("handlers.mine:handler").endswith(f" or on Python's path{hint}")
    reason = "cannot be loaded: ModuleNotFoundError: No module named 'handlers.mine' (app.py, line 1)"
    assert error("app.py") == f"app.py {reason}{hint}"
    assert body(load("handlers/mine.py")) == "mine_py", "as a file it can be had"


def test_a_value_without_its_option() -> None:
    assert error("health:fine").startswith("there is no module health in ")
    assert error("health:fine").endswith("on Python's path; an option of health is written health:option=value")
    write("health.py", "1 / 0")
    assert error("health:fine") == "health cannot be loaded: ZeroDivisionError: division by zero (health.py, line 1)"


def test_without_such_a_folder_a_module_is_just_missing() -> None:
    assert error("handlers.mine:handler").endswith("or on Python's path")


def test_a_module_with_a_factory_is_told_how_it_is_called() -> None:
    Path("shop.py").write_text("def create_app():\n    return print\n", encoding="utf-8")
    assert error("shop.py").endswith("say which, as in shop.py:ATTR; --factory calls its create_app")


APP_LIKE = """
import framework
from framework import Framework, proxy
def view(): ...
class Model: ...
site = framework.Framework()
"""
FRAMEWORK = """
class Framework:
    def __call__(self, environ, start_response): ...
class Other:
    async def __call__(self, scope, receive, send): ...
class Plain:
    def __call__(self, request): ...
class Proxy:
    def __call__(self, *arguments): ...
proxy = Proxy()
"""


def test_the_place_of_an_error_is_the_users_and_not_in_a_handler_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("handlers.websocket")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wsproto", None)
    write("echo.py", "\nfrom handlers.websocket import websocket")
    assert error("echo.py").endswith("pip install wsproto (echo.py, line 2)")


def test_an_app_that_goes_by_another_name_is_named() -> None:
    write("framework.py", FRAMEWORK)
    write("shop.py", APP_LIKE)
    assert error("shop.py").endswith("say which, as in shop.py:ATTR; it has site")
    write("more.py", f"{APP_LIKE}shop = framework.Other()\nplain = framework.Plain()\n")
    assert error("more.py").endswith("; it has site, shop, plain")
    write("none.py", APP_LIKE.replace("site = ", "framework.Framework()  # "))
    assert error("none.py").endswith("; it has view, Model")
    with pytest.raises(PluginError, match=r"has none of create_app, make_app; say which, .*; it has view, Model$"):
        load("shop.py", hosting=Hosting(factory=True))


def test_an_app_of_flask_is_named_and_what_flask_lends_is_not() -> None:
    pytest.importorskip("flask")
    write("shop.py", "from flask import Flask, current_app, g, request, session, url_for\nsite = Flask(__name__)\n")
    assert error("shop.py").endswith("; it has site")


def test_a_handler_that_is_called_as_a_directory_here_says_how_that_is_meant() -> None:
    Path("static").mkdir()
    assert error("static") == "static: Static needs the option root, as in :root=…; the directory is ./static"
