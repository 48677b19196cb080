"""Writes what a child of the stack prints into its log file, and rotates the file: a program of its own.

The child prints into a pipe, this program reads it. It goes on when the supervisor is killed, it ends when the last
process that holds the pipe has ended, and it never waits for a disk that is full: the child must not stand still
because of its log. It is run by its path and imports little, for each child has one.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 1 << 16
IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The end of the pipe is what ends this program: until then a child may have something to say."""


class RotatingFile:
    """A file that is renamed to `NAME.1` when it is full, `NAME.1` to `NAME.2`, and so on; the oldest is removed."""

    def __init__(self, path: Path, max_bytes: int, older_files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._older_files = older_files
        self._lost_bytes = 0
        self._open()

    def write(self, data: bytes) -> None:
        """Append; a line is finished in the file that it begins in, unless it alone is as large as a file."""
        while data:
            if os.fstat(self._file).st_nlink == 0:
                # Somebody removed the file: what would be written into it, nobody could read.
                os.close(self._file)
                self._open()
            room = self._max_bytes - self._size
            if len(data) <= room:
                self._append(data)
                return
            end = data.find(b"\n", max(room - 1, 0)) + 1
            if not end and self._size + len(data) <= 2 * self._max_bytes:
                self._append(data)
                return
            end = end or len(data)
            self._append(data[:end])
            self._rotate()
            data = data[end:]

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def _append(self, data: bytes) -> None:
        """Write, or count what cannot be written and say so once there is room again."""
        if self._lost_bytes:
            note = f"[{self._lost_bytes} bytes of this log could not be written]\n".encode()
            if not self._written(note):
                self._lost_bytes += len(data)
                return
            self._lost_bytes = 0
        self._lost_bytes = len(data) - self._written(data)

    def _written(self, data: bytes) -> int:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            pass
        self._size += done
        return done

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._older_files + 1))]
        try:
            for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
        except OSError:
            # The file grows past its bound: that is better than to lose what it holds.
            return
        os.close(self._file)
        self._open()


def main(path: str, max_bytes: str, older_files: str) -> None:
    """Copy standard input to the file until its end."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    log = RotatingFile(Path(path), int(max_bytes), int(older_files))
    while chunk := os.read(sys.stdin.fileno(), CHUNK_BYTES):
        log.write(chunk)


if __name__ == "__main__":
    main(*sys.argv[1:])
