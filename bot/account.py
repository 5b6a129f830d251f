"""The bot's account, and whom it obeys, as the settings tell it."""

from pydantic import SecretStr

from bot.room.power import Rule
from bot.room.session import Session
from gateway.settings.room import Bot
from gateway.settings.settings import Settings


def session_of(settings: Settings, bot: Bot) -> Session:
    """A session that is not open yet; its device and keys lie in the state folder."""
    return Session(
        homeserver_url=settings.homeserver.url,
        user=bot.user,
        password=_told(bot.password),
        access_token=_told(bot.access_token),
        device_name=bot.device_name,
        folder=settings.state / "bot",
    )


def rule_of(bot: Bot) -> Rule:
    """Who may command the bot."""
    server = bot.user.partition(":")[2]
    return Rule(bot.power, None if bot.remote_moderators else server)


def _told(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
