"""What the room is told of mails that fail, in the transaction that notes the failure."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.store import alerts, health, outbox
from gateway.store.alerts import outside
from gateway.store.offers import Offer

TELL_AFTER = 3  # failed attempts at one mail before the room hears of it
_MOST = 3  # given-up mails with a message of their own, within an hour
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_FAILING, _ELSEWHERE = "mails failing", "mail elsewhere"


def given_up(
    connection: Connection,
    registration_id: int,
    reason: str,
    now: datetime,
    *,
    can_resend: bool,
) -> None:
    """A mail was refused for good, or failed for too long; beyond a few they are only counted."""
    cause = f"mail {registration_id}"
    known = [each for each in alerts.recent(connection, now, _HOUR) if each.startswith("mail ")]
    if cause not in known and len({*known} - {_ELSEWHERE}) >= _MOST:
        alerts.raise_alert(
            connection,
            _ELSEWHERE,
            "More mails were given up: `registrations --status failed` lists them",
            now,
            quiet=_HOUR,
            details=[f"{now:%H:%M:%S} · registration {registration_id} · {outside(reason)}"],
            actions=[("⏸️", "pause --for 1h"), ("🔇", "mute mail --for 1d")],
        )
        return
    text = f"The mail for registration {registration_id} was given up: {outside(reason)}"
    again: list[Offer] = [("🔁", f"resend {registration_id}")] if can_resend else []
    actions = [*again, ("🔇", "mute mail --for 1d")]
    alerts.raise_alert(connection, cause, text, now, quiet=_DAY, actions=actions)


def went_out(connection: Connection, registration_id: int, now: datetime) -> None:
    """A mail that was given up went out after all."""
    text = f"The mail for registration {registration_id} went out after all"
    alerts.end(connection, f"mail {registration_id}", now, text)


def rejected(connection: Connection, registration_id: int, reason: str, now: datetime) -> None:
    """A request was ended before its token went out: all such within an hour are one message."""
    what = f"Registration {registration_id} was rejected before its mail: {outside(reason)}"
    detail = f"{now:%H:%M:%S} · registration {registration_id} · {outside(reason)}"
    actions = [("🔇", "mute rejected --for 1d")]
    alerts.raise_alert(connection, "rejected", what, now, detail=detail, actions=actions)


def failing(connection: Connection, reason: str, now: datetime) -> None:
    """Mails fail again and again. While a server is down that says so already."""
    servers = (health.recall(connection, each) for each in ("smtp", "homeserver"))
    if all(each is None or each.is_up for each in servers):
        text = f"Mails are failing and will be tried again: {outside(reason)}"
        actions = [("⏸️", "pause --for 1h"), ("🔇", "mute {id} --for 1d")]
        alerts.raise_alert(connection, _FAILING, text, now, quiet=None, actions=actions)


def end_failing(connection: Connection, now: datetime) -> None:
    """Take it back once no mail that is owed has failed so often."""
    if not outbox.stuck(connection, TELL_AFTER):
        alerts.end(connection, _FAILING, now, "Mails do not fail any more")
