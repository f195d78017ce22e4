"""What a privileged sysmon takes from its environment: how it displays things, never what it loads.

Run by sudo or with capabilities, sysmon may do more than its caller. Libraries and modules must then not come from
where a variable says (LD_LIBRARY_PATH, PYTHONPATH, OPENSSL_CONF and the like), so only the variables in KEPT are kept.
If one is set that takes effect before a program's first line, or may do so, sysmon executes itself again without it;
otherwise this costs nothing. What such variables did to the first process is done: docs/threat-model.md says what
follows from that.

`sysmon` calls `begin` before it imports anything that the environment could replace. So this module imports only `os`
and `sys`, which are part of the interpreter.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

HOME = os.path.abspath(__file__).removesuffix(os.path.join("sysmon", "recorder", "own", "isolation.py")).rstrip("/")
"""The folder of the package: site-packages, or a checkout."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH for programs, such as the fc-list that matplotlib runs."""

HARMLESS = frozenset(
    "PYTHONCOERCECLOCALE PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONIOENCODING PYTHONUNBUFFERED "
    "PYTHONUTF8".split()
)
"""Python's variables that do not affect what is imported."""

KEPT = HARMLESS | frozenset(
    "COLORTERM COLUMNS COMP_CWORD COMP_WORDS FORCE_COLOR LANG LINES NO_COLOR SOURCE_DATE_EPOCH SUDO_GID "
    "SUDO_UID TERM TMPDIR TZ _SYSMON_COMPLETE".split()
)
"""Kept besides LC_*. Not HOME, which leads to its owner's modules, fonts and configuration; nor LANGUAGE, which gettext
uses as a path.
"""

EARLY = ("PYTHON", "LD_", "GLIBC_TUNABLES", "MALLOC_", "GCONV_PATH", "LOCPATH")
"""Prefixes of variables that the dynamic linker, the C library, its malloc, or Python reads before sysmon begins."""

OF_IMAGES = frozenset("PYTHON_VERSION PYTHON_SHA256 PYTHON_PIP_VERSION PYTHON_SETUPTOOLS_VERSION".split())
"""Variables with such a prefix that nothing reads: Docker's Python images set them."""

FOR_CHILDREN = {"PATH": PATH, "LANG": "C.UTF-8"}
"""The environment of sysmon's own privileged child processes."""

_OPTION = "sysmon"  # python -X sysmon=FD: unlike a variable, it cannot be set through the environment

_original: tuple[bytes, ...] | None = None


def begin() -> None:
    """Called by the program before anything else; code that only imports sysmon keeps its environment."""
    if not is_program() or not _is_privileged():
        return
    _remember()
    if _OPTION not in sys._xoptions and any(_is_early(name) for name in os.environ):
        _execute_again()
    kept = _kept()
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)
    sys.path[:] = [folder for folder in sys.path if folder == HOME or _is_trusted(folder)]
    sys.excepthook = _without_a_module


def environment() -> tuple[bytes, ...]:
    """The caller's environment, as execve(2) takes it: for the followed command."""
    return _remember()


def variable(name: bytes) -> bytes | None:
    """A variable of that environment."""
    found = (text[len(name) + 1 :] for text in environment() if text.startswith(name + b"="))
    return next(found, None)


def _remember() -> tuple[bytes, ...]:
    global _original
    if _original is None:
        try:
            # Not os.environ: in the C locale Python adds LC_CTYPE, and it has a duplicate name once only.
            with open("/proc/self/environ", "rb") as block:
                text = block.read()
            _original = tuple(text.split(b"\0")[:-1])
        except OSError:  # not permitted to a Python with file capabilities
            _original = tuple(b"=".join(pair) for pair in os.environb.items())
    return _original


def is_program() -> bool:
    """Whether this process was started as sysmon, rather than by another program that imports it."""
    program = os.path.realpath(sys.argv[0])
    return os.path.basename(program) == "sysmon" or program.endswith(os.path.join("sysmon", "__main__.py"))


