"""Count the bytes that each scenario copies, and print them as JSON.

    python3 -m tests.counts.copied

Copied is what is written anew in the server's own memory: of each bytes, bytearray and str that an expression in
`reactor/` or `handlers/` builds (a slice, a sum, a join, a decoding; what `recv` and regexes give), its length, once;
and what is added to a bytearray or written into a BytesIO. A slice that is all of some bytes is those bytes, and costs
nothing; a memoryview copies nothing. What the kernel copies when it sends is not in it, and what a function in C copies
within itself cannot be seen.

So that it can be seen at all, the source is changed as it is imported: around each expression that may build something
stands a call that looks at what it built. What only that expression holds is new.
"""

import ast
import builtins
import io
import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

PACKAGES = ("reactor", "handlers")
TIMES = 3  # requests of which the least counts


TEXT = (bytes, bytearray, str)


class Tally:
    """What has been built since the last `reset`; it is kept here until then, so that nothing is counted twice."""

    def __init__(self) -> None:
        self.reset()
        # How many references there are to what nobody else has, told by an example: it differs from Python to Python.
        self._alone = self._references(bytes(bytearray(9)))
        self._inside = self._references_inside([bytes(bytearray(9))])

    def reset(self) -> None:
        self.copied = 0
        self._seen: dict[int, Any] = {}

    def built(self, value: Any) -> Any:
        """What an expression gave: counted if it is new, and given on."""
        if type(value) in TEXT:
            if sys.getrefcount(value) <= self._alone:
                self._add(value)
        elif type(value) in (list, tuple) and sys.getrefcount(value) <= self._alone:
            self._look_inside(value)
        return value

    def added(self, to: Any, value: Any) -> Any:
        """`to += value`: a bytearray grows where it is, bytes and text are built anew."""
        if isinstance(value, TEXT):
            self.copied += len(value) if isinstance(to, bytearray) else len(to) + len(value)
        return value

    def _look_inside(self, values: Sequence[Any]) -> None:
        for each in values:
            if type(each) in TEXT:
                if sys.getrefcount(each) <= self._inside:
                    self._add(each)
            elif type(each) in (list, tuple):
                self._look_inside(each)

    def _add(self, value: Any) -> None:
        if id(value) not in self._seen:
            self._seen[id(value)] = value
            self.copied += len(value)

    def _references(self, value: Any) -> int:
        return sys.getrefcount(value)

    def _references_inside(self, values: Sequence[Any]) -> int:
        for each in values:
            return sys.getrefcount(each)
        raise ValueError("nothing inside")


class Around(ast.NodeTransformer):
    """Puts a call around each expression that may build text: calls, slices, sums and formatting."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return _around(self.generic_visit(node))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        is_built = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return _around(self.generic_visit(node)) if is_built else self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        is_built = isinstance(node.op, (ast.Add, ast.Mod, ast.Mult))
        return _around(self.generic_visit(node)) if is_built else self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add):
            former = ast.parse(ast.unparse(node.target), mode="eval").body  # the target, but to be read
            node.value = _call("__added__", former, node.value)
        return node


def _around(node: ast.AST) -> ast.AST:
    return _call("__built__", node)


def _call(name: str, *arguments: Any) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class Loader(SourceFileLoader):
    """Imports a module of ours with the calls around its expressions; nothing of it is cached."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.fix_missing_locations(Around().visit(ast.parse(self.get_data(path))))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code


class Finder:
    """Finds the modules of ours for `Loader`, before anybody else finds them."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(fullname, spec.loader.path)
        return spec


def install() -> Tally:
    """From here on, what is imported of ours is counted; nothing of it may have been imported before."""
    tally = Tally()

    class CountedBytesIO(io.BytesIO):
        def write(self, data: Any) -> int:
            tally.copied += len(data)
            return super().write(data)

    vars(io)["BytesIO"] = CountedBytesIO
    vars(builtins)["__built__"] = tally.built
    vars(builtins)["__added__"] = tally.added
    sys.meta_path.insert(0, Finder)
    return tally


def main() -> None:
    """Count, and print."""
    tally = install()
    from .scenarios import SCENARIOS, Asked

    found = {}
    for name, scenario in SCENARIOS.items():
        asked = Asked(scenario)
        counts = []
        for _ in range(TIMES):
            tally.reset()
            asked.once(None)
            counts.append(tally.copied)
        asked.served.close()
        found[name] = {"copied_bytes": min(counts)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
