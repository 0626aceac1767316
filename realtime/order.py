"""The true order of a conversation's items, from their predecessors and not from their arrival. It knows ids alone.

Each item names the one that it follows. An item whose predecessor is not known stands at the end until that one
appears, and then moves behind it, with all that follows it. Two items with one predecessor: the later one was put
in between, so it stands first (OpenAI's API schema: `previous_item_id`, `"root"` for the front).
"""

from __future__ import annotations

from collections.abc import Collection

ROOT = "root"


class Order:
    """A tree whose walk is the order. Placing at the end, which is nearly always, costs the same at any length."""

    def __init__(self) -> None:
        self._parent: dict[str, str | None] = {}
        self._children: dict[str, list[str]] = {}
        self._front: list[str] = []
        self._loose: dict[str, None] = {}  # without a known predecessor, in order of arrival
        self._waiting: dict[str, list[str]] = {}  # predecessor not seen yet → who waits for it
        self._tail: str | None = None
        self._tail_before: dict[str, str | None] = {}
        self._beside: dict[
            str | None, list[str]
        ] = {}  # behind whom → who stands there without a place of its own
        self._anchor: dict[str, str | None] = {}
        self._walked: list[str] | None = []

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._parent or item_id in self._anchor

    def place_beside(self, item_id: str) -> None:
        """Puts something that is no item of the conversation behind what is last now, for good: nothing follows it."""
        if item_id in self:
            return
        self._anchor[item_id] = self._tail
        self._beside.setdefault(self._tail, []).append(item_id)
        if self._walked is not None:
            self._walked.append(item_id)

    def place(self, item_id: str, previous: str | None) -> bool:
        """Puts the item behind `previous` (None: not known). True when an item that stood already changed its place.

        The first predecessor that is named for an item stays.
        """
        if item_id in self._anchor:
            return previous is not None and self._take_in(item_id, previous)
        if item_id not in self._parent:
            moved = self._insert(item_id, previous)
            return self._adopt(item_id) or moved
        if previous is None or self._parent[item_id] is not None or previous == item_id:
            return False
        return self._relink(item_id, previous)

    def without(self, gone: Collection[str]) -> Order:
        """The others, in their order; whom each of them followed is told anew where it is told again."""
        rest = Order()
        for item_id in self.walk():
            if item_id in gone:
                continue
            if item_id in self._anchor:
                rest.place_beside(item_id)
            else:
                rest.place(item_id, None)
        return rest

    def walk(self) -> list[str]:
        """All ids, first to last."""
        if self._walked is None:
            self._walked = self._walk()
        return self._walked

    def _insert(self, item_id: str, previous: str | None) -> bool:
        self._parent[item_id] = previous
        if previous == ROOT:
            self._front.append(item_id)
            return self._disturb() if self._tail else self._append(item_id)
        if previous is not None and previous in self._parent and previous != item_id:
            self._children.setdefault(previous, []).append(item_id)
            return self._append(item_id) if previous == self._tail else self._disturb()
        self._loose[item_id] = None
        if previous is not None:
            self._waiting.setdefault(previous, []).append(item_id)
        return self._append(item_id)

    def _take_in(self, item_id: str, previous: str) -> bool:
        """What stood beside the conversation has turned out to be a part of it."""
        self._beside[self._anchor.pop(item_id)].remove(item_id)
        self._insert(item_id, previous)
        self._adopt(item_id)
        return self._settle()

    def _append(self, item_id: str) -> bool:
        self._tail_before[item_id] = self._tail
        self._tail = item_id
        if self._walked is not None:
            self._walked.append(item_id)
        return False

    def _disturb(self) -> bool:
        self._walked = None
        return True

    def _adopt(self, item_id: str) -> bool:
        waiting = [child for child in self._waiting.pop(item_id, []) if not self._follows(item_id, child)]
        for child in waiting:
            self._loose.pop(child, None)
            self._children.setdefault(item_id, []).append(child)
        return self._settle() if waiting else False

    def _relink(self, item_id: str, previous: str) -> bool:
        """An item that was seen before its predecessor was named, such as any that a response announces first."""
        is_leaf = not self._children.get(item_id)
        if not is_leaf and previous != ROOT and previous in self._parent and self._follows(previous, item_id):
            return False
        self._parent[item_id] = previous
        if previous != ROOT and previous not in self._parent:
            self._waiting.setdefault(previous, []).append(item_id)
            return False
        stays = item_id == self._tail and previous == self._tail_before.get(item_id)
        stays = stays and is_leaf and not self._children.get(previous)
        self._loose.pop(item_id, None)
        (self._front if previous == ROOT else self._children.setdefault(previous, [])).append(item_id)
        return False if stays else self._settle()

    def _settle(self) -> bool:
        self._walked = None
        self._tail = next((item_id for item_id in reversed(self.walk()) if item_id in self._parent), None)
        return True

    def _follows(self, item_id: str, ancestor: str) -> bool:
        """Whether `item_id` hangs below `ancestor`: to hang that one below it would tie a ring."""
        step: str | None = item_id
        while step is not None and step != ancestor:
            step = None if step in self._loose else self._parent.get(step)
        return step == ancestor

    def _walk(self) -> list[str]:
        walked: list[str] = list(self._beside.get(None, ()))
        stack = [*reversed(self._loose), *self._front]
        while stack:
            item_id = stack.pop()
            walked.append(item_id)
            walked.extend(self._beside.get(item_id, ()))
            stack.extend(self._children.get(item_id, ()))
        return walked
