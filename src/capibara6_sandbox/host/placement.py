"""Where on a disk the files of saved layers come to lie.

ext4 gives a new file no number that was freed within the last minutes, and looks at each of those
again for every file that it makes: where layers of many files come and go side by side, making the
next 20,000 files took 4 to 26 s. Folders below one that is marked as top of a hierarchy are put
into parts of the disk of their own, where nothing was freed. Other file systems have no such mark
and no such need.
"""

import array
import fcntl
import os
from pathlib import Path
from typing import Final

# linux/fs.h; ioctl_iflags(2), chattr(1) under "T"
_FS_IOC_GETFLAGS: Final = 0x80086601
_FS_IOC_SETFLAGS: Final = 0x40086602
_FS_TOPDIR_FL: Final = 0x00020000


def spread(folder: Path) -> bool:
    """Have the folders in `folder` lie far from one another; return whether its disk does so."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    flags = array.array("i", [0])
    try:
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, flags)
        flags[0] |= _FS_TOPDIR_FL
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, flags)
    except OSError:  # not of this file system, or not our folder
        return False
    finally:
        os.close(fd)
    return True
