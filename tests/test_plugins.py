"""SPEC -> handler: every form, mounts, and the list of what there is."""

import json
import sys
from pathlib import Path

import pytest

import handlers.echo
import handlers.hello
from handlers.health import Health
from handlers.static import Static
from reactor.plugins import Listing, PluginError, catalog, list_handlers, load, split_mount
from reactor.testing import TestClient

from .specs import HANDLER, UPLOAD, body, empty_folder, load_all, offer, write

__all__ = ["empty_folder"]
pytestmark = pytest.mark.usefixtures("empty_folder")


# The forms.


def test_a_builtin_by_its_name() -> None:
    assert load("hello") is handlers.hello.handler
    assert load("echo") is handlers.echo.handler


def test_a_builtin_with_options_is_made_of_its_class() -> None:
    made = load("health:text=fine")
    assert isinstance(made, Health)
    assert made.text == "fine"


def test_a_builtin_where_a_folder_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    assert load("echo") is handlers.echo.handler
    made = load("./echo")
    assert isinstance(made, Static)
    made.shutdown()


@pytest.mark.parametrize("spec", ["folder", "./folder", "folder/", "folder:listing=no,index="])
def test_a_directory(spec: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    made = load(spec)
    assert isinstance(made, Static)
    assert made.root == Path(spec.partition(":")[0])
    assert made.listing == (":" not in spec)
    made.shutdown()


def test_a_file() -> None:
    write("app.py")
    assert body(load("app.py")) == body(load("./app.py")) == "app_py"


def test_a_file_has_no_name_that_hides_another() -> None:
    write("json.py")
    write("sub/json.py")
    write("other_py.py", "")
    write("other.py")
    assert body(load("json.py")) == "json_py"
    assert body(load("sub/json.py")) == "json_py_2"
    assert sys.modules["json"] is json


def test_a_file_is_run_once_however_often_it_is_named() -> None:
    write("app.py", "from reactor import Response\nkept = []\ndef a(request): ...\ndef b(request): ...\n")
    load("app.py:a"), load(str(Path("app.py").absolute()) + ":b")
    assert len([name for name in sys.modules if name.startswith("app_py")]) == 1


@pytest.mark.parametrize("name", ["handler", "app", "application"])
def test_the_usual_names_in_a_file(name: str) -> None:
    write("app.py", HANDLER.replace("def handler", f"def {name}"))
    assert getattr(load("app.py"), "__name__", "") == name


def test_a_file_may_import_what_lies_beside_it() -> None:
    write("far/helper.py", "text = 'helped'")
    write(
        "far/app.py", "import helper\nfrom reactor import Response\ndef handler(r): return Response(200, helper.text)"
    )
    assert body(load("far/app.py")) == "helped"


def test_a_class_gets_its_options() -> None:
    write("upload.py", UPLOAD)
    assert body(load("upload.py:Upload:folder=/srv,limit=16m")) == f"/srv {16 << 20}"
    assert body(load("upload.py:Bare")) == "bare"
    assert body(load("upload.py:nested.made")) == "bare"


def test_a_class_under_a_usual_name_gets_its_options() -> None:
    write("upload.py", UPLOAD + "handler = Upload\n")
    assert body(load("upload.py:folder=/srv")) == "/srv 1"


def test_a_module(tmp_path: Path) -> None:
    write("package/__init__.py", "")
    write("package/views.py", UPLOAD)
    assert body(load("package.views:nested.made")) == "bare"
    assert str(tmp_path) in sys.path


def test_a_module_in_the_app_dir() -> None:
    write("src/only_there.py")
    assert body(load("only_there:handler", app_dir="src")) == "only_there"


def test_an_entry_point() -> None:
    offer("greeting", "greeting", "greeting:handler")
    assert body(load("greeting")) == "greeting"


def test_an_entry_point_that_is_a_module_or_a_class() -> None:
    offer("whole", "greeting", "greeting")
    offer("classy", "greeting", "greeting:Upload", UPLOAD + HANDLER)
    assert body(load("whole")) == "greeting"
    assert body(load("classy:folder=/x")) == "/x 1"


def test_a_callable_that_does_not_say_what_it_takes_may_take_a_request() -> None:
    write("app.py", "handler = getattr")
    assert repr(load("app.py")) == repr(getattr)


# Several of them.


def test_one_target_is_served_bare() -> None:
    assert load_all(None, []) is handlers.hello.handler
    assert load_all("echo", []) is handlers.echo.handler


def test_mounts_and_the_rest() -> None:
    write("app.py")
    client = TestClient(load_all("hello", [("/app", "app.py")]))
    assert client.get("/app").body == client.get("/app/x").body == b"app_py"
    assert client.get("/test").body == b"Hello"


def test_mounts_alone_leave_404_for_the_rest() -> None:
    client = TestClient(load_all(None, [("/up", "health"), ("/up/echo", "echo")]))
    assert client.get("/up").body == b"ok"
    assert client.post("/up/echo", body=b"x").body == b"x"
    assert client.get("/").status == client.get("/upper").status == 404


def test_a_mount_at_the_root_is_the_rest() -> None:
    assert body(load_all(None, [("/", "hello")]), "/test") == "Hello"


def test_what_cannot_be_mounted() -> None:
    with pytest.raises(PluginError, match=r"^hello and echo cannot both be served at /a$"):
        load_all(None, [("/a", "hello"), ("/a", "echo")])
    with pytest.raises(PluginError, match=r"^echo and hello cannot both be served at /$"):
        load_all("hello", [("/", "echo")])
    with pytest.raises(PluginError, match=r"^hello cannot be mounted: .*parameter"):
        load_all(None, [("/{a}", "hello")])


def test_mounts_as_written() -> None:
    assert split_mount("/up=app.py:App:a=b") == ("/up", "app.py:App:a=b")
    assert split_mount("/up/=app.py") == ("/up", "app.py")
    assert split_mount("/=app.py") == ("/", "app.py")
    for text in ("up=app.py", "/up", "/up=", "//up=app.py", "=x"):
        with pytest.raises(ValueError, match="a mount is written /prefix=SPEC"):
            split_mount(text)


# The list.


def test_the_list_has_builtins_and_entry_points() -> None:
    offer("greeting", "greeting", "greeting:handler")
    offer("absent", "absent", "absent:nothing")
    offer("empty", "empty", "empty", "")
    listed = {each.name: each for each in list_handlers()}
    *builtin, first, second, third = listed
    assert builtin == sorted(builtin)
    assert {"echo", "health", "hello", "static"} <= set(builtin)
    assert [first, second, third] == ["absent", "empty", "greeting"]
    assert listed["echo"] == Listing("echo", "built in", "What came, sent back")
    assert listed["greeting"] == Listing("greeting", "greeting-dist 1.2", "Says who it is")
    assert listed["absent"].error is not None
    assert listed["absent"].error.startswith("absent (entry point of absent-dist 1.2) cannot be loaded: AttributeError")
    assert listed["empty"].error is not None
    assert listed["empty"].error.endswith("empty has none of handler, app, application")


def test_a_broken_builtin_is_listed_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise PluginError(f"{name} cannot be loaded")

    monkeypatch.setattr(catalog, "import_builtin", fail)
    assert Listing("hello", "built in", "", "hello cannot be loaded") in list_handlers()


def test_only_what_is_named_is_loaded() -> None:
    offer("greeting", "greeting", "greeting:handler")
    offer("bomb", "bomb", "bomb:handler", "raise SystemExit")
    load("greeting")
    assert "bomb" not in sys.modules


def test_a_builtin_that_cannot_be_served_or_wants_an_extra_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "websocket" not in {each.name for each in list_handlers()}  # its file `handler` is no handler

    def fail(name: str) -> None:
        raise PluginError(f"{name} cannot be loaded") from ImportError("no wsproto")

    monkeypatch.setattr(catalog, "import_builtin", fail)
    assert list_handlers() == []
