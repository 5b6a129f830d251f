"""What a desk on the open internet needs: wider networks, proofs, unwanted mail, mails that
may have arrived."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registrations", sa.Column("wide_network", sa.Text))
    op.add_column("registrations", sa.Column("proof", sa.Text))
    op.add_column("mails", sa.Column("unsure", sa.Integer, nullable=False, server_default="0"))
    op.create_index("mails_in_turn", "mails", ["status", "attempts", "due_at"])
    op.create_index(
        "registrations_by_wide_network",
        "registrations",
        ["wide_network", "created_at"],
        sqlite_where=sa.text("wide_network IS NOT NULL"),
    )
    op.create_index("registrations_by_ip", "registrations", ["ip", "created_at"])
    op.drop_index("registrations_by_domain", "registrations")
    op.create_index("registrations_by_domain", "registrations", ["domain", "created_at", "status"])
    op.create_index(
        "registrations_accepted",
        "registrations",
        ["created_at"],
        sqlite_where=sa.text("status <> 'refused'"),
    )
    op.create_table(
        "spent",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_index("spent_by_end", "spent", ["until"])
    op.create_table(
        "unwanted",
        sa.Column("pseudonym", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("audit.id"), nullable=False),
    )
    op.create_index("unwanted_by_entry", "unwanted", ["entry"])
    # Without these a deleted row is looked for in all that might point to it.
    op.create_index("restrictions_by_entry", "restrictions", ["entry"])
    op.create_index(
        "accounts_by_registration",
        "accounts",
        ["registration_id"],
        sqlite_where=sa.text("registration_id IS NOT NULL"),
    )
