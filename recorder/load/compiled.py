"""Compiled programs and maps, and loading them into the kernel."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sysmon.recorder.load import bpf_maps, bpf_programs
from sysmon.recorder.load.compiler import LOAD_64, PSEUDO_FUNC, PSEUDO_MAP_FD

INSTRUCTION = np.dtype([("operation", "u1"), ("registers", "u1"), ("offset", "i2"), ("number", "i4")])
LOADED_AT_ONCE = 2

_SOURCE_SHIFT = 4 if np.little_endian else 0


@dataclass(frozen=True)
class InKernel:
    """The maps and programs that the kernel accepted, by name, as file descriptors, and why it refused others."""

    maps: dict[str, int]
    programs: dict[str, int]
    refused: dict[str, str]


@dataclass(frozen=True)
class Compiled:
    """What `compiler` returns: maps by index, programs by name."""

    bcc_version: str
    maps: tuple[bpf_maps.MapShape, ...]
    programs: dict[str, bytes]

    @classmethod
    def parse(cls, text: bytes) -> Compiled:
        """Parses the compiler's answer. Raises ValueError if the text is anything else."""
        try:
            answer = json.loads(text)
            maps = tuple(bpf_maps.MapShape(**shape) for shape in answer["maps"])
            programs = {name: base64.b64decode(code, validate=True) for name, code in answer["programs"].items()}
            for code in programs.values():
                with_maps(code, list(range(len(maps))))
            return cls(answer["bcc"], maps, programs)
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise ValueError(f"not the answer of a compiler: {error!r}") from None

    def load(self, iterators: Mapping[str, int], samplers: Collection[str] = ()) -> InKernel:
        """Creates the maps and loads the programs, some of them for iterators or perf events. Raises OSError if a map
        cannot be created.
        """
        types = dict.fromkeys(samplers, bpf_programs.PROG_TYPE_PERF_EVENT)
        with contextlib.ExitStack() as undo:
            fds = []
            for shape in self.maps:
                fds.append(bpf_maps.create(shape))
                undo.callback(os.close, fds[-1])
            # The verifier takes up to half a second per program, and can verify several in parallel.
            with ThreadPoolExecutor(LOADED_AT_ONCE) as pool:
                loading = {
                    name: pool.submit(
                        bpf_programs.load,
                        name,
                        with_maps(code, fds),
                        iterators.get(name),
                        functions(code),
                        types.get(name, bpf_programs.PROG_TYPE_RAW_TRACEPOINT),
                    )
                    for name, code in self.programs.items()
                }
            programs, refused = {}, {}
            for name, loaded in loading.items():
                try:
                    programs[name] = loaded.result()
                except bpf_programs.Refused as error:
                    refused[name] = str(error)
            undo.pop_all()
        return InKernel({shape.name: fd for shape, fd in zip(self.maps, fds, strict=True)}, programs, refused)


def with_maps(code: bytes, fds: list[int]) -> bytes:
    """The instructions with the maps' descriptors filled in."""
    instructions = np.frombuffer(code, INSTRUCTION).copy()
    of_maps = _loads(instructions, PSEUDO_MAP_FD)
    places = instructions["number"][of_maps]
    instructions["number"][of_maps] = np.array(fds, "i4")[places]
    return instructions.tobytes()


def functions(code: bytes) -> tuple[int, ...]:
    """The instructions at which the program's callback functions begin."""
    instructions = np.frombuffer(code, INSTRUCTION)
    (at,) = np.nonzero(_loads(instructions, PSEUDO_FUNC))
    return tuple(int(place) for place in np.unique(at + instructions["number"][at] + 1))


def _loads(instructions: npt.NDArray[np.void], source: int) -> npt.NDArray[np.bool_]:
    """Mask of the instructions that load this kind of value."""
    sources = instructions["registers"] >> _SOURCE_SHIFT & 0x0F
    which: npt.NDArray[np.bool_] = (instructions["operation"] == LOAD_64) & (sources == source)
    return which
