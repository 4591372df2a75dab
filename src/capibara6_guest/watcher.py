"""Watching one directory, or a whole tree, as a user."""

import asyncio
import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterator
from typing import Any

from capibara6_guest import inotify
from capibara6_guest.entries import EntryReader
from capibara6_guest.failures import reported
from capibara6_guest.inotify import Inotify, Notice
from capibara6_guest.users import User, acting_as
from capibara6_guest.wire import CallError

EVENTS_MAX = 10_000
_GONE = inotify.DELETE_SELF | inotify.MOVE_SELF
_MASK = (
    inotify.CREATE
    | inotify.MODIFY
    | inotify.ATTRIB
    | inotify.DELETE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | _GONE
    | inotify.ONLY_DIRECTORY
)
_TYPES = (
    (inotify.CREATE | inotify.MOVED_TO, "create"),
    (inotify.MOVED_FROM | inotify.MOVE_SELF, "rename"),
    (inotify.ATTRIB, "chmod"),
    (inotify.MODIFY, "write"),
    (inotify.DELETE | inotify.DELETE_SELF, "remove"),
)
_LIMITS = {
    errno.EMFILE: ("watchers", "max_user_instances"),
    errno.ENOSPC: ("watched directories", "max_user_watches"),
}
_STILL_THERE = ("create", "chmod", "write")


def _same(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    return all(earlier[field] == later[field] for field in ("name", "type"))


@contextlib.contextmanager
def _told_apart(root: str) -> Iterator[None]:
    """Name the limits of watchers, for which Linux has no errors of their own."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in _LIMITS:
            raise
        what, setting = _LIMITS[failure.errno]
        text = f"cannot watch '{root}': this sandbox has as many {what} as it may"
        try:
            with open(f"/proc/sys/fs/inotify/{setting}") as file:
                text += f" (fs.inotify.{setting} is {int(file.read())})"
        except (OSError, ValueError):  # another kernel's /proc
            text += f" (fs.inotify.{setting})"
        text += ". Stop some, or end programs that watch files."
        raise CallError("resource_exhausted", text) from None


class Watcher:
    """Collects events {"name", "type", "entry"?}; names are relative to the watched directory.

    Raises (when it is made):
        CallError: the directory cannot be watched.
    """

    def __init__(self, root: str, user: User, *, recursive: bool, with_entries: bool) -> None:
        self._root = root
        self._user = user
        self._recursive = recursive
        self._with_entries = with_entries
        self._events: deque[dict[str, Any]] = deque()
        self._overflowed = False
        self._changed = asyncio.Event()
        self._directories: dict[int, str] = {}  # by watch; relative to the root
        with reported(f"cannot watch '{root}'"), _told_apart(root):
            self._inotify = Inotify()
            try:
                with acting_as(user):
                    self._add(".")
            except BaseException:
                self._inotify.close()
                raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._inotify.fd, self._read)

    def take(self) -> list[dict[str, Any]]:
        """Return the events since the last time.

        Raises:
            CallError: resource_exhausted when some were lost because nobody took them.
        """
        self._read()
        self._changed.clear()
        if self._overflowed:
            raise CallError("resource_exhausted", f"events of '{self._root}' were lost: too many")
        events = list(self._events)
        self._events.clear()
        return events

    async def changed(self) -> None:
        """Return when there is something to take."""
        await self._changed.wait()

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._inotify.fd)
        self._inotify.close()

    def _read(self) -> None:
        with acting_as(self._user):
            for notice in self._inotify.read():
                self._take_notice(notice)

    def _take_notice(self, notice: Notice) -> None:
        if notice.mask & inotify.QUEUE_OVERFLOW:
            self._overflowed = True
            self._changed.set()
            return
        if notice.mask & inotify.IGNORED:
            self._directories.pop(notice.watch, None)
            return
        directory = self._directories.get(notice.watch)
        # What happens to a directory below the root is reported by the one that holds it.
        if directory is None or (not notice.name and directory != "."):
            return
        name = os.path.normpath(os.path.join(directory, notice.name))
        for mask, kind in _TYPES:
            if notice.mask & mask:
                self._report(name, kind)
        if self._recursive and notice.mask & inotify.IS_DIRECTORY and notice.name:
            self._follow(name, notice.mask)

    def _follow(self, name: str, mask: int) -> None:
        """Watch a directory that has come, and no longer one that has gone."""
        if mask & inotify.MOVED_FROM:
            for watch, directory in tuple(self._directories.items()):
                if directory == name or directory.startswith(f"{name}/"):
                    self._inotify.remove(watch)
        elif mask & (inotify.CREATE | inotify.MOVED_TO):
            for found in self._try_add(name):
                self._report(found, "create")

    def _try_add(self, directory: str) -> list[str]:
        try:
            return list(self._add(directory))
        except OSError:  # it has gone already, or is closed to the user
            return []

    def _add(self, directory: str) -> list[str]:
        """Watch a directory and, if asked for, all below; return what they hold already.

        What was put into a new directory before it was watched is found that way.
        """
        path = os.path.join(self._root, directory)
        follow = 0 if directory == "." else inotify.DONT_FOLLOW
        self._directories[self._inotify.add(path, _MASK | follow)] = directory
        return list(self._below(directory)) if self._recursive else []

    def _below(self, directory: str) -> Iterator[str]:
        with os.scandir(os.path.join(self._root, directory)) as entries:
            for entry in entries:
                name = os.path.normpath(os.path.join(directory, entry.name))
                yield name
                if entry.is_dir(follow_symlinks=False):
                    yield from self._try_add(name)

    def _report(self, name: str, kind: str) -> None:
        if len(self._events) >= EVENTS_MAX:
            self._events.clear()
            self._overflowed = True
        event: dict[str, Any] = {"name": name, "type": kind}
        if kind == "write" and self._events and _same(self._events[-1], event):
            self._events.pop()  # as the kernel does while nobody reads: one write is one event
        if self._with_entries and kind in _STILL_THERE:
            try:
                event["entry"] = EntryReader().describe(os.path.join(self._root, name))
            except OSError:  # gone between the event and the look at it
                event.pop("entry", None)
        self._events.append(event)
        self._changed.set()
