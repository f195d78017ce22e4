"""Stacks as one tree: what they have in common is added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sysmon.analyze.stacks.folded import Folded, Frame


@dataclass
class Node:
    """A function in one place of the tree; `weight` is that of all stacks through it."""

    frame: Frame
    weight: int = 0
    children: dict[Frame, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """A node's place in a flame graph: level from the bottom, and its extent in units of weight."""

    frame: Frame
    level: int
    left: int
    weight: int


def tree(stacks: Iterable[Folded]) -> Node:
    """The tree of these stacks; its root is of all processes."""
    root = Node(Frame("all", "process"))
    for stack in stacks:
        root.weight += stack.weight
        node = root
        for frame in stack.frames:
            node = node.children.setdefault(frame, Node(frame))
            node.weight += stack.weight
    return root


def boxes(root: Node, least: float, levels: int) -> Iterator[Box]:
    """The boxes of the tree that weigh at least so much, callers first, siblings by name, at most so many levels."""
    return (box for box, _weight in compared(root, None, least, levels))


def compared(root: Node, other: Node | None, least: float, levels: int) -> Iterator[tuple[Box, int]]:
    """The same, each with what its place in another tree weighs: 0 if that has none."""
    waiting = [(root, other, 0, 0)]
    while waiting:
        node, twin, level, left = waiting.pop()
        yield Box(node.frame, level, left, node.weight), twin.weight if twin else 0
        for child in sorted(node.children.values(), key=lambda child: (child.frame.name, child.frame.origin)):
            if child.weight >= least and level + 1 < levels:
                waiting.append((child, twin.children.get(child.frame) if twin else None, level + 1, left))
            left += child.weight


def missing(root: Node, other: Node) -> Iterator[Node]:
    """The outermost nodes of a tree that another does not have."""
    waiting = [(root, other)]
    while waiting:
        node, twin = waiting.pop()
        for frame, child in node.children.items():
            if frame in twin.children:
                waiting.append((child, twin.children[frame]))
            else:
                yield child