def _is_privileged() -> bool:
    """Whether this process is root or has any capability."""
    if os.geteuid() == 0 or os.geteuid() != os.getuid():
        return True
    try:
        with open("/proc/self/status", "rb") as status:
            return any(int(line.split()[1], 16) for line in status if line.startswith(b"CapEff:"))
    except OSError:
        return True  # err on the side of caution


def _is_early(name: str) -> bool:
    return name.startswith(EARLY) and name not in HARMLESS | OF_IMAGES


def _kept() -> dict[str, str]:
    """The environment of a privileged sysmon."""
    kept = {name: text for name, text in os.environ.items() if name in KEPT or name.startswith("LC_")}
    for name in [name for name, text in kept.items() if _names_a_file(name, text)]:
        del kept[name]
    if "TMPDIR" in kept and not _is_safe(kept["TMPDIR"]):
        del kept["TMPDIR"]
    return {**kept, "PATH": PATH}


def _names_a_file(name: str, text: str) -> bool:
    """Whether the C library would open a file of this name. A time zone such as Europe/Rome may contain a slash."""
    if name == "TZ":
        return text.startswith((":", "/")) or ".." in text
    return (name == "LANG" or name.startswith("LC_")) and "/" in text


def _is_safe(folder: str) -> bool:
    """Whether only root and the current user can replace files that we create there."""
    path = os.path.realpath(folder)
    while True:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return False
        others_write = found.st_mode & 0o022 and not found.st_mode & 0o1000  # and not sticky
        if found.st_uid not in (0, os.geteuid()) or others_write:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def _is_trusted(folder: str) -> bool:
    """Whether modules there belong to someone whose code runs anyway: root, us, or whoever installed Python or sysmon.

    So neither the working directory of `python -m sysmon` counts, nor packages in the home of the user who called sudo.
    """
    owners = {0, os.geteuid()}
    try:
        owners.update(os.stat(path).st_uid for path in (HOME, sys.prefix, os.path.dirname(os.__file__)))
        found = os.stat(folder or ".")
    except (OSError, ValueError):
        return False
    return found.st_uid in owners and not found.st_mode & 0o002


def _execute_again() -> None:
    """Executes the same Python, venv and arguments without those variables."""
    try:
        option = f"{_OPTION}={_handed_over(_remember())}"
        isolated = "-I" if sys.flags.isolated else "-P"  # -P: import only from installed directories
        arguments = [sys.executable, isolated, "-X", option, os.path.abspath(__file__), *sys.argv]
        os.execve(sys.executable, arguments, _kept())
    except OSError as error:
        names = ", ".join(sorted(name for name in os.environ if _is_early(name)))
        sys.exit(f"sysmon: cannot execute {sys.executable} again: {error.strerror}; start sysmon without {names}")


def _handed_over(texts: tuple[bytes, ...]) -> int:
    """A memory file with these texts that stays open across an execve."""
    fds = [os.memfd_create("environment", 0)]
    while fds[-1] <= 2:  # if standard output is closed the file must not take its number
        fds.append(os.memfd_create("environment", 0))
    for fd in fds[:-1]:
        os.close(fd)
    with open(fds[-1], "wb", closefd=False) as file:
        file.write(b"".join(text + b"\0" for text in texts))
    return fds[-1]


def take_over(fd: int) -> None:
    """After that execve: restores the caller's environment from the file."""
    global _original
    with open(fd, "rb") as file:
        file.seek(0)
        _original = tuple(file.read().split(b"\0")[:-1])


def _without_a_module(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, ModuleNotFoundError):
        print(
            f"sysmon: {error}. A privileged sysmon imports nothing from PYTHONPATH or another user's directory: "
            "install sysmon into a venv (docs/privileges.md)",
            file=sys.stderr,
        )
        return
    sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":  # executed again, with the original first arguments
    import runpy

    del sys.argv[0]
    sys.path.append(HOME)
    from sysmon.recorder.own import isolation

    isolation.take_over(int(sys._xoptions[_OPTION]))
    runpy.run_module("sysmon", run_name="__main__")
