"""Statements that walk along an index of waiting jobs and skip from one group of rows to the next.

SQLite does not skip by itself: ``SELECT DISTINCT`` reads every row. These read one row a group.
"""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen


@frozen
class Index:
    """One of the partial indexes over ready jobs.

    Attributes:
        name: its name.
        where: what its rows have in common.
        prefix: the columns it begins with, up to the kind.
    """

    name: str
    where: str
    prefix: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where to read from; SQLite refuses the statement if it would not use this index."""
        return f"parcae_jobs INDEXED BY {self.name} WHERE {self.where}"

    @property
    def given(self) -> str:
        """Equality with a value for each column of the prefix."""
        return "".join(f" AND {column} = ?" for column in self.prefix)


BARE = Index("parcae_bare", "ready = 1 AND lane = ''", ("queue", "kind"))
NAMED = Index("parcae_named", "ready = 1 AND lane != ''", ("queue", "kind"))
LANES = Index("parcae_lanes", "ready = 1 AND lane != ''", ("queue", "lane", "kind"))


def _skip(index: Index, given: str, columns: tuple[str, ...], *, down: bool = False) -> str:
    """The different values of ``columns`` among the rows of ``index`` that are ``given``."""
    names = ", ".join(columns)
    turned = ", ".join(f"{name} DESC" if down else name for name in columns)
    # Column by column: beyond a pair of values SQLite would begin with the rows that have both.
    steps = ", ".join(
        f"""(
                SELECT rowid FROM {index.source}{given}{_beyond(columns[: at + 1], down=down)}
                ORDER BY {turned} LIMIT 1)"""
        for at in reversed(range(len(columns)))
    )
    return f"""
        WITH RECURSIVE found ({names}) AS (
            SELECT * FROM (
                SELECT {names} FROM {index.source}{given} ORDER BY {turned} LIMIT 1)
            UNION ALL
            SELECT {", ".join(f"next.{name}" for name in columns)}
            FROM found CROSS JOIN parcae_jobs AS next ON next.rowid = coalesce({steps}, NULL))
        SELECT {names} FROM found"""


def _beyond(columns: tuple[str, ...], *, down: bool) -> str:
    """The same values in all but the last of ``columns``, and a later one in that."""
    same = "".join(f" AND {name} = found.{name}" for name in columns[:-1])
    return f"{same} AND {columns[-1]} {'<' if down else '>'} found.{columns[-1]}"


@lru_cache
def pairs(index: Index) -> str:
    """All (queue, kind) that are ready."""
    return _skip(index, "", ("queue", "kind"))


@lru_cache
def within(index: Index, *columns: str) -> str:
    """What is ready in one queue, which is given once more than there are columns."""
    return _skip(index, " AND queue = ?", columns)


@lru_cache
def classes(index: Index) -> str:
    """All (undo, priority) behind a prefix, which is given three times."""
    return _skip(index, index.given, ("offer_undo", "priority"), down=True)


@lru_cache
def stream(index: Index, narrowed: int) -> str:
    """The jobs behind a prefix, in the order in which they are claimed.

    Args:
        index: which one.
        narrowed: 0: all; 1: of one ``offer_undo``; 2: and of one priority.
    """
    order = ("offer_undo", "priority")
    equal = "".join(f" AND {name} = ?" for name in order[:narrowed])
    turned = ", ".join(f"{name} DESC" for name in order)
    return f"""
        SELECT id, kind, lane, offer_at, offer_until, offer_undo, priority, place
        FROM {index.source}{index.given}{equal}
        AND offer_at <= ? AND (offer_until IS NULL OR offer_until > ?)
        ORDER BY {turned}, place"""
