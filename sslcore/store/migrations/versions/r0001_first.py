"""The first schema.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table of the first release."""
    op.create_table(
        "setting",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_setting"),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("weight", sa.Float, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sa.UniqueConstraint("name", name="uq_task_name"),
    )
    op.create_table(
        "class",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hotkey", sa.String(16)),
        sa.Column("colour", sa.String(16)),
        sa.PrimaryKeyConstraint("id", name="pk_class"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_class_task_id"),
        sa.UniqueConstraint("task_id", "name", name="uq_class_task_id_name"),
        sa.UniqueConstraint("task_id", "position", name="uq_class_task_id_position"),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("media", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("split", sa.String(32)),
        sa.Column("meta", sa.Text),
        sa.Column("added", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_item"),
        sa.UniqueConstraint("key", name="uq_item_key"),
    )
    op.create_index("ix_item_sha256", "item", ["sha256"])
    op.create_table(
        "answer",
        sa.Column("item_id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", "task_id", name="pk_answer"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_answer_item_id"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_answer_task_id"),
    )
    op.create_table(
        "annotation",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("item_id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("verb", sa.String(8), nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False, server_default="train"),
        sa.Column("annotator", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("run_id", sa.Integer),
        sa.Column("shown", sa.Text),
        sa.Column("seconds", sa.Float),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("client", sa.String(64)),
        sa.Column("seq", sa.Integer),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("undoes", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_annotation"),
        sa.UniqueConstraint(
            "client", "seq", "item_id", "task_id", name="uq_annotation_client_seq_item_id_task_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_annotation_item_id", "annotation", ["item_id"])
    op.create_index("ix_annotation_batch", "annotation", ["batch"])
    op.create_index(
        "ix_annotation_undo", "annotation", ["undoes"], sqlite_where=sa.text("undoes IS NOT NULL")
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("labels_upto", sa.Integer, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("progress", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("cancel", sa.Integer, nullable=False, server_default="0"),
        sa.Column("pid", sa.Integer),
        sa.Column("host", sa.Text),
        sa.Column("heartbeat", sa.Float),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("ended", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_status", "run", ["status"])
    op.create_table(
        "metric",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("task", sa.Text),
        sa.Column("value", sa.Float),
        sa.Column("time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metric"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_metric_run_id"),
    )
    op.create_index("ix_metric_run_id_id", "metric", ["run_id", "id"])
    op.create_table(
        "adoption",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Integer),
        sa.Column("time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_adoption"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_adoption_task_id"),
    )
