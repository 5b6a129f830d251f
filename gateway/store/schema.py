"""The tables of the desk, as they are after the newest migration."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from gateway.store.columns import UtcDateTime, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", Text, nullable=False, unique=True),
    Column("purpose", Text, nullable=False, default="shared"),  # see store/tokens.py
    Column("uses", Integer),  # how many accounts it opens; none: any number
    Column("registration_id", Integer),  # of the applicant, when it is his own
    Column("slot", UtcDateTime, unique=True),  # the scheduled moment that it was made for
    Column("created_at", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime),  # the homeserver has it since
    Column("expires_at", UtcDateTime),
    Column("withdraw_at", UtcDateTime),  # to be taken from the homeserver then
    Column("withdrawn_at", UtcDateTime),
    Column("link", Text),  # to a page where it is filled in
    Index("tokens_by_registration", "registration_id"),
    Index("tokens_to_withdraw", "withdrawn_at", "withdraw_at"),
)

registrations = Table(
    "registrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("domain", Text, nullable=False, default=""),
    Column("ip", Text, nullable=False),
    Column("network", Text, nullable=False),  # /24 or /64
    Column("wide_network", Text),  # /48; none for IPv4
    Column("language", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("refusals", Text, nullable=False),  # JSON list of code, field, detail
    Column("reviews", Text, nullable=False, default="[]"),  # JSON list of code, detail
    Column("name_checked", Boolean, nullable=False),
    Column("held_until", UtcDateTime, nullable=False),
    Column("token_id", Integer, ForeignKey("tokens.id")),
    Column("mailed_at", UtcDateTime),
    Column("registered_at", UtcDateTime),
    Column("account", Text),  # the name that was registered, which may be another than asked for
    Column("proof", Text),  # what spoke for a person: `work`, `form`, or nothing
    Index("registrations_by_time", "created_at"),
    Index("registrations_by_network", "network", "created_at"),
    Index(
        "registrations_by_wide_network",
        "wide_network",
        "created_at",
        sqlite_where=text("wide_network IS NOT NULL"),
    ),
    Index("registrations_by_email", "email_key", "created_at"),
    Index("registrations_by_ip", "ip", "created_at"),
    # All that counting a large one reads, of a time or by status.
    Index("registrations_by_domain", "domain", "created_at", "status"),
    Index(  # without the refused ones, of which a flood may bring any number
        "registrations_accepted", "created_at", sqlite_where=text("status <> 'refused'")
    ),
    Index("registrations_by_name", "name", "held_until"),
    Index("registrations_by_status", "status", "created_at"),
    # Empty when a request is recorded, so that recording it costs nothing here.
    Index("registrations_by_token", "token_id", sqlite_where=text("token_id IS NOT NULL")),
    Index(  # those whose account may appear, of all that were ever mailed
        "registrations_by_mail",
        "status",
        "mailed_at",
        sqlite_where=text("mailed_at IS NOT NULL"),
    ),
    Index(
        "registrations_by_account",
        "registered_at",
        sqlite_where=text("registered_at IS NOT NULL"),
    ),
)

accounts = Table(  # accounts that appeared on the homeserver
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", UtcDateTime),  # none where the homeserver does not tell
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ip", Text),  # from where it was opened, as the admin room told
    Column("network", Text),  # /24 or /64
    Column("registration_id", Integer, ForeignKey("registrations.id")),  # the request that it is of
    Column("settled_at", UtcDateTime),  # it was linked, or reported
    Index("accounts_by_time", "seen_at"),
    Index("accounts_by_network", "network", sqlite_where=text("network IS NOT NULL")),
    Index(
        "accounts_by_registration",
        "registration_id",
        sqlite_where=text("registration_id IS NOT NULL"),
    ),
    Index("accounts_to_settle", "seen_at", "name", sqlite_where=text("settled_at IS NULL")),
)

restrictions = Table(  # what is to be put on accounts, or taken from them
    "restrictions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("restriction", Text, nullable=False),
    Column("lifts", Boolean, nullable=False),
    Column("tells", Boolean, nullable=False),  # the person is mailed when it is done
    Column("at", UtcDateTime, nullable=False),
    Column("entry", Integer, ForeignKey("audit.id"), nullable=False),  # by whom, and why
    Column("done_at", UtcDateTime),
    Column("dropped_at", UtcDateTime),  # it cannot be done, or another wish came after it
    Index("restrictions_by_entry", "entry"),
    Index("restrictions_open", "id", sqlite_where=text("done_at IS NULL AND dropped_at IS NULL")),
)

orders = Table(  # commands for the homeserver's admin room, which the bot gives there
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),  # the wish that it fulfils
    Column("command", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("given_at", UtcDateTime),
    Column("event_id", Text),  # the command in the room
    Column("reply", Text),
    Column("answered_at", UtcDateTime),
    Column("discarded_at", UtcDateTime),  # its reply fulfilled nothing: the wish asks anew
    Index("orders_by_key", "key"),
    Index("orders_by_event", "event_id"),
    Index("orders_open", "id", sqlite_where=text("answered_at IS NULL AND discarded_at IS NULL")),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("registration_id", Integer, ForeignKey("registrations.id"), nullable=False),
    Column("kind", Text, nullable=False, default="token"),  # what it has to tell
    Column("text", Text),  # what somebody wrote for it
    Column("status", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("leased_until", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("unsure", Integer, nullable=False, server_default="0"),  # of them, may have arrived
    Column("message_id", Text, nullable=False),
    Column("last_error", Text),
    Column("sent_at", UtcDateTime),
    Index("mails_due", "status", "due_at"),
    Index("mails_in_turn", "status", "attempts", "due_at"),
    Index("mails_by_registration", "registration_id"),
)

hits = Table(  # how often a ban was met
    "hits",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("reason", Text),
    Column("event_id", Text),
    Column("undoes", Integer),  # the number of the entry that this one takes back
    Index("audit_by_time", "at"),
    Index("audit_by_event", "event_id"),
    Index("audit_by_subject", "subject"),
    Index("audit_by_undone", "undoes"),
)

intents = Table(  # changes of the ban files that are under way
    "intents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event_id", Text),
    Column("entries", Text, nullable=False),  # JSON list: what the audit will say of it
    Index("intents_by_event", "event_id"),
)

facts = Table(  # single values that outlive a process: the pause, the last rotation
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("job", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

spent = Table(  # human checks that were used, until their time is over anyway
    "spent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Index("spent_by_end", "until"),
)

unwanted = Table(  # addresses whose owner does not want our mail, by their pseudonyms
    "unwanted",
    metadata,
    Column("pseudonym", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("entry", Integer, ForeignKey("audit.id"), nullable=False),
    Index("unwanted_by_entry", "entry"),
)
