"""What goes wrong, and how often: drawn anew for each seed, so that faults come alone as well."""

from __future__ import annotations

from random import Random

from attrs import field, frozen

LATE = 5.0
"""Seconds after which a message has arrived, however late."""
QUICK = 0.05
"""Seconds that a message takes at most while nothing is wrong."""
PATIENCE = 1.0
"""Seconds that a caller waits for an answer at most, before it takes the store for unavailable."""


@frozen(kw_only=True)
class Fate:
    """What becomes of one request to the store.

    Attributes:
        arrives: seconds until it is executed; ``None``: it never is.
        again: seconds until it is executed once more, unasked; ``None``: it is not.
        answered: seconds from there until its caller hears of it; ``None``: it does not.
        given_up: seconds after which its caller is told that the store is unavailable.
    """

    arrives: float | None
    answered: float | None
    again: float | None = None
    given_up: float | None = None


@frozen(kw_only=True)
class Odds:
    """How likely each trouble is: of messages, each; of processes, for the next to come.

    Attributes:
        lost: the request is never executed.
        unanswered: it is executed, and nobody hears of it.
        late: it is executed long after its caller has given up.
        doubled: it is executed a second time.
        slow: it takes up to the caller's patience.
        stuck: the answer is late, and its caller is told nothing before it comes.
        calamities: the kinds that befall processes and clocks.
        every: seconds between two calamities, at most.
    """

    lost: float
    unanswered: float
    late: float
    doubled: float
    slow: float
    stuck: float
    calamities: tuple[str, ...] = field(default=())
    every: float = 3.0


CALAMITIES = ("crash", "pause", "block", "jump", "skew", "drain")


def draw(chance: Random) -> Odds:
    """The odds of one simulation; each trouble is left out of some."""

    def odds(most: float) -> float:
        return chance.uniform(0, most) if chance.random() < 0.6 else 0.0

    return Odds(
        lost=odds(0.1),
        unanswered=odds(0.1),
        late=odds(0.06),
        doubled=odds(0.1),
        slow=odds(0.2),
        stuck=odds(0.03),
        calamities=tuple(one for one in CALAMITIES if chance.random() < 0.6),
        every=chance.uniform(1.0, 5.0),
    )


class Faults:
    """Draws the fate of every message, until there are no more faults."""

    def __init__(self, odds: Odds, chance: Random) -> None:
        self.odds = odds
        self.over = False
        self._chance = chance

    def fate(self) -> Fate:
        """What becomes of the next request."""
        chance, odds = self._chance, self.odds
        arrives, answered = chance.uniform(0, QUICK), chance.uniform(0, QUICK)
        if self.over:
            return Fate(arrives=arrives, answered=answered)
        given_up = chance.uniform(0.05, PATIENCE)
        roll = chance.random()
        for likely, made in (
            (odds.lost, Fate(arrives=None, answered=None, given_up=given_up)),
            (odds.unanswered, Fate(arrives=arrives, answered=None, given_up=given_up)),
            (odds.late, Fate(arrives=self._late(), answered=None, given_up=given_up)),
            (odds.slow, Fate(arrives=given_up / 2, answered=given_up / 2)),
            (odds.stuck, Fate(arrives=arrives, answered=self._late())),
            (odds.doubled, Fate(arrives=arrives, answered=answered, again=self._late())),
        ):
            if roll < likely:
                return made
            roll -= likely
        return Fate(arrives=arrives, answered=answered)

    def _late(self) -> float:
        return self._chance.uniform(0, LATE) ** 2 / LATE

    def oversleeps(self) -> float:
        """How much later than it could somebody hears of a commit, in seconds."""
        late = not self.over and self._chance.random() < self.odds.slow
        return self._chance.uniform(0, PATIENCE) if late else 0.0
