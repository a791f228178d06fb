"""Plants a bug: one function of the kernel with one piece of its text exchanged.

The changed text is compiled in the function's own module, and put in place of the function
wherever the kernel has imported it; afterwards all is as it was.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Change:
    """One exchange of text in one function of the kernel.

    Attributes:
        module: where it stands, such as ``parcae.decide.fence``.
        function: its name, such as ``holds`` or ``Draft.fence``.
        old: the text that is there, once.
        new: the text in its place.
    """

    module: str
    function: str
    old: str
    new: str


TEXT = "__planted__"
"""Where a changed function keeps its text, so that it can be changed once more."""


class Stale(Exception):
    """The kernel no longer has the text that a bug exchanges: the bug has to be written anew."""


@contextmanager
def planted(*changes: Change) -> Iterator[None]:
    """The kernel with these changes, inside the block only.

    Raises:
        Stale: it does not have the text that is to be changed.
    """
    undo: list[tuple[Any, str, Any]] = []
    try:
        for change in changes:
            undo += _exchange(change)
        yield
    finally:
        for owner, name, original in reversed(undo):
            setattr(owner, name, original)


def _exchange(change: Change) -> list[tuple[Any, str, Any]]:
    owner: Any = importlib.import_module(change.module)
    *path, name = change.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = inspect.getattr_static(owner, name)
    changed = _changed(change, original)
    places = [(owner, name)] if path else list(holders(original))
    for holder, attribute in places:
        setattr(holder, attribute, changed)
    return [(holder, attribute, original) for holder, attribute in places]


def _changed(change: Change, original: Any) -> Any:
    """The function with its text exchanged, compiled in its own module."""
    function: FunctionType = getattr(original, "fget", original)
    text = getattr(function, TEXT, None) or textwrap.dedent(inspect.getsource(function))
    if text.count(change.old) != 1:
        found = text.count(change.old)
        where = f"{change.module}.{change.function}"
        raise Stale(f"{where} has {change.old!r} {found} times, expected once")
    module = sys.modules[change.module]
    made: dict[str, Any] = {}
    text = text.replace(change.old, change.new)
    code = compile(
        f"from __future__ import annotations\n{text}",
        f"<planted in {change.module}.{change.function}>",
        "exec",
    )
    exec(code, module.__dict__, made)
    changed = made[function.__name__]
    setattr(getattr(changed, "fget", changed), TEXT, text)
    return changed


def holders(original: Any) -> Iterator[tuple[Any, str]]:
    """Every name in the kernel under which the function is known."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "parcae":
            continue
        for attribute, value in list(vars(module).items()):
            if value is original:
                yield module, attribute
