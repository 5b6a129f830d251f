"""What the moderators' room needs: reviews, questions, offers, notes, hits, alerts that end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "registrations", sa.Column("reviews", sa.Text, nullable=False, server_default="[]")
    )
    op.add_column("registrations", sa.Column("domain", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE registrations SET domain = substr(email_key, instr(email_key, '@') + 1)")
    op.create_index("registrations_by_domain", "registrations", ["domain", "status"])
    op.add_column("mails", sa.Column("kind", sa.Text, nullable=False, server_default="token"))
    op.add_column("tokens", sa.Column("purpose", sa.Text, nullable=False, server_default="shared"))
    op.add_column("tokens", sa.Column("uses", sa.Integer))
    op.execute(
        "UPDATE tokens SET purpose = 'applicant', uses = 1 WHERE registration_id IS NOT NULL"
    )
    op.add_column("audit", sa.Column("undoes", sa.Integer))
    for index, column in (("token", "token_id"), ("account", "registered_at")):
        op.create_index(
            f"registrations_by_{index}",
            "registrations",
            [column],
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index("audit_by_event", "audit", ["event_id"])
    op.create_index("audit_by_subject", "audit", ["subject"])
    op.create_index("audit_by_undone", "audit", ["undoes"])
    op.create_table(
        "intents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("entries", sa.Text, nullable=False),
    )
    op.create_index("intents_by_event", "intents", ["event_id"])
    # An alert lives for an hour: those of the older version are not worth carrying over.
    op.drop_table("alerts")
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_at", sa.DateTime, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("quiet", sa.Integer),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("shown_version", sa.Integer, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("details_event_id", sa.Text),
    )
    op.create_index("alerts_by_cause", "alerts", ["cause", "ended_at"])
    op.create_index("alerts_by_end", "alerts", ["ended_at"])
    unseen = sa.text("version <> shown_version")
    op.create_index("alerts_to_show", "alerts", ["id"], sqlite_where=unseen)
    op.create_table(
        "mutes",
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("until", sa.DateTime),
        sa.Column("who", sa.Text, nullable=False),
    )
    op.create_table(
        "questions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("settled_at", sa.DateTime),
        sa.Column("settled_by", sa.Text),
    )
    op.create_index("questions_by_event", "questions", ["event_id"])
    op.add_column("events", sa.Column("times", sa.Integer, nullable=False, server_default="1"))
    op.add_column("events", sa.Column("answered_at", sa.DateTime))
    op.execute("UPDATE events SET answered_at = at")
    op.create_table(
        "offers",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("notes_by_subject", "notes", ["subject"])
    op.create_table(
        "hits",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
    )
