"""The layers are law: who imports what, read from the source, in the order in which `reactor/__init__.py` lists it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reactor

ROOT = Path(__file__).resolve().parent.parent
ORDER = re.findall(r"^    (\w+)/? {2,}\S", reactor.__doc__ or "", re.MULTILINE)
FILES = sorted((ROOT / "reactor").rglob("*.py"))

# The protocol core does no I/O: all it may have of the standard library.
PURE = {"re", "typing", "types", "collections.abc", "enum", "operator"}


def imports(path: Path) -> Iterator[str]:
    """What a file imports when it runs, as absolute names; imports for types alone do not run."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, node.module)) if node.module else ".".join(base)
            yield from (f"{module}.{name.name}" if module in ("reactor", "") else module for name in node.names)


def layer(module: str) -> str | None:
    """The name in the map of what a module of ours belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "reactor" and len(parts) > 1 else None


def test_the_map_names_every_file_once() -> None:
    names = {path.relative_to(ROOT / "reactor").parts[0].removesuffix(".py") for path in FILES}
    assert sorted(ORDER) == sorted(names - {"__init__", "__main__"})


@pytest.mark.parametrize("path", [path for path in FILES if path.name[:2] != "__"], ids=lambda path: path.stem)
def test_a_file_imports_only_what_is_above_it_in_the_map(path: Path) -> None:
    own = layer(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert own is not None
    for module in imports(path):
        theirs = layer(module)
        if theirs is None or theirs == own:
            continue
        if theirs == "__version__":
            continue
        assert ORDER.index(theirs) < ORDER.index(own), f"{path.name} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "reactor/http1").glob("*.py")), ids=lambda path: path.stem)
def test_the_protocol_core_does_no_io(path: Path) -> None:
    foreign = {module for module in imports(path) if not module.startswith("reactor.http1")}
    assert foreign <= PURE


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reactor_imports_no_handler(path: Path) -> None:
    assert not [module for module in imports(path) if module.split(".")[0] == "handlers"]


@pytest.mark.parametrize("path", sorted((ROOT / "handlers").rglob("*.py")), ids=lambda path: path.stem)
def test_handlers_import_public_names_only(path: Path) -> None:
    for module in imports(path):
        if module.split(".")[0] == "reactor":
            assert module.removeprefix("reactor.") in reactor.__all__, f"{path.name} imports {module}"
