"""The tables of a project: facts are appended, the rest is derived.

========== ===============================================================================
setting    what holds for the project as a whole (name, modality, audit share …)
task       what is asked of an item; ``class`` its answers, in an order that only grows
item       one image or text; never deleted, never renumbered
answer     the answer key of a catalogue set or a simulation; shown, never used to decide
annotation one thing somebody did to one item; the current label is folded from these
run        one piece of background work and the recipe that repeats it; ``metric`` its figures
adoption   which predictions a task follows from when on (the instant loop or a finished run)
========== ===============================================================================

Times are seconds since 1970 (UTC). ``value`` is JSON: a class position for single choice and
ordinal tasks, a list of positions for multiple choice, a number for numeric ones.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

setting = Table(
    "setting",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("position", Integer, nullable=False),
    Column("weight", Float, nullable=False, server_default="1"),
)

class_ = Table(
    "class",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", ForeignKey("task.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("hotkey", String(16)),
    Column("colour", String(16)),
    UniqueConstraint("task_id", "name"),
    UniqueConstraint("task_id", "position"),
)

item = Table(
    "item",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("media", Text),
    Column("text", Text),
    Column("sha256", String(64), nullable=False),
    Column("split", String(32)),
    Column("meta", Text),
    Column("added", Float, nullable=False),
    Index(None, "sha256"),
)

answer = Table(
    "answer",
    metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("task_id", ForeignKey("task.id"), primary_key=True),
    Column("value", Text, nullable=False),
)

# An undo row has item_id = task_id = 0, so that the uniqueness of (client, seq, item, task), by which
# an event that is sent twice is stored once, holds for it too (NULLs would count as different).
annotation = Table(
    "annotation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item_id", Integer, nullable=False),
    Column("task_id", Integer, nullable=False),
    Column("verb", String(8), nullable=False),
    Column("value", Text),
    Column("source", String(8), nullable=False),
    Column("purpose", String(8), nullable=False, server_default="train"),
    Column("annotator", Text),
    Column("confidence", Float),
    Column("run_id", Integer),
    Column("shown", Text),
    Column("seconds", Float),
    Column("time", Float, nullable=False),
    Column("client", String(64)),
    Column("seq", Integer),
    Column("batch", Text, nullable=False),
    Column("undoes", Text),
    UniqueConstraint("client", "seq", "item_id", "task_id"),
    Index(None, "item_id"),
    Index(None, "batch"),
    Index("ix_annotation_undo", "undoes", sqlite_where=Column("undoes", Text).isnot(None)),
    sqlite_autoincrement=True,
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("recipe", Text, nullable=False),
    Column("labels_upto", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", Text),
    Column("result", Text),
    Column("error", Text),
    Column("cancel", Integer, nullable=False, server_default="0"),
    Column("pid", Integer),
    Column("host", Text),
    Column("heartbeat", Float),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Index(None, "status"),
    sqlite_autoincrement=True,
)

metric = Table(
    "metric",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("task", Text),
    Column("value", Float),
    Column("time", Float, nullable=False),
    Index(None, "run_id", "id"),
)

adoption = Table(
    "adoption",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", ForeignKey("task.id"), nullable=False),
    Column("run_id", Integer),  # NULL: back to the instant loop
    Column("time", Float, nullable=False),
)
