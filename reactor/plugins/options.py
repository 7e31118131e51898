"""Options of a handler: `option=value,...` and a class give an instance.

Law: the class says which options there are and of what type, by its fields or its `__init__`; each text is
checked against the type, and an `OptionError` of one line says what would be right. No annotation: text.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..values import advise, one_of, parse_duration, parse_size, parse_switch

_COMMA = re.compile(r"(?<!\\),")


class OptionError(ValueError):
    """An option that is wrong, missing, or not there: one line."""


def split_options(text: str) -> dict[str, str]:
    r"""Names and texts of "folder=/srv,max-age=5m"; a comma within a text is written `\,`."""
    options: dict[str, str] = {}
    for part in _COMMA.split(text):
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name.isidentifier():
            raise OptionError(f"options are written name=value,name=value; {part!r} is not")
        if name in options:
            raise OptionError(f"option {name} is given twice")
        options[name] = value.replace("\\,", ",")
    return options


def build(kind: type, options: dict[str, str]) -> Any:
    """An instance of the class `kind` with these options."""
    parameters, takes_any = _parameters(kind)
    for name in options:
        if name not in parameters and not takes_any:
            advice = advise(name, parameters, "it has") if parameters else "; it has none"
            raise OptionError(f"{kind.__name__} has no option {name}{advice}")
    missing = [name for name, each in parameters.items() if each.default is each.empty and name not in options]
    if missing:
        what = "options" if len(missing) > 1 else "option"
        raise OptionError(f"{kind.__name__} needs the {what} {' and '.join(missing)}, as in :{missing[0]}=…")
    hints = _hints(kind)
    values = {name: _value(name, hints.get(name, str), text) for name, text in options.items()}
    try:
        return kind(**values)
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise OptionError(f"{kind.__name__} refuses: {reason}") from error


def _parameters(kind: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """What can be given by name, and whether anything can."""
    try:
        found = inspect.signature(kind).parameters
    except (TypeError, ValueError):  # a class of C that does not say
        return {}, False
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found.values())
    return {name: each for name, each in found.items() if each.kind in by_name}, takes_any


def _hints(kind: type) -> dict[str, Any]:
    """The types, where they can be made out; a dataclass's fields may come from several modules."""
    try:
        if is_dataclass(kind):
            hints = get_type_hints(kind)
            return {each.name: hints[each.name] for each in fields(kind)}
        return get_type_hints(kind.__init__)  # type: ignore[misc]  # whichever __init__ the class has
    except Exception as error:
        raise OptionError(f"the types of {kind.__name__}'s options cannot be made out: {error}") from error


def _value(name: str, hint: Any, text: str) -> Any:
    try:
        return convert(text, hint)
    except ValueError as error:
        raise OptionError(f"option {name}: {error}") from None


def convert(text: str, hint: Any) -> Any:
    """`text` as a value of the type `hint`. ValueError says what would be right."""
    if hint in _SIMPLE:
        return _SIMPLE[hint](text)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and NoneType in inner and len(inner) == 2:
        return None if text == "" else convert(text, inner[0] if inner[1] is NoneType else inner[1])
    if origin is Literal and all(isinstance(each, str) for each in inner):
        return one_of(inner)(text)
    if hint in (list, tuple) or origin is list or (origin is tuple and inner[1:] == (...,)):
        each_hint = inner[0] if inner else str
        return (origin or hint)(convert(part, each_hint) for part in text.split(";") if part)
    kind = getattr(hint, "__name__", hint)
    raise ValueError(f"no text gives a value of type {kind}; make the handler in a file")


def _integer(text: str) -> int:
    try:
        return -parse_size(text[1:]) if text[:1] == "-" else parse_size(text)
    except ValueError:
        raise ValueError(f"a whole number is wanted, or a size as in 64k or 16m, not {text!r}") from None


def _float(text: str) -> float:
    try:
        return -parse_duration(text[1:]) if text[:1] == "-" else parse_duration(text)
    except ValueError:
        raise ValueError(f"a number is wanted, or a duration as in 30s or 500ms, not {text!r}") from None


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(f"a path is wanted, not {text!r}")
    return Path(text).expanduser()


_SIMPLE: dict[Any, Callable[[str], Any]] = {
    str: str, Any: str, int: _integer, float: _float, bool: parse_switch, Path: _path,
}  # fmt: skip
