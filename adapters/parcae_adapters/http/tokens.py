"""The file of tokens: TOML, for its owner's eyes only, read again when it has changed."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
import tomllib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from parcae.values import Instant
from parcae_adapters.http.access import Grant, digest, new_token
from parcae_adapters.http.route import Scope

MOST_TOKENS = 1_000
MOST_BYTES = 1_048_576
ID_LENGTH = 8
"""Digits of the hash that tell tokens of one name apart."""

LOOK_EVERY = 0.5
"""Seconds between looks at the file, at the least."""

PRIVATE = 0o600
_HASH = "sha256:"

log = logging.getLogger("parcae.http")


@frozen
class _Seen:
    """By what a changed file is known."""

    device: int
    inode: int
    size: int
    modified: int
    mode: int


class TokenFile:
    """The tokens in a file, as they are now: call it.

    A file that cannot be read, or that others may read, admits nobody, and the log says why: what
    is meant to keep people out must not fail open.

    Args:
        path: of the file.
        clock: seconds that only grow.

    Raises:
        ValueError: on the first look it cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._seen = _look(path)
        self._grants = read(path)

    def __call__(self) -> Sequence[Grant]:
        """The tokens that are good for something now, if they have not expired."""
        now = self._clock()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look_again()
        return self._grants

    def _look_again(self) -> None:
        try:
            seen = _look(self._path)
            if seen != self._seen:
                self._grants, self._seen = read(self._path), seen
                log.info("the tokens were read again: %d", len(self._grants))
        except ValueError as error:
            if self._grants or self._seen is not None:
                log.error("nobody is admitted any more: %s", error)
            self._grants, self._seen = (), None


def _look(path: Path) -> _Seen | None:
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"cannot read the tokens in {path}: {error.strerror}") from None
    return _Seen(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)


def read(path: Path) -> tuple[Grant, ...]:
    """The tokens in a file.

    Raises:
        ValueError: it is not there, others may read it, or it is not a file of tokens.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                raise ValueError(f"expected {path} to be its owner's alone: chmod 600 {path}")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read the tokens in {path}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes in {path}")
    try:
        entries = tomllib.loads(data.decode("utf-8")).get("token", [])
        return tuple(_grant(entry) for entry in entries)[:MOST_TOKENS]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # What is wrong, but nothing of what stands there: it is a file of secrets.
        kind = type(error).__name__
        raise ValueError(
            f"{path} is not a file of tokens as `parcae token` writes it: {kind}"
        ) from None


def _grant(entry: dict[str, Any]) -> Grant:
    if entry.keys() - {"name", "scopes", "hash", "expires"}:
        raise ValueError("an unknown field")
    expires = entry.get("expires")
    if expires is not None and not isinstance(expires, datetime):
        raise ValueError("expires is no instant")
    return Grant(
        name=entry["name"],
        digest=entry["hash"].removeprefix(_HASH),
        scopes=entry["scopes"],
        expires=expires,
    )


def add(path: Path, name: str, scopes: Sequence[Scope], expires: Instant | None = None) -> str:
    """Put a new token into the file, which is made where it is not there; the token.

    It is nowhere else: only its hash is kept.

    Raises:
        ValueError: the name or the file cannot be used, or it has as many tokens as it may hold.
    """
    token = new_token()
    grant = Grant(name=name, digest=digest(token), scopes=scopes, expires=expires)

    def added(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
        if len(grants) >= MOST_TOKENS:
            raise ValueError(f"expected at most {MOST_TOKENS} tokens in {path}")
        return (*grants, grant)

    _rewrite(path, added, create=True)
    return token


def revoke(path: Path, name: str, identity: str | None = None) -> tuple[Grant, ...]:
    """Take the tokens of ``name`` out of the file: all, or the one whose hash begins so.

    Raises:
        ValueError: there is no such token, or the file cannot be used.
    """
    gone: list[Grant] = []

    def left(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
        gone[:] = [
            one
            for one in grants
            if one.name == name and (identity is None or one.digest.startswith(identity))
        ]
        if not gone:
            raise ValueError(f"there is no token of {name!r} in {path}; see: parcae token list")
        return tuple(one for one in grants if one not in gone)

    _rewrite(path, left)
    return tuple(gone)


def _rewrite(
    path: Path, change: Callable[[tuple[Grant, ...]], tuple[Grant, ...]], *, create: bool = False
) -> None:
    """Change the file in one step: a reader sees all of the old one, or all of the new one."""
    fresh = path.with_name(path.name + ".new")
    try:
        # Made anew or not at all: two that change it at once cannot lose a token of each other.
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        raise ValueError(f"somebody else is changing {path}; if not, remove {fresh}") from None
    except OSError as error:
        raise ValueError(f"cannot write {fresh}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            known = () if create and not path.exists() else read(path)
            file.write(written(change(known)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def written(grants: Sequence[Grant]) -> str:
    """The text of a file of tokens."""
    parts = ["# Written by `parcae token`: hashes of tokens, and what each is good for.\n"]
    for one in grants:
        scopes = ", ".join(json.dumps(str(scope)) for scope in sorted(one.scopes))
        lines = [
            "[[token]]",
            f"name = {json.dumps(one.name, ensure_ascii=False)}",
            f"scopes = [{scopes}]",
            f'hash = "{_HASH}{one.digest}"',
        ]
        if one.expires is not None:
            lines.append(f"expires = {one.expires.isoformat()}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
