"""How tokens get into this homeserver, and what it can not do with them, in words."""

from bot.answers import Part, code
from gateway.desk import Desk
from gateway.settings.homeserver import Way

_BY: dict[Way, str] = {
    "admin_token": "its admin API",
    "client_id": "its admin API",
    "admin_room": "its admin room",
    "token_file": "its token file",
    "static_token": "its own configuration",
}


def told(desk: Desk) -> str:
    """Whose tokens there are, and the way in."""
    whose = "one for all" if desk.settings.shares_token else "one for each applicant"
    title = desk.homeserver.abilities.title
    return f"Tokens: {whose}, into {title} by {_BY[desk.settings.homeserver.way]}."


def uncounted(desk: Desk) -> list[str]:
    """What a token is good for where the homeserver keeps no count of its uses."""
    if desk.homeserver.abilities.counts_uses:
        return []
    return [
        "This homeserver counts no uses: until it is ended, a token opens any number of accounts."
    ]


def end_of_shared(desk: Desk) -> tuple[Part, ...]:
    """How the token that all applicants have is ended."""
    if desk.homeserver.abilities.replaces_tokens:
        return (code("token rotate"), " ends it.")
    return ("only the homeserver's operator ends it.",)


def end_by_itself(desk: Desk) -> str:
    """Until when a shared token works that has no end of its own yet."""
    is_fixed = desk.settings.tokens.rotation is None
    if is_fixed or not desk.homeserver.abilities.replaces_tokens:
        return "works until it is changed"
    return "works until it rotates"
