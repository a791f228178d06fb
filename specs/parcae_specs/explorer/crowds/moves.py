"""What may happen next in a world: each move is a commit or a few, decided by the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from parcae.change import Change, Revision, View
from parcae.errors import Corrupt, Rejected, Superseded
from parcae_specs.explorer.crowds.model import Crowd, Mishap
from parcae_specs.explorer.crowds.observe import Commit
from parcae_specs.explorer.crowds.world import World
from parcae_specs.explorer.watch import Violation

Log = tuple[Change | Revision, ...]
Rule = Callable[[View], Sequence[Change | Revision]]


@frozen(kw_only=True)
class Move:
    """One step from a world to another.

    Attributes:
        actor: who.
        verb: what, in words.
        world: the world after it, not yet shortened.
        cost: what it takes from the purse.
        broken: the guarantees that it breaks.
        log: what its commits changed, in order.
    """

    actor: str
    verb: str
    world: World
    cost: Mishap | None = None
    broken: tuple[Violation, ...] = ()
    log: Log = ()


@frozen
class Done:
    """What came of one transaction or of a few.

    Attributes:
        world: after them.
        changes: of the one that matters; ``None``: it was refused.
        broken: the guarantees that they break.
        log: the changes of all of them, in order.
    """

    world: World
    changes: Log | None
    broken: tuple[Violation, ...] = ()
    log: Log = ()


def transact(world: World, view: View, rule: Rule) -> Done:
    """Run a rule on a view, and store what it gives back."""
    try:
        changes = tuple(rule(view))
    except (Rejected, Superseded):
        return Done(world, None)
    except Exception as error:  # noqa: BLE001 - whatever else it raises is the finding
        guarantee = "S2" if isinstance(error, Corrupt) else "S28"
        return Done(world, None, (Violation(guarantee, f"{type(error).__name__}: {error}"),))
    commit = Commit(world, view.place)
    after = commit.store(changes)
    return Done(after, changes, tuple(commit.broken), changes)


class Mover:
    """Base of those who find moves.

    Args:
        model: the slice.
    """

    def __init__(self, model: Crowd) -> None:
        self.model = model
        self.purse = {mishap: index for index, mishap in enumerate(model.mishaps)}

    def paid(self, world: World, cost: Mishap | None) -> World | None:
        """The world once ``cost`` is paid; ``None``: it cannot be."""
        if cost is None:
            return world
        index = self.purse.get(cost)
        if index is None or not world.purse[index]:
            return None
        purse = world.purse
        return world._replace(purse=(*purse[:index], purse[index] - 1, *purse[index + 1 :]))

    def move(
        self, actor: str, verb: str, world: World, cost: Mishap | None, done: Done
    ) -> Iterator[Move]:
        """The move, if it can be paid for and changes anything."""
        after = self.paid(done.world, cost)
        if after is None or (done.world == world and not done.broken):
            return
        yield Move(actor=actor, verb=verb, world=after, cost=cost, broken=done.broken, log=done.log)

    def can(self, world: World, cost: Mishap) -> bool:
        """Whether there is anything of it left in the purse."""
        index = self.purse.get(cost)
        return index is not None and world.purse[index] > 0
