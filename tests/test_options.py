"""Options of a handler: checked field by field, and a wrong one is told what would be right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from reactor.plugins.options import OptionError, build, convert, split_options


@dataclass
class Upload:
    folder: Path
    limit: int = 1024
    patience: float = 1.0
    listing: bool = False
    mode: Literal["keep", "replace"] = "keep"
    names: list[str] = field(default_factory=list)
    title: str | None = "none"
    on_done: Callable[[], None] | None = None
    count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("limit is 0 or more")


class Plain:
    def __init__(self, name: str, size: int = 0, other: Any = None, untyped=None) -> None:  # type: ignore[no-untyped-def]  # as people write it
        self.given = (name, size, other, untyped)


class Open:
    def __init__(self, **options: str) -> None:
        self.options = options


def test_every_type_that_text_can_give() -> None:
    text = r"folder=/srv,limit=16m,patience=500ms,listing=yes,mode=replace,names=a;b,title=x\,y"
    made = build(Upload, split_options(text))
    assert made == Upload(Path("/srv"), 16 << 20, 0.5, True, "replace", ["a", "b"], "x,y")


def test_a_path_of_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert build(Upload, {"folder": "~/up"}).folder == Path("/home/me/up")


def test_an_optional_may_be_empty() -> None:
    assert build(Upload, split_options("folder=.,title=")).title is None


def test_any_class_with_arguments_will_do() -> None:
    assert build(Plain, split_options("name=a,size=-2k,other=o,untyped=u")).given == ("a", -2048, "o", "u")
    assert build(Open, split_options("a=1,b=2")).options == {"a": "1", "b": "2"}


def test_a_class_that_does_not_say_takes_none() -> None:
    assert build(dict, {}) == {}
    with pytest.raises(OptionError, match="dict has no option a; it has none"):
        build(dict, {"a": "1"})


def test_a_dash_is_an_underscore() -> None:
    assert split_options("max-age=5m,b=") == {"max_age": "5m", "b": ""}


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        (Upload, "foldr=/srv", "Upload has no option foldr; did you mean folder? It has folder, limit, patience, li"),
        (Upload, "count=1,folder=.", "Upload has no option count; it has folder, limit"),
        (Plain, "zzz=1", "Plain has no option zzz; it has name, size, other, untyped"),
        (object, "zzz=1", "object has no option zzz; it has none"),
        (Upload, "limit=1", "Upload needs the option folder, as in :folder=…"),
        (Upload, "folder=.,limit=lots", "option limit: a whole number is wanted, or a size as in 64k or 16m, not"),
        (Upload, "folder=.,patience=soon", "option patience: a number is wanted, or a duration as in 30s or 500ms,"),
        (Upload, "folder=.,listing=perhaps", "option listing: yes or no is wanted, not 'perhaps'"),
        (Upload, "folder=.,mode=keeep", "option mode: keep or replace is wanted, not 'keeep'; did you mean keep?"),
        (Upload, "folder=", "option folder: a path is wanted, not ''"),
        (Upload, "folder=.,on_done=f", "option on_done: no text gives a value of type Callable; make"),
        (Upload, "folder=.,limit=-1", "Upload refuses: limit is 0 or more"),
        (Upload, "folder", "options are written name=value,name=value; 'folder' is not"),
        (Upload, "folder=a,b", "options are written name=value,name=value; 'b' is not"),
        (Upload, "folder=a,folder=b", "option folder is given twice"),
        (Upload, "1x=a", "options are written name=value,name=value; '1x=a' is not"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(kind: type, text: str, line: str) -> None:
    with pytest.raises(OptionError) as caught:
        build(kind, split_options(text))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_what_a_class_raises_is_kept_as_the_cause() -> None:
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("no")

    with pytest.raises(OptionError, match=r"^Broken refuses: RuntimeError: no$") as caught:
        build(Broken, {})
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_annotations_that_name_nothing() -> None:
    class Odd:
        def __init__(self, x: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821  # that is the point
            pass

    with pytest.raises(OptionError, match="types of Odd's options cannot be made out: name 'Nowhere'"):
        build(Odd, {"x": "1"})


def test_lists_and_tuples() -> None:
    assert convert("1;2k", list[int]) == [1, 2048]
    assert convert("a;b", tuple[str, ...]) == ("a", "b")
    assert convert("a;b", list) == ["a", "b"]
    assert convert("", list[int]) == []
    with pytest.raises(ValueError, match="no text gives a value of type tuple"):
        convert("a", tuple[int, str])
