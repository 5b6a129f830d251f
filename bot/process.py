"""One run of `porter`: its settings, and its orderly end."""

import asyncio
import gc
import getpass
import os
import signal
from collections.abc import Coroutine
from typing import Any

import click

from gateway.settings.config import ConfigError, load
from gateway.settings.settings import Settings
from gateway.store.audit import Author


def settings_of(context: click.Context) -> Settings:
    """The settings from the file that the command line names. Raises click.ClickException."""
    try:
        return load(context.find_root().params["config"])
    except ConfigError as error:
        raise faulty(error) from None


def faulty(error: ConfigError) -> click.ClickException:
    """Every fault of a configuration, as the terminal says them."""
    return click.ClickException("the configuration cannot be used:\n  " + "\n  ".join(error.faults))


def at_the_terminal() -> Author:
    """Who types commands there; in a container a user may have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        name = str(os.getuid())
    return Author(f"terminal:{name}")


def calm_collector() -> None:
    """Let Python's garbage collector pause a long run seldom and shortly.

    What the imports made lives as long as the process, so it need not be searched again and again;
    a busy desk makes little that only the collector could find. On two cores this took the p99 of
    a flooded form from 130 to 65 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 100)


def run(work: Coroutine[Any, Any, Any]) -> int:
    """Run to the end, or until the terminal or the service manager says stop."""

    async def until_stopped() -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, task.cancel)
        # Once: whoever says stop again, as service managers may, would break off the leave-taking.
        loop.add_signal_handler(signal.SIGTERM, lambda: task.cancelling() or task.cancel())
        try:
            return int(await task or 0)
        except asyncio.CancelledError:
            return 0

    try:
        return asyncio.run(until_stopped())
    except ConfigError as error:
        raise faulty(error) from None
