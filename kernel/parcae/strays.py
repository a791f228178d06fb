"""Living jobs whose shape is not today's: what differs, what it means, and what to choose."""

from __future__ import annotations

from attrs import Factory, frozen

from parcae.phrases import count, listed
from parcae.shapes import Changed, Difference
from parcae.values import JobId


@frozen(kw_only=True)
class Stray:
    """Living jobs of one kind that were admitted with the same phases, which are not today's.

    Attributes:
        kind: of which kind.
        version: of the definition, when they were admitted.
        now: its version today.
        choice: what the definition says is to become of them.
        differences: between their shape and today's.
        lacks: the handlers that some of them may need and that are not there, in words.
        jobs: how many there are.
        held: how many of them are held by a worker.
        migrate: how many of them can take the shape of today.
        unfit: why others cannot, though there is a function for their version.
        examples: some of them.
    """

    kind: str
    version: str
    now: str
    choice: Changed
    differences: tuple[Difference, ...]
    lacks: tuple[str, ...]
    jobs: int
    held: int
    examples: tuple[JobId, ...]
    migrate: int = 0
    unfit: tuple[str, ...] = ()

    @property
    def error(self) -> bool:
        """Whether a worker does not start over it."""
        if self.choice is Changed.QUARANTINE and self.differences:
            return False
        return bool(self.lacks) or self.choice is Changed.REFUSE

    def __str__(self) -> str:
        """What differs, what it means, and what to do about it."""
        living = f"{count(self.jobs, 'living job')} of version {self.version}"
        # What would follow if it ran as it is does not, where it does not run so.
        stays = self.migrate < self.jobs
        found = "; ".join(str(one) if stays else one.sides for one in self.differences)
        same = (
            f"; give the definition another version than {self.now}, for its phases have changed"
            if self.version == self.now and self.differences
            else ""
        )
        head = f"kind {self.kind}: {living} ({listed(self.examples)})"
        differ = "differs" if self.jobs == 1 else "differ"
        differ = f" {differ} from version {self.now}: {found}{same}" if found else ""
        return f"{head}{differ}. {self.fix}"

    @property
    def fix(self) -> str:
        """What becomes of them, or what to choose."""
        missing = listed(self.lacks)
        if self.choice is Changed.QUARANTINE and self.differences:
            return "Those that nobody holds are quarantined, as changed='quarantine' says"
        if self.choice is Changed.MIGRATE:
            return self._of_migration
        if self.lacks:
            kept = f"keep the old code for {missing} with retired=True"
            chosen = "" if self.choice is Changed.FINISH else " and choose changed='finish'"
            return f"There is no handler for {missing}: {kept}{chosen}, or {_QUARANTINE}"
        if self.choice is Changed.FINISH:
            return "They finish as they were admitted, as changed='finish' says"
        finish = "changed='finish' (they finish as they were admitted)"
        return f"Choose {finish}, {_MIGRATE}, or {_QUARANTINE}"

    @property
    def _of_migration(self) -> str:
        """How many take today's shape, and what becomes of the others."""
        said = [f"{self.migrate} of {self.jobs} can take today's shape"] if self.migrate else []
        if self.migrate < self.jobs:
            why = "; ".join(self.unfit) or f"no function migrates from version {self.version}"
            said.append(f"{self.jobs - self.migrate} finish as they are ({why})")
        if self.lacks:
            missing = listed(self.lacks)
            said.append(f"there is no handler for {missing}: keep the old code with retired=True")
        return f"As changed='migrate' says, {', '.join(said)}"


_MIGRATE = "changed='migrate' (functions say what their phases have become)"
_QUARANTINE = "changed='quarantine' (nobody runs them, and a person sees what they owe)"


@frozen(kw_only=True)
class Deploy:
    """What a look at the living jobs found.

    Attributes:
        looked_at: how many jobs were looked at.
        complete: there were no more than were looked at.
        strays: whose shape is not today's, or who lack a handler.
    """

    looked_at: int = 0
    complete: bool = True
    strays: tuple[Stray, ...] = Factory(tuple)

    @property
    def errors(self) -> tuple[Stray, ...]:
        """Those over which a worker does not start."""
        return tuple(one for one in self.strays if one.error)
