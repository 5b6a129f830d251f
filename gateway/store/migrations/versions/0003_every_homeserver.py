"""What other homeservers need: accounts and their restrictions, orders, invite links."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("link", sa.Text))
    op.add_column("registrations", sa.Column("account", sa.Text))
    op.add_column("mails", sa.Column("text", sa.Text))
    op.execute("UPDATE registrations SET account = name WHERE registered_at IS NOT NULL")
    op.create_index(
        "registrations_by_mail",
        "registrations",
        ["status", "mailed_at"],
        sqlite_where=sa.text("mailed_at IS NOT NULL"),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("created_at", sa.DateTime),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("ip", sa.Text),
        sa.Column("network", sa.Text),
        sa.Column("registration_id", sa.Integer, sa.ForeignKey("registrations.id")),
        sa.Column("settled_at", sa.DateTime),
    )
    op.create_index("accounts_by_time", "accounts", ["seen_at"])
    op.create_index(
        "accounts_by_network",
        "accounts",
        ["network"],
        sqlite_where=sa.text("network IS NOT NULL"),
    )
    op.create_index(
        "accounts_to_settle",
        "accounts",
        ["seen_at", "name"],
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "restrictions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("restriction", sa.Text, nullable=False),
        sa.Column("lifts", sa.Boolean, nullable=False),
        sa.Column("tells", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("audit.id"), nullable=False),
        sa.Column("done_at", sa.DateTime),
        sa.Column("dropped_at", sa.DateTime),
    )
    op.create_index(
        "restrictions_open",
        "restrictions",
        ["id"],
        sqlite_where=sa.text("done_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("given_at", sa.DateTime),
        sa.Column("event_id", sa.Text),
        sa.Column("reply", sa.Text),
        sa.Column("answered_at", sa.DateTime),
        sa.Column("discarded_at", sa.DateTime),
    )
    op.create_index("orders_by_key", "orders", ["key"])
    op.create_index("orders_by_event", "orders", ["event_id"])
    op.create_index(
        "orders_open",
        "orders",
        ["id"],
        sqlite_where=sa.text("answered_at IS NULL AND discarded_at IS NULL"),
    )
