"""Looking back: what the desk already heard, asked in the transaction that decides on a request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    ScalarSelect,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from gateway.rules.doubts import Caution
from gateway.rules.limits import Limit
from gateway.store.columns import UtcDateTime
from gateway.store.prepared import Prepared
from gateway.store.registrations import (
    HOLDING,
    KNOWN,
    Registration,
    Request,
    Status,
    domain_of,
    read,
)
from gateway.store.schema import registrations, unwanted

_CAREFREE = Caution()
_ACCEPTED = [each for each in Status if each != Status.REFUSED]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the desk already heard, as far as it matters for one request."""

    name_held: bool
    address_known: bool
    accepted: int


def seen(
    connection: Connection,
    request: Request,
    now: datetime,
    *,
    cooldown: timedelta,
    one_account_per_address: bool,
    caution: Caution = _CAREFREE,
    pseudonyms: tuple[str, ...] = (),
) -> Seen:
    """Look up, in one statement of the deciding transaction.

    A name held by the same address from the same network is no hindrance (somebody pressed the
    button twice). From elsewhere it is, whatever address is given: answering by address would
    tell a stranger who asked for the name. Under its `pseudonyms` an address is found whose rows
    were purged; one that does not want our mail is a known one.
    """
    after = caution.after
    query = _seen(
        one_account_per_address,
        after is not None,
        len(pseudonyms),
    )
    values = {
        "name": request.name,
        "email_key": request.email_key,
        **{f"pseudonym_{place}": each for place, each in enumerate(pseudonyms)},
        "network": request.network,
        "now": now,
        "cooled_since": now - cooldown,
    }
    if after is not None:
        values |= {"after_since": now - after.within, "after_most": after.count}
    row = query.first(connection, values)
    return Seen(bool(row[0]), bool(row[1]), int(row[2]))


def is_new(connection: Connection, network: str) -> bool:
    """Whether nobody came from a network yet. Reads all its rows when only refused ones came.

    It is new until an account came of it, or a request that nobody had to look at: if a
    moderator's yes were enough, the next page would tell whether the first address was known.
    """
    return not _FAMILIAR.first(connection, {"network": network})[0]


def room_for_unproven(
    connection: Connection, network: str, now: datetime, limit: Limit
) -> datetime | None:
    """When a network may send a request without a proof of work again; None: at once.

    What this limit itself refused does not count, or who tries in vain would wait for ever.
    """
    if limit.count == 0:
        return now + limit.within
    r = registrations.c
    which = (r.network == network, r.proof == "form")
    span = (r.created_at > now - limit.within, r.created_at <= now)
    query = select(r.created_at).where(*which, *span).order_by(r.created_at.desc())
    first = connection.execute(query.limit(1).offset(limit.count - 1)).scalar()
    return None if first is None else first + limit.within


@cache  # building the statement anew costs more than running it
def _seen(
    one_account_per_address: bool,
    count_accepted: bool,
    pseudonyms: int,
) -> Prepared:
    r, now = registrations.c, bindparam("now", type_=UtcDateTime)
    same_network = r.network == bindparam("network")
    named: list[BindParameter[str]] = [
        bindparam(f"pseudonym_{place}") for place in range(pseudonyms)
    ]
    same_address = or_(*(r.email_key == each for each in (bindparam("email_key"), *named)))
    held = (
        select(r.id)
        .where(
            r.name == bindparam("name"),
            r.held_until > now,
            _is_one_of(HOLDING),
            not_(and_(same_address, same_network)),
        )
        .exists()
    )
    known = or_(
        and_(
            _is_one_of((*KNOWN, Status.REGISTERED)),
            r.created_at > bindparam("cooled_since", type_=UtcDateTime),
        ),
        # The button was pressed twice: the mail that is owed anyway answers both.
        and_(
            _is_one_of((Status.REVIEW, Status.PENDING)),
            r.name == bindparam("name"),
            r.held_until > now,
        ),
    )
    if one_account_per_address:
        known = or_(
            known,
            r.status == Status.REGISTERED,
            and_(_is_one_of(KNOWN), r.held_until > now),
        )
    address: ColumnElement[bool] = select(r.id).where(same_address, known).exists()
    if named:
        of_refuser = or_(*(unwanted.c.pseudonym == each for each in named))
        address = or_(address, select(unwanted.c.pseudonym).where(of_refuser).exists())
    in_after = _count("after", _is_one_of(_ACCEPTED)) if count_accepted else _NOTHING
    return Prepared(select(held, address, in_after))


_NOTHING = select(literal(0)).scalar_subquery()


def _count(limit: str, which: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many rows are within a limit's span, counted no further than the limit."""
    r = registrations.c
    # A row from the future was written before the clock was set back: it must not jam the desk.
    found = (
        select(r.id)
        .where(
            which,
            r.created_at > bindparam(f"{limit}_since", type_=UtcDateTime),
            r.created_at <= bindparam("now", type_=UtcDateTime),
        )
        .limit(bindparam(f"{limit}_most", type_=Integer))
        .subquery()
    )
    return select(func.count()).select_from(found).scalar_subquery()


def _is_one_of(statuses: Iterable[Status]) -> ColumnElement[bool]:
    # Like IN, which SQLAlchemy would write out anew, value by value, at each execution.
    words = ", ".join(f"'{each.value}'" for each in statuses)
    return registrations.c.status.op("IN", is_comparison=True)(literal_column(f"({words})"))


def _familiar() -> Prepared:
    r = registrations.c
    unlooked = and_(_is_one_of(_ACCEPTED), r.reviews == literal_column("'[]'"))
    served = or_(r.status == Status.REGISTERED, unlooked)
    return Prepared(select(select(r.id).where(r.network == bindparam("network"), served).exists()))


_FAMILIAR = _familiar()


@dataclass(frozen=True, slots=True)
class Earlier:
    """How many requests came before from one network, one domain, one address: by their end."""

    network: Mapping[Status, int]
    domain: Mapping[Status, int]
    address: Mapping[Status, int]


def earlier(
    connection: Connection,
    request: Request | Registration,
    before: int | None = None,
    *,
    pseudonyms: Sequence[str] = (),
) -> Earlier:
    """What became of those like `request`, of all of them or of those before that number.

    Under its `pseudonyms` those of its address are found that were forgotten.
    """
    r = registrations.c

    def counted(which: ColumnElement[bool]) -> dict[Status, int]:
        query = select(r.status, func.count()).where(which).group_by(r.status)
        if before is not None:
            query = query.where(r.id < before)
        return {Status(status): number for status, number in connection.execute(query)}

    # Of what is blank, nothing is alike.
    domain = domain_of(request.email_key) if request.email else ""
    return Earlier(
        counted(r.network == request.network) if request.network else {},
        counted(r.domain == domain) if domain else {},
        counted(r.email_key.in_((request.email_key, *pseudonyms))) if request.email_key else {},
    )


def neighbours(
    connection: Connection,
    network: str,
    email_key: str | None,
    most: int,
    *,
    but: int | None = None,
) -> list[Registration]:
    """The newest requests from a network or with an address, without the one of number `but`."""
    r = registrations.c
    # Each half by its own index; of both the newest.
    halves = [r.network == network] if network else []
    halves += [r.email_key == email_key] if email_key else []
    found: dict[int, Registration] = {}
    for which in halves:
        query = select(registrations).where(which, r.id != (but or 0))
        rows = connection.execute(query.order_by(r.created_at.desc()).limit(most)).mappings()
        found |= {row["id"]: read(row) for row in rows}
    return sorted(found.values(), key=lambda each: each.id, reverse=True)[:most]
