"""BPF maps through bpf(2): creating them, single elements, and emptying them in batches."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from sysmon.recorder.load.bpf_syscall import NAME_BYTES, bpf

MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_NEXT_KEY, LOOKUP_BATCH, LOOKUP_AND_DELETE_BATCH = 0, 1, 2, 4, 24, 25
MAP_TYPE_ARRAY, MAP_TYPE_ARRAY_OF_MAPS = 2, 12
NOEXIST = 1


class _MapCreate(ctypes.Structure):
    _fields_ = [
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    ]


class _Element(ctypes.Structure):
    _fields_ = [
        ("map_fd", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("in_batch", ctypes.c_uint64),
        ("out_batch", ctypes.c_uint64),
        ("keys", ctypes.c_uint64),
        ("values", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("map_fd", ctypes.c_uint32),
        ("elem_flags", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class MapShape:
    """The attributes that a map is created with."""

    name: str
    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int = 0


def create(shape: MapShape, inner: int = 0) -> int:
    """Creates a map and returns its descriptor. Raises OSError."""
    s = shape
    name = s.name.encode()[:NAME_BYTES]
    return bpf(MAP_CREATE, _MapCreate(s.map_type, s.key_size, s.value_size, s.max_entries, s.map_flags, inner, 0, name))


def _create(map_type: int, value_size: int, inner: int = 0) -> int:
    return create(MapShape("", map_type, 4, value_size, 1), inner)


def lookup(fd: int, key: bytes, size: int) -> bytes:
    """The value of a key, `size` bytes (of all CPUs, for a per-CPU map). Raises OSError."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    bpf(MAP_LOOKUP, _Element(fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))
    return v.raw


def update(fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
    """Sets the value of a key. Raises OSError; FileExistsError with NOEXIST."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    bpf(MAP_UPDATE, _Element(fd, 0, ctypes.addressof(k), ctypes.addressof(v), flags))


def keys(fd: int, size: int) -> list[bytes]:
    """All keys of a small map."""
    found: list[bytes] = []
    after = ctypes.create_string_buffer(size)
    attr = _Element(fd, 0, 0, ctypes.addressof(after), 0)
    key = ctypes.create_string_buffer(size)
    while True:
        try:
            bpf(MAP_NEXT_KEY, attr)
        except FileNotFoundError:
            return found
        found.append(after.raw)
        key.raw = after.raw
        attr.key = ctypes.addressof(key)


class Buffers:
    """Memory for the batches of drainers of which only one is read at a time: as much as the largest needs."""

    def __init__(self) -> None:
        self._kept: dict[str, ctypes.Array[ctypes.c_char]] = {}

    def of(self, name: str, size: int) -> ctypes.Array[ctypes.c_char]:
        """At least `size` bytes, valid until the next drainer is read."""
        if name not in self._kept or len(self._kept[name]) < size:
            self._kept[name] = ctypes.create_string_buffer(size)
        return self._kept[name]


class Drainer:
    """Reads and empties a hash map that no program writes any more. It reuses its buffers.

    `value_size` is the size of one CPU's value and a multiple of 8. `buffers`: shared with others; None: its own.
    """

    def __init__(
        self, key_size: int, value_size: int, cpus: int, batch: int = 4096, buffers: Buffers | None = None
    ) -> None:
        self.key_size, self.value_size, self.batch = key_size, value_size * cpus, batch
        self._buffers = buffers or Buffers()
        self._token = ctypes.create_string_buffer(max(8, key_size))

    def drain(self, fd: int) -> Iterator[tuple[memoryview, memoryview]]:
        """Keys and values, in batches of at most `batch` entries. A batch is valid until the next is requested."""
        return self._batches(fd, LOOKUP_AND_DELETE_BATCH)

    def look(self, fd: int) -> Iterator[tuple[memoryview, memoryview]]:
        """The same of a map that is left as it is. Programs may write to it: what is new may be missing."""
        return self._batches(fd, LOOKUP_BATCH)

    def _batches(self, fd: int, command: int) -> Iterator[tuple[memoryview, memoryview]]:
        of_keys = self._buffers.of("keys", self.key_size * self.batch)
        of_values = self._buffers.of("values", self.value_size * self.batch)
        keys, values = memoryview(of_keys).cast("B"), memoryview(of_values).cast("B")
        attr = _Batch(
            out_batch=ctypes.addressof(self._token),
            keys=ctypes.addressof(of_keys),
            values=ctypes.addressof(of_values),
            map_fd=fd,
        )
        more = True
        while more:
            attr.count = self.batch
            try:
                bpf(command, attr)
            except FileNotFoundError:  # the end of the map
                more = False
            n = attr.count
            yield keys[: n * self.key_size], values[: n * self.value_size]
            attr.in_batch = attr.out_batch


class GracePeriod:
    """Waits until every BPF program that runs now has ended.

    The kernel waits so when a map of maps is updated, to ensure that no program still uses the old inner map
    (maybe_wait_bpf_programs(), kernel/bpf/syscall.c, since 5.0). No program uses the maps of this class.
    """

    def __init__(self) -> None:
        self.inner = _create(MAP_TYPE_ARRAY, 8)
        self.outer = _create(MAP_TYPE_ARRAY_OF_MAPS, 4, self.inner)

    def wait(self) -> None:
        update(self.outer, bytes(4), self.inner.to_bytes(4, "little"))

    def close(self) -> None:
        os.close(self.outer)
        os.close(self.inner)


def raise_memlock_limit() -> None:
    """Lifts RLIMIT_MEMLOCK, which maps count against before 5.11. Without CAP_SYS_RESOURCE it stays as it is."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.EPERM) != errno.EPERM:
            raise
