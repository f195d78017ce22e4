"""What a privileged sysmon takes from its environment: how it shows things, and never what it loads.

Run by sudo or with capabilities, sysmon may do more than who called it. Then libraries and modules must not come from
where a variable says (LD_LIBRARY_PATH, PYTHONPATH, OPENSSL_CONF and their like), so only variables of KEPT stay. Those
that work before a program's first line, or may have, take executing it again without them, once; where none is set that
costs nothing. What they did to the first process is done: docs/threat-model.md says what that means.

`sysmon` calls `begin` before it imports anything that the environment could have put in the place of another. So
nothing but `os` and `sys` is imported here, which are in the interpreter itself.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

HOME = os.path.abspath(__file__).removesuffix(os.path.join("sysmon", "recorder", "own", "isolation.py")).rstrip("/")
"""Where the package is: site-packages, or a checkout."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, such as the fc-list that matplotlib runs."""

HARMLESS = frozenset(
    "PYTHONCOERCECLOCALE PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONIOENCODING PYTHONUNBUFFERED "
    "PYTHONUTF8".split()
)
"""Variables of Python that decide nothing about what is imported."""

KEPT = HARMLESS | frozenset(
    "COLORTERM COLUMNS COMP_CWORD COMP_WORDS FORCE_COLOR LANG LINES NO_COLOR SOURCE_DATE_EPOCH SUDO_GID "
    "SUDO_UID TERM TMPDIR TZ _SYSMON_COMPLETE".split()
)
"""Besides LC_*. HOME is not among them: it leads to modules, fonts and configuration of whoever's it is; nor LANGUAGE,
which gettext takes for a path."""

EARLY = ("PYTHON", "LD_", "GLIBC_TUNABLES", "MALLOC_", "GCONV_PATH", "LOCPATH")
"""Beginnings of names that the dynamic linker, the C library, its malloc, or Python read before sysmon begins."""

OF_IMAGES = frozenset("PYTHON_VERSION PYTHON_SHA256 PYTHON_PIP_VERSION PYTHON_SETUPTOOLS_VERSION".split())
"""Names like those that nobody reads: they are in Docker's images of Python."""

FOR_CHILDREN = {"PATH": PATH, "LANG": "C.UTF-8"}
"""The environment of a privileged child process that is sysmon's own."""

_OPTION = "sysmon"  # python -X sysmon=FD: unlike a variable, who may only set the environment cannot give it

_original: tuple[bytes, ...] | None = None


def begin() -> None:
    """Called first of all by the program; whoever only imports it keeps the environment as it is."""
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
    """What whoever called sysmon gave it, as execve(2) takes it: for the command that is followed."""
    return _remember()


def variable(name: bytes) -> bytes | None:
    """Of that environment."""
    found = (text[len(name) + 1 :] for text in environment() if text.startswith(name + b"="))
    return next(found, None)


def _remember() -> tuple[bytes, ...]:
    global _original
    if _original is None:
        try:
            # And not os.environ: Python adds LC_CTYPE to it in the locale C, and has a name that came twice once.
            with open("/proc/self/environ", "rb") as block:
                text = block.read()
            _original = tuple(text.split(b"\0")[:-1])
        except OSError:  # a Python with file capabilities may not
            _original = tuple(b"=".join(pair) for pair in os.environb.items())
    return _original


def is_program() -> bool:
    """Whether this process was started as sysmon, and is not another program that imports it."""
    program = os.path.realpath(sys.argv[0])
    return os.path.basename(program) == "sysmon" or program.endswith(os.path.join("sysmon", "__main__.py"))


def _is_privileged() -> bool:
    """Whether it is root, or has any capability."""
    if os.geteuid() == 0 or os.geteuid() != os.getuid():
        return True
    try:
        with open("/proc/self/status", "rb") as status:
            return any(int(line.split()[1], 16) for line in status if line.startswith(b"CapEff:"))
    except OSError:
        return True  # rather too careful


def _is_early(name: str) -> bool:
    return name.startswith(EARLY) and name not in HARMLESS | OF_IMAGES


def _kept() -> dict[str, str]:
    """The environment that a privileged sysmon has."""
    kept = {name: text for name, text in os.environ.items() if name in KEPT or name.startswith("LC_")}
    for name in [name for name, text in kept.items() if _names_a_file(name, text)]:
        del kept[name]
    if "TMPDIR" in kept and not _is_safe(kept["TMPDIR"]):
        del kept["TMPDIR"]
    return {**kept, "PATH": PATH}


def _names_a_file(name: str, text: str) -> bool:
    """Whether the C library would open a file of this name. A time zone may be in a folder, as Europe/Rome is."""
    if name == "TZ":
        return text.startswith((":", "/")) or ".." in text
    return (name == "LANG" or name.startswith("LC_")) and "/" in text


def _is_safe(folder: str) -> bool:
    """Whether nobody but root and who we are can put another file in the place of one that we make there."""
    path = os.path.realpath(folder)
    while True:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return False
        others_write = found.st_mode & 0o022 and not found.st_mode & 0o1000  # and it is not sticky
        if found.st_uid not in (0, os.geteuid()) or others_write:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def _is_trusted(folder: str) -> bool:
    """Whether modules there are of those whose code runs anyway: root's, ours, or who installed Python or sysmon.

    So neither the working directory of `python -m sysmon` counts, nor packages in the home of who called sudo.
    """
    owners = {0, os.geteuid()}
    try:
        owners.update(os.stat(path).st_uid for path in (HOME, sys.prefix, os.path.dirname(os.__file__)))
        found = os.stat(folder or ".")
    except (OSError, ValueError):
        return False
    return found.st_uid in owners and not found.st_mode & 0o002


def _execute_again() -> None:
    """Becomes the same Python, venv and arguments without those variables."""
    try:
        option = f"{_OPTION}={_handed_over(_remember())}"
        isolated = "-I" if sys.flags.isolated else "-P"  # -P: no directory but what is installed
        arguments = [sys.executable, isolated, "-X", option, os.path.abspath(__file__), *sys.argv]
        os.execve(sys.executable, arguments, _kept())
    except OSError as error:
        names = ", ".join(sorted(name for name in os.environ if _is_early(name)))
        sys.exit(f"sysmon: cannot execute {sys.executable} again: {error.strerror}; start sysmon without {names}")


def _handed_over(texts: tuple[bytes, ...]) -> int:
    """A file in memory with these texts, which is still open after an execve."""
    fds = [os.memfd_create("environment", 0)]
    while fds[-1] <= 2:  # where standard output is closed a file must not take its number
        fds.append(os.memfd_create("environment", 0))
    for fd in fds[:-1]:
        os.close(fd)
    with open(fds[-1], "wb", closefd=False) as file:
        file.write(b"".join(text + b"\0" for text in texts))
    return fds[-1]


def take_over(fd: int) -> None:
    """After that execve: what was handed over is the environment that the caller gave."""
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


if __name__ == "__main__":  # executed again, with the first arguments as they were
    import runpy

    del sys.argv[0]
    sys.path.append(HOME)
    from sysmon.recorder.own import isolation

    isolation.take_over(int(sys._xoptions[_OPTION]))
    runpy.run_module("sysmon", run_name="__main__")
