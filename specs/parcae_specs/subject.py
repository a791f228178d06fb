"""What is put to the contract: how to open it, and what it says it can do.

A store is tested through its port alone. Whatever only some stores can do is a capability that the
subject declares; what it does not declare is skipped, and the skip is reported, never guessed.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from enum import StrEnum
from importlib import import_module
from inspect import isawaitable
from pathlib import Path
from typing import Any

from attrs import field, frozen

from parcae.ports import Clock, Entropy, Store
from parcae.values import JobId
from parcae_adapters.clock import SystemClock


class Capability(StrEnum):
    """What a store may declare."""

    CLOCK = "clock"
    """It reads ``now`` from the clock that it is given."""
    ENTROPY = "entropy"
    """All chance it uses comes from the entropy that it is given."""
    DURABLE = "durable"
    """Opened again in the same folder, it has everything that it acknowledged."""
    SHARED = "shared"
    """It may be open several times in the same folder, all of them one store."""
    PROCESSES = "processes"
    """So too in several processes, any of which may be killed."""
    DAMAGE = "damage"
    """The subject can damage a record, so that the store has to notice."""
    OBSTRUCT = "obstruct"
    """The subject can keep the store from answering for a while."""


CAN: dict[Capability, str] = {
    Capability.CLOCK: "reads the clock it is given",
    Capability.ENTROPY: "draws on the entropy it is given",
    Capability.DURABLE: "keeps what it acknowledged when it is opened again",
    Capability.SHARED: "may be open several times in one folder",
    Capability.PROCESSES: "may be open in several processes, which may be killed",
    Capability.DAMAGE: "can have a record damaged",
    Capability.OBSTRUCT: "can be kept from answering",
}

OpenStore = Callable[[Path, Clock, Entropy], Store | Awaitable[Store]]
"""Opens the store that is kept in a folder; an empty folder holds an empty store."""

Damage = Callable[[Path, JobId], None]
Obstruct = Callable[[Path], AbstractContextManager[None]]


def _capabilities(names: Iterable[str]) -> frozenset[Capability]:
    return frozenset(map(Capability, names))


@frozen(kw_only=True)
class Subject:
    """A store to be held to its contract.

    Attributes:
        name: ``package.module:attribute``, under which another process finds it too.
        open: opens it.
        declared: what it says it can do.
        damage: makes a record of this job unreadable, in a folder where no store is open.
        obstruct: keeps the store of a folder from answering, as long as the block lasts.
    """

    name: str
    open: OpenStore
    declared: frozenset[Capability] = field(default=frozenset(), converter=_capabilities)
    damage: Damage | None = None
    obstruct: Obstruct | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do: what it declares, and what its hooks make possible."""
        hooks = {Capability.DAMAGE: self.damage, Capability.OBSTRUCT: self.obstruct}
        return self.declared | {one for one, hook in hooks.items() if hook is not None}


def found(name: str) -> Subject:
    """The subject called ``package.module:attribute``: one of these, or a function that opens it.

    A function may have an attribute ``capabilities``, the names of what it declares.

    Raises:
        ValueError: there is none of that name.
    """
    value = _attribute(name)
    if isinstance(value, Subject):
        return value
    if not callable(value):
        raise ValueError(f"expected a Subject or a function for {name}, got {value!r}")
    return Subject(name=name, open=value, declared=getattr(value, "capabilities", ()))


def _attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ValueError(f"expected package.module:attribute, got {name!r}")
    try:
        value: Any = import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name} is not there: {error}") from error
    return value


async def opened(subject: Subject, folder: Path, seed: int | None = None) -> Store:
    """The store of that folder, on the system's clock."""
    chance = random.Random(seed)
    store = subject.open(folder, SystemClock(), lambda: chance.getrandbits(128))
    return await store if isawaitable(store) else store
