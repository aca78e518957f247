"""What the kernel saw: the names of the files that were opened in a folder, by whatever library."""

import ctypes
import os
import struct
import sys

import pytest

IN_OPEN = 0x20
EVENT = struct.Struct("iIII")


class Opened:
    """The names of the files in ``folder`` that were opened since it was made (Linux's inotify)."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.handle = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.handle, os.fsencode(folder), IN_OPEN) >= 0

    def names(self):
        try:
            content = os.read(self.handle, 1 << 16)
        except BlockingIOError:
            return set()
        found, start = set(), 0
        while start < len(content):
            *_, length = EVENT.unpack_from(content, start)
            start += EVENT.size + length
            found.add(os.fsdecode(content[start - length : start].rstrip(b"\0")))
        return found


@pytest.fixture
def opened():
    """Return a function that watches a folder."""
    if sys.platform != "linux":
        pytest.skip("inotify is Linux's")
    watches = []

    def watch(folder):
        watches.append(Opened(folder))
        return watches[-1]

    yield watch
    for one in watches:
        os.close(one.handle)
