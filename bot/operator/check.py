"""The check: everything that keeps the desk from its work, found at once, one sentence each.

It begins with the path of the setting at fault and ends with what would be right. What is asked
over the network is asked side by side and within ten seconds or so. Nothing is changed or created,
but for the bot's log-in, which its first run goes on with.
"""

import asyncio
import errno
import os
import socket
from pathlib import Path

import yaml
from yarl import URL

from bot.operator import secret_files
from bot.operator.experience import recall
from bot.operator.finding import Finding
from bot.operator.surroundings import ask_around
from gateway import edges
from gateway.clock import utc_now
from gateway.rules.bans import Kind
from gateway.rules.doubts import Caution
from gateway.settings.config import ConfigError, load
from gateway.settings.settings import Settings
from gateway.settings.web import Web
from gateway.store.ban_files import BanFiles
from gateway.store.rights import too_open
from gateway.web.pages import Pages
from gateway.web.shelf import Shelf


async def check(config: Path) -> list[Finding]:
    """Everything found about a configuration and what surrounds it."""
    try:
        settings = load(config)
    except ConfigError as error:
        faults = [Finding(fault) for fault in error.faults]
        return faults + await asyncio.to_thread(_check_the_rest, config)
    state = _check_state(settings.state)
    found = [
        *state,
        *await asyncio.to_thread(_check_rights, settings),
        *await asyncio.to_thread(secret_files.look, config),
        *await asyncio.to_thread(_check_bans, settings.bans),
        *_check_review(settings),
        *_check_public_url(settings.web),
        *_check_human_check(settings),
        *_check_pages(settings),
        *await _check_port(settings.web),
        *await recall(settings, utc_now()),
    ]
    return found + await ask_around(settings, may_log_in=not state)


def _check_the_rest(config: Path) -> list[Finding]:
    """What can be known while the configuration as a whole cannot be used."""
    try:
        data = yaml.safe_load(config.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return []
    found: list[Finding] = []
    for key, look in (("state", _check_state), ("bans", _check_bans)):
        value = data.get(key) if isinstance(data, dict) else None
        if isinstance(value, str) and value:
            found += look(config.resolve().parent / value)
    return found


def _check_state(folder: Path) -> list[Finding]:
    found = _check_folder("state", folder)
    database = folder / "porter.db"
    try:
        with database.open("rb") as stream:
            head = stream.read(16)
    except (FileNotFoundError, NotADirectoryError):
        return found
    except OSError as error:
        return [*found, Finding(f"state: {database} cannot be read ({error.strerror})")]
    if head and head != b"SQLite format 3\0":
        found.append(Finding(f"state: {database} is no database; put a backup in its place"))
    elif not os.access(database, os.W_OK):
        found.append(Finding(f"state: {database} cannot be written; give it to Porter's user"))
    return found


def _check_rights(settings: Settings) -> list[Finding]:
    """What of the state folder others may read and Porter cannot close; it closes its own."""
    found = too_open(settings.state, settings.read_by_others)
    foreign = next((each for each in found if os.geteuid() not in (0, each.lstat().st_uid)), None)
    if foreign is None:
        return []
    return [Finding(f"state: {foreign} is open to others; give it to Porter's user, or chmod go=")]


def _check_folder(key: str, folder: Path) -> list[Finding]:
    """Whether a folder can be written, or made where it is missing."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError as error:
        return [Finding(f"{key}: {folder} cannot be reached ({error.strerror})")]
    if not there.is_dir():
        return [Finding(f"{key}: {there} is a file; a folder belongs there")]
    if not os.access(there, os.W_OK | os.X_OK):
        return [Finding(f"{key}: {there} cannot be written; give it to Porter's user")]
    return []


def _check_bans(folder: Path) -> list[Finding]:
    found = _check_folder("bans", folder)
    files = BanFiles(folder)
    try:
        files.load()
    except NotADirectoryError:
        return found
    except OSError as error:
        found.append(Finding(f"bans: {error.filename} cannot be read ({error.strerror})"))
    for path in map(files.path, Kind):
        if path.exists() and not os.access(path, os.W_OK):
            found.append(Finding(f"bans: {path} cannot be written; give it to Porter's user"))
    return found + [Finding(f"bans: {fault}") for fault in files.faults]


def _check_review(settings: Settings) -> list[Finding]:
    caution = settings.review.caution
    is_carefree = caution == Caution() and settings.addresses.throwaway != "review"
    if settings.bot is not None or is_carefree:
        return []
    text = (
        "review: requests wait for a person, and no bot tells one; set up the section bot, or look"
        " with `porter review` often"
    )
    return [Finding(text, is_warning=True)]


def _check_public_url(web: Web) -> list[Finding]:
    if web.public_url is not None:
        return []
    text = (
        "web.public_url: not set, so no mail has the link by which somebody says that he did not"
        " ask for it; set the address under which the page is reached"
    )
    return [Finding(text, is_warning=True)]


def _check_human_check(settings: Settings) -> list[Finding]:
    """Browsers solve nothing over plain HTTP, but for a page of their own machine."""
    url = URL(settings.web.public_url or "")
    at_home = url.host in ("localhost", "127.0.0.1", "::1")
    if settings.registration.human_check != "strict" or url.scheme != "http" or at_home:
        return []
    text = (
        f"registration.human_check: strict lets nobody in at {url}, where browsers solve no"
        " challenge; serve the page over https, or set light"
    )
    return [Finding(text)]


def _check_pages(settings: Settings) -> list[Finding]:
    web, found = settings.web, []
    for logo, favicon in ((web.logo, None), (None, web.favicon)):
        try:
            Shelf(logo, favicon)
        except ValueError as error:
            found.append(Finding(str(error)))
    try:
        Pages(
            server_name=settings.server_name,
            files=Shelf().names,
            human_check=settings.registration.human_check,
            templates=web.templates,
        )
    except ValueError as error:
        found.append(Finding(f"web.templates: {error}"))
    try:
        edges.make_composer(settings)
    except ConfigError as error:
        found += map(Finding, error.faults)
    return found


async def _check_port(web: Web) -> list[Finding]:
    loop = asyncio.get_running_loop()
    try:
        places = await loop.getaddrinfo(web.host or None, web.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return [Finding(f"web.host: {web.host!r} is no address of this machine ({error.strerror})")]
    for family, kind, protocol, _, address in places:
        with socket.socket(family, kind, protocol) as probe:
            # As the server itself does: a port whose last connections fade away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                where = f"{web.host} port {web.port}"
                if error.errno == errno.EADDRINUSE:
                    text = f"web.port: {where} is taken; if not by Porter itself, choose another"
                    return [Finding(text, is_warning=True)]
                reason = error.strerror
                return [Finding(f"web.port: cannot listen on {where} ({reason}); choose another")]
    return []
