"""Compiles BPF programs with bcc, in a process of its own.

The only module that imports bcc. `loader` runs this file as a script: LLVM's memory is freed with the process, and so
are bcc's side effects (it changes the working directory, writes to file descriptor 2 and registers exit handlers). It
imports nothing of sysmon.

The request is one JSON object on the socket whose number is argv[1], ended by shutting down that side. The answer is
one JSON object:

- "bcc": the version of bcc
- "maps": for each map its name and the attributes to create it with, named as in /proc/PID/fdinfo; the requested ones
  come first
- "programs": for each its instructions (struct bpf_insn) in base64, followed by its callback functions; where an
  instruction loads a map's descriptor, it has the map's index in "maps" instead

or {"error": ..., "reason": ...}.
"""

import base64
import glob
import importlib.util
import json
import os
import socket
import struct
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

DIST_PACKAGES = "/usr/lib/python3/dist-packages"  # Debian, Ubuntu
SITE_PACKAGES = "/usr/lib/python3*/site-packages"  # Fedora, Arch

INSTRUCTION = struct.Struct("=BBhi")  # struct bpf_insn of include/uapi/linux/bpf.h
LOAD_64 = 0x18  # BPF_LD | BPF_IMM | BPF_DW
CALL = 0x85  # BPF_JMP | BPF_CALL
HELPERS = 4096  # helpers have smaller numbers
PSEUDO_KFUNC_CALL = 2  # the source register of a call to a kernel function
NUMBER, PSEUDO_MAP_FD, PSEUDO_FUNC = 0, 1, 4  # the source register tells what a 64-bit load loads

MAP_SHAPE = ("map_type", "key_size", "value_size", "max_entries", "map_flags")


def import_bcc() -> ModuleType:
    """Imports the distribution's bcc, from any Python, without its other packages.

    The package is pure Python over libbcc.so.0. PyPI's package of the same name is something else, and is skipped.
    Raises ImportError if bcc is not installed.
    """
    for folder in (DIST_PACKAGES, *sorted(glob.glob(SITE_PACKAGES), reverse=True)):
        init = os.path.join(folder, "bcc", "__init__.py")
        if not os.path.exists(init):
            continue
        spec = importlib.util.spec_from_file_location("bcc", init, submodule_search_locations=[os.path.dirname(init)])
        assert spec and spec.loader
        module = sys.modules["bcc"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    raise ImportError(f"no bcc in {DIST_PACKAGES} or {SITE_PACKAGES}")


def map_shape(fd: int) -> dict[str, int]:
    """The attributes of a map that bcc has created."""
    with open(f"/proc/self/fdinfo/{fd}") as lines:
        said = dict(line.split(":", 1) for line in lines)
    return {what: int(said[what], 0) for what in MAP_SHAPE}


def loads(code: bytes) -> Iterator[tuple[int, int, int, int]]:
    """For each 64-bit load its index, registers, what it loads, and the lower half of its number."""
    for at in range(0, len(code), INSTRUCTION.size):
        operation, registers, _offset, number = INSTRUCTION.unpack_from(code, at)
        if operation == LOAD_64:
            yield at, registers, registers >> 4 if sys.byteorder == "little" else registers & 15, number


def with_callbacks(code: bytes, callbacks: list[bytes]) -> bytes:
    """Appends the callback functions whose numbers the instructions load instead of an address.

    No other 64-bit load has so small a number: the compiler uses a shorter instruction for those.
    """
    changed, begins = bytearray(code), dict[int, int]()
    for at, registers, source, number in loads(code):
        upper = INSTRUCTION.unpack_from(code, at + INSTRUCTION.size)[3]
        if source != NUMBER or upper or not 0 <= number < len(callbacks):
            continue
        if number not in begins:
            begins[number] = len(changed)
            changed += callbacks[number]
        registers |= PSEUDO_FUNC << 4 if sys.byteorder == "little" else PSEUDO_FUNC
        distance = (begins[number] - at) // INSTRUCTION.size - 1
        INSTRUCTION.pack_into(changed, at, LOAD_64, registers, 0, distance)
    return bytes(changed)


def with_kernel_functions(code: bytes) -> bytes:
    """The instructions, with helper numbers that are too large turned into calls of kernel functions, by BTF id."""
    changed = bytearray(code)
    for at in range(0, len(code), INSTRUCTION.size):
        operation, registers, offset, number = INSTRUCTION.unpack_from(code, at)
        if operation == CALL and not registers and number >= HELPERS:
            registers = PSEUDO_KFUNC_CALL << 4 if sys.byteorder == "little" else PSEUDO_KFUNC_CALL
            INSTRUCTION.pack_into(changed, at, CALL, registers, offset, number)
    return bytes(changed)


def with_places(code: bytes, places: dict[int, int]) -> bytes:
    """The instructions with map indexes instead of descriptors. A new descriptor gets the next index."""
    changed = bytearray(code)
    for at, registers, source, number in loads(code):
        if source == PSEUDO_MAP_FD:
            place = places.setdefault(number, len(places))
            INSTRUCTION.pack_into(changed, at, LOAD_64, registers, 0, place)
    return bytes(changed)


def compile_programs(request: dict[str, Any]) -> dict[str, Any]:
    """Compiles; returns the answer to the request."""
    try:
        bcc = import_bcc()
    except (ImportError, OSError) as error:  # OSError: libbcc.so.0 does not load
        return {"error": "bcc", "reason": str(error)}
    # bcc puts -I<working directory> first on the include path: a header there would be compiled into a program that
    # runs as root. So work in our own stub tree.
    os.environ["BCC_KERNEL_SOURCE"] = request["stub"]
    os.chdir(request["stub"])
    try:
        module = bcc.BPF(text=request["text"], cflags=request["cflags"])
        names = {bcc.lib.bpf_table_fd(module.module, name.encode()): name for name in request["maps"]}
        places = {fd: place for place, fd in enumerate(names)}
        callbacks = [module.dump_func(name.encode()) for name in request["callbacks"]]
        codes = {name: with_callbacks(module.dump_func(name.encode()), callbacks) for name in request["programs"]}
        programs = {name: with_places(with_kernel_functions(code), places) for name, code in codes.items()}
        maps = [{"name": names.get(fd, f"own_{place}"), **map_shape(fd)} for fd, place in places.items()]
    except Exception as error:
        return {"error": "compile", "reason": str(error), "bcc": bcc.__version__}
    texts = {name: base64.b64encode(code).decode() for name, code in programs.items()}
    return {"bcc": bcc.__version__, "maps": maps, "programs": texts}


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        with sock.makefile("rb") as stream:
            request = json.loads(stream.read())
        sock.sendall(json.dumps(compile_programs(request)).encode())
    sys.stderr.flush()
    os._exit(0)  # skips bcc's exit handler, which takes time: there is nothing to clean up


if __name__ == "__main__":
    main()
