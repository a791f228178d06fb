"""The command line, ``parcae``. The only importer of click and rich, and only once it is called."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]

EXTRAS = {
    "aiohttp": "http",
    "click": "cli",
    "cronsim": "cron",
    "opentelemetry": "otel",
    "prometheus_client": "metrics",
    "rich": "cli",
    "standardwebhooks": "http",
    "sqlite_utils": "sqlite",
    "yaml": "yaml",
    "yarl": "http",
}
"""The extra that brings each driver which may be missing."""


def main() -> None:
    """Run the command line on this process's arguments, and exit with its code."""
    try:
        from parcae_adapters.cli.app import parcae
    except ModuleNotFoundError as error:
        sys.exit(missing(error))
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parcae.main(prog_name="parcae")


def missing(error: ModuleNotFoundError) -> str:
    """What to do about a module that is not there; anything but a known driver is a bug.

    Raises:
        ModuleNotFoundError: it is not one that an extra brings.
    """
    driver = (error.name or "").partition(".")[0]
    if driver not in EXTRAS:
        raise error
    extra = EXTRAS[driver]
    return f"parcae: {driver} is not installed; try: pip install 'parcae[{extra}]'"
