"""The bot's account at the homeserver, as the settings tell it."""

from pydantic import SecretStr

from bot.room.session import Session
from gateway.settings import Bot, Settings


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


def _told(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
