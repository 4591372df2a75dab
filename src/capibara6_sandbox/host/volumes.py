"""Volumes: folders on the server's disk that any number of sandboxes share, read-write.

Each is a folder with its files below `tree`; records of all lie beside. Nobody else on this
machine may look in: the owners of the files are the ids of the inside, root's among them.
"""

import asyncio
import os
import secrets
import shutil
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from capibara6_sandbox.errors import BadRequestError, ConflictError, NotFoundError
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.records import Records, VolumeRecord
from capibara6_sandbox.host.tree_removal import remove_tree
from capibara6_sandbox.isolation.identity import has_id_ranges
from capibara6_sandbox.isolation.rootfs import USER_ID

_log = structlog.get_logger()


class Volumes:
    """All volumes of this server.

    Args:
        folder: theirs; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._records = Records(folder / "records", VolumeRecord)
        self._kept = {record.id: record for record in self._records.load()}
        self._refusal = ""
        self._removals: set[asyncio.Task[None]] = set()

    def refuse(self, reason: str) -> None:
        """Answer every call with an error from now on, and know nothing."""
        self._refusal = reason
        self._kept.clear()

    @property
    def _volumes(self) -> dict[str, VolumeRecord]:
        if self._refusal:
            raise ConflictError(self._refusal)
        return self._kept

    def create(self, name: str, team: str = TEAM_DEFAULT) -> VolumeRecord:
        """Make an empty volume.

        Raises:
            BadRequestError: there is one of this name.
            ConflictError: these volumes are another server's.
            OSError: the disk refuses.
        """
        if self.named(name, team) is not None:
            raise BadRequestError(f"Volume with name '{name}' already exists")
        token = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        record = VolumeRecord(
            id=str(uuid.uuid4()), name=name, token=token, created_at=now, team=team
        )
        try:
            self._make_tree(self.tree(record.id))
            self._records.write(record)
        except OSError:
            shutil.rmtree(self.folder / record.id, ignore_errors=True)  # or the next start does
            raise
        self._volumes[record.id] = record
        return record

    @staticmethod
    def _make_tree(tree: Path) -> None:
        tree.mkdir(parents=True)
        tree.chmod(0o755)
        if has_id_ranges():
            shutil.chown(tree, USER_ID, USER_ID)

    def all(self, team: str = TEAM_DEFAULT) -> Iterable[VolumeRecord]:
        """Return a team's volumes, oldest first."""
        found = [volume for volume in self._volumes.values() if volume.team == team]
        return sorted(found, key=lambda volume: volume.created_at)

    def get(self, volume_id: str, team: str | None = TEAM_DEFAULT) -> VolumeRecord:
        """Return a team's volume; with None for the team, anybody's.

        Raises:
            NotFoundError: there is none of this id.
        """
        record = self._volumes.get(volume_id)
        if record is None or team not in (None, record.team):
            raise NotFoundError(f"Volume {volume_id} was not found")
        return record

    def has(self, volume_id: str) -> bool:
        """Whether there is a volume of this id."""
        return volume_id in self._kept

    def named(self, name: str, team: str = TEAM_DEFAULT) -> VolumeRecord | None:
        """Return a team's volume by its name."""
        return next((volume for volume in self.all(team) if volume.name == name), None)

    def destroy(self, volume_id: str, team: str = TEAM_DEFAULT) -> None:
        """Remove a volume and its files, also where it is mounted; sandboxes then see it empty.

        Raises:
            NotFoundError: there is none of this id.
        """
        self.get(volume_id, team)
        self._records.remove(volume_id)
        del self._volumes[volume_id]
        self._begin_removal(self.folder / volume_id)

    def remove_strays(self) -> None:
        """Remove the folders that no record belongs to: of a server that was killed.

        It was creating a volume or removing one. A damaged record keeps its folder. To be called
        at the start, and by one server of this folder only.
        """
        for folder in self.folder.iterdir():
            if _is_id(folder.name) and folder.is_dir() and not self._records.has(folder.name):
                _log.warning("removing_stray_volume", folder=str(folder))
                self._begin_removal(folder)

    def tree(self, volume_id: str) -> Path:
        """Return where a volume's files lie."""
        return self.folder / volume_id / "tree"

    def _begin_removal(self, folder: Path) -> None:
        task = asyncio.create_task(asyncio.to_thread(_remove, folder))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)


def _remove(folder: Path) -> None:
    try:
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(parent, folder.name)
        finally:
            os.close(parent)
    except OSError as cause:
        _log.error("volume_files_left", folder=str(folder), cause=str(cause))


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
