"""What an applicant hears: public words and an HTTP status for each reason of a refusal.

The `detail` of a refusal is for moderators and never leaves through here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from gettext import NullTranslations
from math import ceil

from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import Code, Refusal
from gateway.words import time_left

STATUS = {
    Code.CLOSED: 503,
    Code.TOO_MANY_FROM_NETWORK: 429,
    Code.TOO_MANY_FROM_DOMAIN: 429,
    Code.TOO_MANY_IN_ALL: 429,
    Code.TOO_MANY_MAILS_WAIT: 503,
    Code.TOO_MANY_UNPROVEN: 429,
    # 400 is said for nothing else: who proves nothing hears of nothing else either.
    Code.NOT_PROVEN: 400,
    Code.PROOF_EXPIRED: 400,
    Code.PROOF_USED: 400,
    Code.TOO_FAST: 400,
    Code.BAIT_TAKEN: 400,
    Code.NAME_MALFORMED: 422,
    Code.EMAIL_MALFORMED: 422,
    Code.NETWORK_BANNED: 403,
    Code.EMAIL_BANNED: 403,
    Code.EMAIL_ELSEWHERE: 403,
    Code.EMAIL_THROWAWAY: 403,
    Code.NAME_BANNED: 403,
    Code.NAME_HELD: 409,
    Code.NAME_TAKEN: 409,
}
_ORDER = {code: place for place, code in enumerate(Code)}
_TOO_MANY = timedelta(minutes=1)  # for a limit that does not say when it has room again
_CLOSED = timedelta(minutes=10)  # for a desk that does not say when it reopens
NOT_RECORDED = timedelta(seconds=30)
BUSY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that an applicant is told, at a field or, without one, above the form."""

    code: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a refused request."""

    status: int
    complaints: tuple[Complaint, ...]
    retry_after: int | None = None
    is_closed: bool = False


def refused(
    refusals: Sequence[Refusal], opening: Opening, now: datetime, speech: NullTranslations
) -> Answer:
    """The public side of `refusals`: the first in order sets the status, its like stand beside."""
    ordered = sorted(refusals, key=lambda refusal: _ORDER[refusal.code])
    status = STATUS[ordered[0].code]
    heard = [each for each in ordered if STATUS[each.code] == status]
    complaints: dict[tuple[str | None, str], Complaint] = {}
    for each in heard:
        complaint = Complaint(each.code.value, each.field, _words(each, speech))
        # Two reasons that sound alike are said once.
        complaints.setdefault((complaint.field, complaint.message), complaint)
    is_closed = ordered[0].code is Code.CLOSED
    pause = max((each.retry_after for each in heard if each.retry_after), default=None)
    if pause is None and is_closed:
        changes = None if opening.is_open else opening.changes_at
        pause = _CLOSED if changes is None else changes - now
    elif pause is None and status in (429, 503):
        pause = _TOO_MANY
    retry_after = None if pause is None else seconds(pause)
    return Answer(status, tuple(complaints.values()), retry_after, is_closed)


def not_recorded(speech: NullTranslations) -> Answer:
    """What is said when the request could not be written down."""
    words = speech.gettext(
        "Your request could not be written down, and no mail goes out."
        " Please try again in half a minute."
    )
    return Answer(503, (Complaint("not_recorded", None, words),), seconds(NOT_RECORDED))


def accepted(speech: NullTranslations, is_looked_at: bool, pace: Pace) -> str:
    """The same for every accepted request, whether we know the address or not."""
    if is_looked_at:
        return speech.gettext(
            "A person will look at your request. If it is granted, a mail with your registration"
            " token follows. If you cannot find it, look into the spam folder."
        )
    words = speech.gettext(
        "Check your inbox. If everything is in order, a mail with your registration token is on"
        " its way. %(pace)s If you cannot find it, look into the spam folder."
    )
    return words % {"pace": pace_words(pace, speech)}


def pace_words(pace: Pace, speech: NullTranslations) -> str:
    """How long a mail takes, in a sentence of its own: `At present it takes about 20 minutes.`"""
    _ = speech.gettext
    if pace.is_held_up:
        return _("Mails are held up at present: yours will come as soon as possible.")
    if pace.minutes is None:
        return _("It may take a few minutes.")
    span = time_left(timedelta(minutes=pace.minutes), speech)
    return _("At present it takes about %(span)s.") % {"span": span}


def opening_words(opening: Opening, now: datetime, speech: NullTranslations) -> str:
    """`Registration is open. It will close in 3 hours and 41 minutes at 23:25 UTC.`"""
    _ = speech.gettext
    state = _("Registration is open.") if opening.is_open else _("Registration is closed.")
    if opening.changes_at is None:
        return state
    change = opening.changes_at.astimezone(UTC)
    # Whole minutes on both sides, so that the span and the time of day agree.
    left = change.replace(second=0, microsecond=0) - now.replace(second=0, microsecond=0)
    values = {
        "span": time_left(left, speech),
        "time": f"{change:%H:%M}",
        "date": f"{change:%Y-%m-%d}",
    }
    if left < timedelta(days=1):
        if opening.is_open:
            change_words = _("It will close in %(span)s at %(time)s UTC.")
        else:
            change_words = _("It reopens in %(span)s at %(time)s UTC.")
    elif opening.is_open:
        change_words = _("It will close in %(span)s, on %(date)s at %(time)s UTC.")
    else:
        change_words = _("It reopens in %(span)s, on %(date)s at %(time)s UTC.")
    return f"{state} {change_words % values}"


def problem_words(status: int, speech: NullTranslations) -> tuple[str, str]:
    """A title and a sentence for an HTTP error that has no form to go with."""
    _ = speech.gettext
    words = {
        400: (_("Not understood"), _("The desk could not read this request.")),
        403: (
            _("Sent from another site"),
            _("The form was sent from another site. Please use the form on the desk's own page."),
        ),
        404: (_("Nothing here"), _("There is no page at this address.")),
        405: (_("Not this way"), _("This address cannot be used in this way.")),
        408: (_("Too slow"), _("The request took too long to arrive. Please send it again.")),
        413: (_("Too large"), _("The request is larger than any form of this desk.")),
        415: (_("Not a form"), _("The desk reads forms and JSON, and nothing else.")),
        503: (
            _("Very busy"),
            _(
                "More requests come in than the desk can hear at the moment. Please go back, and"
                " send yours again in a few seconds."
            ),
        ),
    }
    return words.get(
        status,
        (_("Something went wrong"), _("That is our fault, not yours. Please try again later.")),
    )


def seconds(pause: timedelta) -> int:
    """Whole seconds for Retry-After; never a moment too early, and never none."""
    return max(1, ceil(pause.total_seconds()))


def _words(refusal: Refusal, speech: NullTranslations) -> str:
    _ = speech.gettext
    match refusal.code:
        case Code.CLOSED:
            return _("Registration is closed.")
        case Code.TOO_MANY_FROM_NETWORK:
            return _("Too many requests came from your network. Please try again later.")
        case Code.TOO_MANY_FROM_DOMAIN:
            return _(
                "Too many requests came with addresses of this domain. Please try again later."
            )
        case Code.TOO_MANY_MAILS_WAIT:
            return _("Too many mails wait to be sent. Please try again later.")
        case Code.TOO_MANY_IN_ALL:
            return _("The desk is very busy at the moment. Please try again later.")
        case Code.TOO_MANY_UNPROVEN:
            return _(
                "Too many requests without JavaScript came from your network. Please switch"
                " JavaScript on, or try again later."
            )
        case Code.NOT_PROVEN | Code.BAIT_TAKEN:
            return _(refusal.hint) if refusal.hint else _("Please use the form on this page.")
        case Code.PROOF_EXPIRED:
            return _("The page was open for too long. Please send the form once more.")
        case Code.PROOF_USED:
            return _(
                "This form was sent already. If that was you, look into your inbox: the first one"
                " counts. Otherwise send it once more."
            )
        case Code.TOO_FAST:
            return _("That was faster than people type. Please send the form once more.")
        case Code.NAME_MALFORMED:
            return _(refusal.hint) if refusal.hint else _("This user name cannot be used.")
        case Code.EMAIL_MALFORMED:
            return _(refusal.hint) if refusal.hint else _("This is not an e-mail address.")
        case Code.NETWORK_BANNED:
            return _("Requests from your network are not accepted here.")
        case Code.EMAIL_BANNED:
            return _("This e-mail address cannot be used here.")
        case Code.EMAIL_ELSEWHERE:
            return _("Please use the e-mail address that your organisation gave you.")
        case Code.EMAIL_THROWAWAY:
            return _("Please use an e-mail address that you will keep.")
        case Code.NAME_BANNED:
            return _("This user name cannot be used here. Please choose another.")
        case Code.NAME_HELD | Code.NAME_TAKEN:
            return _("This user name is taken. Please choose another.")
