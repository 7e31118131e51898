"""The open-file cache: what was opened and read for one request, and serves those that follow.

Law: it is bounded in number, memory, descriptors and age, and nothing is served from it that a look at the path does
not still show: what is new is seen at once. What may be seen at all is decided anew every second.
"""

from time import monotonic

from reactor import Headers

from .encodings import choose
from .representation import Representation
from .tree import Tree

AGE = 1.0  # seconds; then a path is walked again, segment by segment, and precompressed files are looked for
NUMBER = 1024  # files
DESCRIPTORS = 128
MEMORY = 16 * 1024 * 1024  # bytes


class Resource:
    """A file by its codings, "" for none. Attributes: `plain`, the file as it is; `opened` (seconds, monotonic);
    `is_settled`, `memory` (bytes), `descriptors`: of all."""

    __slots__ = ("_codings", "descriptors", "is_settled", "memory", "opened", "plain")

    def __init__(self, codings: dict[str, Representation]) -> None:
        self.plain = codings[""]
        self._codings = codings
        self.opened = monotonic()
        self.is_settled = all(each.is_settled for each in codings.values())
        self.memory = sum(len(each.data) for each in codings.values() if each.data is not None)
        self.descriptors = sum(each.data is None for each in codings.values())

    def choose(self, headers: Headers) -> Representation:
        """The one to send (RFC 9110 12.5.3)."""
        codings = self._codings
        if len(codings) == 1:
            return self.plain
        return codings[choose(headers.get("accept-encoding"), codings) or ""]

    def is_current(self, tree: Tree, chosen: Representation) -> bool:
        """Whether the disk still has the file as it is here, and the one of its codings that is `chosen`."""
        return self.plain.is_current(tree) and (chosen is self.plain or chosen.is_current(tree))

    def close(self) -> None:
        for each in self._codings.values():
            each.close()


class Cache:
    """Resources, by what was asked for. What is put here is closed here, but not before the next is put. `number`: of
    files, at the most."""

    def __init__(self, number: int = NUMBER) -> None:
        self._number = number
        self._known: dict[str, Resource] = {}  # the oldest first
        self._memory = 0
        self._descriptors = 0

    def get(self, path: str, age: float = AGE) -> Resource | None:
        """What is known of `path`, if that is sure and no more than `age` seconds old."""
        known = self._known.get(path)
        return known if known is not None and known.is_settled and monotonic() - known.opened < age else None

    def put(self, path: str, resource: Resource) -> None:
        self.forget(path)
        self._known[path] = resource
        self._memory += resource.memory
        self._descriptors += resource.descriptors
        while len(self._known) > 1 and self._has_too_much():
            self.forget(next(iter(self._known)))

    def forget(self, path: str) -> None:
        resource = self._known.pop(path, None)
        if resource is not None:
            self._memory -= resource.memory
            self._descriptors -= resource.descriptors
            resource.close()

    def give_back(self) -> None:
        """Close what has descriptors."""
        for path in [path for path, each in self._known.items() if each.descriptors]:
            self.forget(path)

    def clear(self) -> None:
        for path in list(self._known):
            self.forget(path)

    def _has_too_much(self) -> bool:
        oldest = next(iter(self._known.values()))
        return (
            len(self._known) > self._number
            or self._memory > MEMORY
            or self._descriptors > DESCRIPTORS
            or monotonic() - oldest.opened > AGE
        )
