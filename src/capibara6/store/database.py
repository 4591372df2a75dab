"""The connection to the database, its migrations, and the files beside it."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from capibara6.errors import ConfigurationError
from capibara6.store.blobs import Blobs
from capibara6.store.migrations import HEAD

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_MIGRATION_LOCK = 0x6361706962617261  # "capibara": PostgreSQL's advisory lock during migrations
_SETTING = "CAPIBARA6_DATABASE_URL"
BUSY_TIMEOUT_S: Final = 30.0  # that a write waits for another process
_MODE_RETRY_S: Final = 0.01


class Database:
    """An engine whose schema is current, and the directory of files beside it."""

    def __init__(self, engine: AsyncEngine, home: Path) -> None:
        self._engine = engine
        self._file: tuple[Path, int] | None = None  # SQLite's, by its number too
        self.home = home
        self.blobs = Blobs(home / "files")

    @classmethod
    async def open(cls, url: str, home: Path) -> "Database":
        """Connect, and bring the schema up to date.

        Args:
            url: `sqlite:///path` or `postgresql://…`; the async driver may be named or left out.
            home: the data directory, created when it does not exist.

        Raises:
            ConfigurationError: the URL is wrong, the database is not reachable or too new.
        """
        address = _checked_url(url)
        _make_directory(home)
        if address.get_backend_name() == "sqlite":
            await _prepare_file(address)
        database = cls(_engine(address), home)
        try:
            await database._migrate(address)
            if address.get_backend_name() == "sqlite":
                database._know_file(Path(address.database or ""))
        except (DBAPIError, OSError) as cause:
            await database.close()
            raise _unusable(address, cause) from None
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for reading a consistent state."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for one transaction, committed when the block ends well.

        Raises:
            FileNotFoundError: the file of the database was removed or replaced.
        """
        self._check_file()
        # SQLite fails at once when a transaction that began by reading wants to write while
        # another writes; one that says so from the start waits.
        async with self._engine.connect() as connection:
            await connection.execution_options(capibara_writes=True)
            async with connection.begin():
                yield connection

    def _know_file(self, path: Path) -> None:
        self._file = path, path.stat().st_ino

    def _check_file(self) -> None:
        """See that what is written can be found again: SQLite writes on into a removed file."""
        if self._file is None:
            return
        path, number = self._file
        if not path.exists() or path.stat().st_ino != number:
            text = f"the database {path} was removed or replaced; start the platform anew"
            raise FileNotFoundError(text)

    async def _migrate(self, address: URL) -> None:
        async with self._engine.connect() as connection:
            if await connection.run_sync(_revision) == HEAD:
                return
        async with self.write() as connection:
            if address.get_backend_name() == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await connection.run_sync(_upgrade)


def _engine(address: URL) -> AsyncEngine:
    if address.get_backend_name() == "postgresql":
        return create_async_engine(address, pool_pre_ping=True)
    engine = create_async_engine(address, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver does
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("capibara_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # here, because it takes long to import and is seldom needed
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "capibara6.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as cause:
        raise ConfigurationError(
            _SETTING,
            connection.engine.url.render_as_string(hide_password=True),
            f"its schema is not one of ours or is newer than this capibara6 ({cause})",
            "Use a newer capibara6, or another database.",
        ) from None


def _checked_url(url: str) -> URL:
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigurationError(
            _SETTING,
            "(hidden)",
            "not a database URL",
            "Write postgresql://user:password@host/name.",
        ) from None
    if backend not in _DRIVERS or (backend == "sqlite" and not address.database):
        raise ConfigurationError(
            _SETTING,
            address.render_as_string(hide_password=True),
            "only SQLite files and PostgreSQL can hold the data",
            "Write sqlite:////path/to/file or postgresql://user:password@host/name.",
        )
    return address.set(drivername=_DRIVERS[backend])


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as cause:
        raise ConfigurationError(
            "CAPIBARA6_HOME", str(path), f"cannot be created ({cause.strerror})", "Name another."
        ) from None


async def _prepare_file(address: URL) -> None:
    path = Path(address.database or "")
    _make_private_file(path)
    try:
        await asyncio.to_thread(_use_write_ahead_log, path)
    except sqlite3.Error as cause:
        raise _unusable(address, cause) from None


def _use_write_ahead_log(path: Path) -> None:
    """Let readers and a writer work side by side; the file keeps the mode.

    SQLite does not wait for its lock where two change the mode at once, and says "locked":
    several processes that open a new database together ask again.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as cause:
                if (
                    cause.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY
                    or time.monotonic() > deadline
                ):
                    raise
                time.sleep(_MODE_RETRY_S)
            else:
                return


def _make_private_file(path: Path) -> None:
    _make_directory(path.parent)
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as cause:
        problem = f"cannot be written ({cause.strerror})"
        raise ConfigurationError(_SETTING, str(path), problem, "Name another file.") from None


def unusable_home(home: Path, cause: OSError) -> ConfigurationError:
    """Return the error for a data directory that does not take what has to be written."""
    problem = f"cannot be written ({cause.strerror})"
    return ConfigurationError("CAPIBARA6_HOME", str(home), problem, "Make room, or name another.")


def _unusable(address: URL, cause: Exception) -> ConfigurationError:
    reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
    shown = address.render_as_string(hide_password=True)
    remedy = "Start the database, or correct the URL or the file's permissions."
    return ConfigurationError(_SETTING, shown, f"the database cannot be used ({reason})", remedy)
