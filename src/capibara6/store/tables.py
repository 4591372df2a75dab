"""The tables. Every change here needs a migration; a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back where the database dropped it."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(32)

runs = Table(
    "runs",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("question", Text, nullable=False),
    Column("task", String(64)),
    Column("template", String(255)),
    Column("tier", String(255)),
    Column("language", String(8)),  # natural language: "es" | "en"
    Column("confidence", Float),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),  # NULL: it runs, or its platform died
    Column("success", Boolean),
    Column("answer", Text),
    Column("attempts", Integer),
    Column("wall_s", Float),
    Column("error_code", String(64)),
    Column("error", Text),
    Column("prompt_tokens", BigInteger, nullable=False, server_default="0"),
    Column("completion_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost_usd", Float, nullable=False, server_default="0"),
    Index(None, "started_at"),
)

events = Table(
    "events",
    metadata,
    Column("run_id", _ID, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # from 0, without gaps
    Column("type", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),  # ASCII JSON, which loses nothing on any database
)

executions = Table(
    "executions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("run_id", _ID, ForeignKey("runs.id", ondelete="CASCADE")),  # NULL: asked for directly
    Column("attempt", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("language", String(64), nullable=False),
    Column("template", String(255), nullable=False),
    Column("sandbox_id", String(255), nullable=False),
    Column("success", Boolean, nullable=False),
    Column("error_name", String(255)),
    Column("error_value", Text),
    Column("error_traceback", Text),
    Column("stdout", Text, nullable=False),
    Column("stderr", Text, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("results", Text, nullable=False),  # ASCII JSON
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float),
    Column("memory_peak_bytes", BigInteger),
    Column("tier", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Index(None, "finished_at", "id"),
    Index(None, "run_id"),
    Index(None, "wall_s"),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("execution_id", _ID, ForeignKey("executions.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("name", Text, nullable=False),
    Column("mime", String(255), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("blob", String(64), nullable=False),  # key of the file under the data directory
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", _ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("task", String(64), nullable=False),
    Column("template", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String(64), nullable=False),  # class of the diagnosis
    Column("cause", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("error", Text, nullable=False),  # what the sandbox or the validator said
    Column("failed_code", Text, nullable=False),
    Column("failed_origin", String(255), nullable=False),
    Column("repaired_code", Text),  # NULL: no later attempt of the run succeeded
    Column("repaired_origin", String(255)),
    Index(None, "kind"),
)

usage_samples = Table(
    "usage_samples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", _ID),
    Column("at", UtcDateTime, nullable=False),
    Column("template", String(255), nullable=False),
    Column("task", String(64), nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float),
    Column("memory_peak_bytes", BigInteger),
    Column("error_name", String(255), nullable=False),  # "" when it succeeded
    Column("disk_peak_bytes", BigInteger),
    Column("output_bytes", BigInteger),
    Column("first_error", String(255), nullable=False, server_default=""),
    Index(None, "template", "task"),
)

limit_pins = Table(
    "limit_pins",
    metadata,
    Column("template", String(255), primary_key=True),
    Column("task", String(64), primary_key=True),
    Column("memory_bytes", BigInteger),
    Column("timeout_s", Float),
    Column("at", UtcDateTime, nullable=False),
)

tier_outcomes = Table(
    "tier_outcomes",
    metadata,
    Column("seq", Integer, primary_key=True),  # in the order of storing
    Column("id", _ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("question", Text, nullable=False),
    Column("task", String(64), nullable=False),
    Column("tier", String(255), nullable=False),
    Column("success", Float, nullable=False),  # 0..1
    Column("cost_usd", Float, nullable=False),
    Index(None, "id", unique=True),
    sqlite_autoincrement=True,  # a number is never given twice, not even after a reset
)

playbook_deltas = Table(
    "playbook_deltas",
    metadata,
    Column("seq", Integer, primary_key=True),  # in the order of storing
    Column("id", _ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("bullet", _ID, nullable=False),
    Column("body", Text, nullable=False),  # ASCII JSON
    Index(None, "id", unique=True),
    sqlite_autoincrement=True,
)

model_samples = Table(
    "model_samples",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),  # when its examination ended
    Column("suite", String(255), nullable=False),
    Column("task", String(255), nullable=False),
    Column("tier", String(255), nullable=False),
    Column("model", String(255), nullable=False),
    Column("setup", _ID, nullable=False),  # of all samples that may be compared
    Column("variant", String(16), nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("repair", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("visible", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Column("traceback", Text, nullable=False),
    Column("missing", String(255), nullable=False),
    Column("signals", Text, nullable=False),  # ASCII JSON
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("write_s", Float, nullable=False),
    Column("run_s", Float, nullable=False),
    Column("cpu_s", Float),
    Column("memory_peak_bytes", BigInteger),
    Index(None, "setup"),
)
