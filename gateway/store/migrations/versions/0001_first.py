"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.Text, nullable=False, unique=True),
        sa.Column("registration_id", sa.Integer),
        sa.Column("slot", sa.DateTime, unique=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("issued_at", sa.DateTime),
        sa.Column("expires_at", sa.DateTime),
        sa.Column("withdraw_at", sa.DateTime),
        sa.Column("withdrawn_at", sa.DateTime),
    )
    op.create_index("tokens_by_registration", "tokens", ["registration_id"])
    op.create_index("tokens_to_withdraw", "tokens", ["withdrawn_at", "withdraw_at"])
    op.create_table(
        "registrations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("ip", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("refusals", sa.Text, nullable=False),
        sa.Column("name_checked", sa.Boolean, nullable=False),
        sa.Column("held_until", sa.DateTime, nullable=False),
        sa.Column("token_id", sa.Integer, sa.ForeignKey("tokens.id")),
        sa.Column("mailed_at", sa.DateTime),
        sa.Column("registered_at", sa.DateTime),
    )
    op.create_index("registrations_by_time", "registrations", ["created_at"])
    op.create_index("registrations_by_network", "registrations", ["network", "created_at"])
    op.create_index("registrations_by_email", "registrations", ["email_key", "created_at"])
    op.create_index("registrations_by_name", "registrations", ["name", "held_until"])
    op.create_index("registrations_by_status", "registrations", ["status", "created_at"])
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("registration_id", sa.Integer, sa.ForeignKey("registrations.id"), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("leased_until", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("sent_at", sa.DateTime),
    )
    op.create_index("mails_due", "mails", ["status", "due_at"])
    op.create_index("mails_by_registration", "mails", ["registration_id"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_at", sa.DateTime, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("shown_count", sa.Integer, nullable=False),
    )
    op.create_index("alerts_by_cause", "alerts", ["cause", "last_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("event_id", sa.Text),
    )
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_table(
        "facts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
    )
