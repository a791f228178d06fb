"""Stories of jobs whose definition has changed, and that take the shape of today."""

from __future__ import annotations

from collections.abc import Mapping

from parcae.shape import Moves
from parcae.spec import DependencyPolicy
from parcae_specs.scenarios.common import ONCE, depends
from parcae_specs.story import (
    Step,
    at,
    cancel,
    claim,
    done,
    fail,
    migrate,
    release,
    settle,
    shape,
    start,
    submit,
    undo,
    undone,
)

OLD = shape("1", "a~", "b?", "c")
NEW = shape("2", "z", "a~", "x", "y?", "d")
RENAMED = Moves(renamed={"b": "y"}, passed=("z",))

MIGRATED: Mapping[str, tuple[Step, ...]] = {
    "takes the shape of today before it began": (
        submit("a~", "b?", "c", dependencies=depends(DependencyPolicy.FAIL)),
        migrate(OLD, NEW, RENAMED),
        settle("p"),
        claim(),
        start("z"),
        done("z"),
    ),
    "takes the shape of today half-way, and undoes in it": (
        submit("a~", "b?", "c", retry=ONCE),
        claim(),
        start("a"),
        done("a", result=b"1"),
        start("b"),
        release(),
        at(1),
        migrate(OLD, NEW, RENAMED),
        claim("bob", "s"),
        start("x", 2),
        done("x", 2, result=b"2"),
        start("y", 2),
        release(2),
        cancel("ops"),
        claim("bob", "t"),
        undo("y", 3),
        undone("y", 3),
        undo("a", 3),
        undone("a", 3),
    ),
    "takes the shape of today while it undoes": (
        submit("a~", "b~", "c", retry=ONCE),
        claim(),
        start("a"),
        done("a", result=b"1"),
        start("b"),
        done("b", result=b"2"),
        start("c"),
        fail(),
        claim("bob", "s"),
        undo("b", 2),
        undone("b", 2),
        release(2),
        migrate(
            shape("1", "a~", "b~", "c"),
            shape("2", "y~", "d"),
            Moves(renamed={"a": "y"}, kept=("b",)),
        ),
        claim("bob", "t"),
        undo("y", 3),
        undone("y", 3),
    ),
}
