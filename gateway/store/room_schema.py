"""The tables of the moderators' room, as they are after the newest migration."""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from gateway.store.columns import UtcDateTime, metadata

alerts = Table(  # what the room is told: one row and one message for a cause while it lasts
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("quiet", Integer),  # seconds of silence after which it ends by itself; none: never
    Column("details", Text, nullable=False),  # JSON list of lines, for the message's thread
    Column("actions", Text, nullable=False),  # JSON list of [reaction, command]
    Column("version", Integer, nullable=False),  # one more with each change
    Column("shown_version", Integer, nullable=False),
    Column("event_id", Text),
    Column("details_event_id", Text),
    Index("alerts_by_cause", "cause", "ended_at"),
    Index("alerts_by_end", "ended_at"),
    Index("alerts_to_show", "id", sqlite_where=text("version <> shown_version")),
)

mutes = Table(  # causes that the room does not want to hear of; none: until unmuted
    "mutes",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("until", UtcDateTime),
    Column("who", Text, nullable=False),
)

questions = Table(  # commands that wait for a moderator's yes
    "questions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("words", Text, nullable=False),  # JSON list: the command to carry out
    Column("event_id", Text),  # the Matrix event of the command that asked
    Column("settled_at", UtcDateTime),
    Column("settled_by", Text),  # the Matrix event, or who, that answered
    Index("questions_by_event", "event_id"),
)

offers = Table(  # which reaction to one of our messages stands for which command
    "offers",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

notes = Table(  # what moderators write for each other about a registration or a ban
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Text, nullable=False),  # as in the audit: "registration 12"
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("notes_by_subject", "subject"),
)

events = Table(  # commands out of the room, by Matrix event id
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False, default=1),  # how often it was taken up
    Column("answered_at", UtcDateTime),
)
