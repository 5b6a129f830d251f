"""What the desk needs of others: the mail server, the homeserver, the room.

Asked side by side, and each with less patience than the desk at work has: ten seconds in all.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import aiohttp

from bot.account import rule_of, session_of
from bot.operator import token_file
from bot.operator.auth_service import check_issuer, check_site
from bot.operator.finding import Finding
from bot.operator.fit import fit
from bot.operator.guard import check_guard
from bot.operator.sign_up import check_sign_up
from bot.room.inspection import inspect
from gateway import edges
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.identity import Identity, identify
from gateway.mail.delivery import DeliveryError
from gateway.settings.config import ConfigError
from gateway.settings.homeserver import Homeserver
from gateway.settings.room import Bot
from gateway.settings.settings import Settings

_MAIL_LIMIT = timedelta(seconds=8)
_QUESTION_LIMIT = timedelta(seconds=4)
_LIMIT = 6.0  # seconds; they begin when the homeserver has answered
_REMEDIES = {
    "token_file": "; its folder must be there and writable for Porter's user",
    "admin_token": "; it must be an access token of a server admin",
}
# What the room's own check says of a room that the bot can work in.
_ROOM_WARNINGS = (
    "joins when it starts",
    "make it invite-only",
    "change its history visibility",
    "make sure that this is wanted",
)


async def ask_around(settings: Settings, *, may_log_in: bool) -> list[Finding]:
    """Everything found; the room is asked only with `may_log_in`, for a log-in must be kept."""
    settings = _hurried(settings)
    return await _side_by_side(_check_mail(settings), _check_homeserver(settings, may_log_in))


def _hurried(settings: Settings) -> Settings:
    """The same settings with less patience."""
    smtp, homeserver = settings.smtp, settings.homeserver
    return settings.model_copy(
        update={
            "smtp": smtp.model_copy(update={"timeout": min(smtp.timeout, _MAIL_LIMIT)}),
            "homeserver": homeserver.model_copy(
                update={"timeout": min(homeserver.timeout, _QUESTION_LIMIT)}
            ),
        }
    )


async def _side_by_side(*questions: Coroutine[Any, Any, list[Finding]]) -> list[Finding]:
    return [finding for answer in await asyncio.gather(*questions) for finding in answer]


async def _check_mail(settings: Settings) -> list[Finding]:
    try:
        mailer = edges.make_mailer(settings)
    except ConfigError as error:
        return [*map(Finding, error.faults)]
    try:
        await mailer.check()
    except DeliveryError as error:
        remedy = "smtp.host, smtp.port and smtp.security must be the mail server's"
        if "refused our log-in" in str(error):
            remedy = "smtp.username and smtp.password must be those that it knows"
        return [Finding(f"smtp: {error}; {remedy}")]
    finally:
        await mailer.close()
    return []


async def _check_homeserver(settings: Settings, may_log_in: bool) -> list[Finding]:
    async with aiohttp.ClientSession() as session:
        answer = await _identify(session, settings.homeserver)
        server = answer if isinstance(answer, Identity) else None
        silence = [answer] if isinstance(answer, Finding) else []
        found = silence + await _ask_homeserver(session, settings, server, may_log_in)
    if settings.bot is None:
        text = "bot: not configured; nobody moderates, and no alert is shown anywhere"
        found.append(Finding(text, is_warning=True))
    return found


async def _identify(session: aiohttp.ClientSession, homeserver: Homeserver) -> Identity | Finding:
    try:
        return await identify(session, homeserver.url, homeserver.timeout)
    except HomeserverError as error:
        remedy = "it must be the address under which Matrix clients reach the homeserver"
        return Finding(f"homeserver.url: {error}; {remedy}")


async def _ask_homeserver(
    session: aiohttp.ClientSession, settings: Settings, server: Identity | None, may_log_in: bool
) -> list[Finding]:
    """What can be found out of a server that is there; of one that is not, its token file."""
    homeserver, bot = settings.homeserver, settings.bot
    url, limit = homeserver.url, homeserver.timeout
    found = [] if server is None else fit(homeserver, server) + check_guard(homeserver, server)
    if homeserver.token_file is not None:
        found += token_file.look(homeserver.token_file)
    # In a way that does not fit, tokens need not be asked for: another sentence for the same fault.
    fits = server is not None and all(each.is_warning for each in found)
    questions = []
    if fits or homeserver.way == "token_file":
        questions.append(_check_tokens(session, settings))
    if server is not None:
        if homeserver.kind == "mas":
            questions.append(_check_service(session, settings, server))
        elif not (server.key == "synapse" and server.issuer):  # that service signs people up
            questions.append(check_sign_up(session, url, limit, server))
        if bot is not None and may_log_in:
            questions.append(_check_room(settings, bot))
    return found + await _side_by_side(*questions)


async def _check_tokens(session: aiohttp.ClientSession, settings: Settings) -> list[Finding]:
    way = settings.homeserver.way
    if way == "admin_room":
        return []  # the bot asks for them, and looks after its rooms
    # Of its three settings the error names the one at fault.
    key = "homeserver" if way == "client_id" else f"homeserver.{way}"
    try:
        async with asyncio.timeout(_LIMIT):
            await edges.make_homeserver(settings, session).check()
    except TimeoutError:
        return [Finding(f"{key}: tokens were not answered for within {_LIMIT:g} s")]
    except HomeserverError as error:
        return [Finding(f"{key}: {error}{_REMEDIES.get(way, '')}")]
    return []


async def _check_service(
    session: aiohttp.ClientSession, settings: Settings, server: Identity
) -> list[Finding]:
    homeserver = settings.homeserver
    assert homeserver.auth_url is not None
    try:
        async with asyncio.timeout(_LIMIT):
            return await _side_by_side(
                check_issuer(session, homeserver.auth_url, homeserver.timeout, server),
                check_site(edges.make_mas_api(settings, session)),
            )
    except TimeoutError:
        return []  # as the check of its tokens says


async def _check_room(settings: Settings, bot: Bot) -> list[Finding]:
    try:
        async with asyncio.timeout(_LIMIT):
            sentences = await inspect(
                session_of(settings, bot),
                bot.room,
                rule_of(bot),
                admin_room=settings.homeserver.admin_room,
                server_name=settings.server_name,
            )
    except TimeoutError:
        url = settings.homeserver.url
        return [Finding(f"bot: {url} did not answer about the room within {_LIMIT:g} s")]
    found = []
    for sentence in sentences:
        has_key = sentence.startswith(("bot", "homeserver."))
        text = sentence if has_key else f"bot: {sentence}"
        is_warning = any(sign in sentence for sign in _ROOM_WARNINGS)
        found.append(Finding(text.removesuffix("."), is_warning))
    return found
