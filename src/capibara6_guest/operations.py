"""The table of everything the agent can do."""

from capibara6_guest import contents, files, images
from capibara6_guest.agent import Operation
from capibara6_guest.contexts import Contexts
from capibara6_guest.processes import ProcessTable
from capibara6_guest.system import SystemMeter
from capibara6_guest.watches import WatchTable


def operations(contexts: Contexts | None = None) -> dict[str, Operation]:
    """Return a fresh table: operation name -> coroutine function."""
    return {
        "files.stat": files.stat_entry,
        "files.list": files.list_directory,
        "files.make_dir": files.make_directory,
        "files.move": files.move,
        "files.remove": files.remove,
        "files.read": contents.read,
        "files.write": contents.write,
        "image.unpack": images.unpack,
        "system.metrics": SystemMeter().metrics,
        **WatchTable().operations(),
        **ProcessTable().operations(),
        **(contexts or Contexts()).operations(),
    }
