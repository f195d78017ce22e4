"""Compiles and loads BPF programs with bcc, in a process of its own, and hands their file descriptors over.

The only module that imports bcc. `loader` runs this file as a script: the memory that LLVM takes ends with the
process, and so do bcc's changes to the process (it changes the working directory, writes to file descriptor 2 and
registers exit handlers). It imports nothing of sysmon.

The request comes as one JSON object on the socket whose number is argv[1], ended by shutting that side down. The
answer is one JSON object, and the descriptors of its "maps" and then of its "programs" that have no error.
"""

import glob
import importlib.util
import json
import os
import socket
import sys
from types import ModuleType
from typing import Any

DIST_PACKAGES = "/usr/lib/python3/dist-packages"  # Debian, Ubuntu
SITE_PACKAGES = "/usr/lib/python3*/site-packages"  # Fedora, Arch


def import_bcc() -> ModuleType:
    """The distribution's bcc, from any Python, with nothing else of the distribution's packages.

    The package is pure Python over libbcc.so.0. PyPI's package of the same name is another thing and is passed over.
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


def load(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """The answer to a request, and the descriptors that go with it."""
    try:
        bcc = import_bcc()
    except (ImportError, OSError) as error:  # OSError: libbcc.so.0 does not load
        return {"error": "bcc", "reason": str(error)}, []
    # bcc puts -I<working directory> first on the include path: a header there would be compiled into a program that
    # runs as root. So work in the stub tree, which is ours.
    os.environ["BCC_KERNEL_SOURCE"] = request["stub"]
    os.chdir(request["stub"])
    try:
        module = bcc.BPF(text=request["text"], cflags=request["cflags"])
    except Exception as error:
        return {"error": "compile", "reason": str(error), "bcc": bcc.__version__}, []
    fds: list[int] = []
    maps = {}
    for name in request["maps"]:
        maps[name] = len(fds)
        fds.append(bcc.lib.bpf_table_fd(module.module, name.encode()))
    programs: dict[str, Any] = {}
    for name in request["programs"]:
        try:
            fd = module.load_func(name, bcc.BPF.RAW_TRACEPOINT).fd
        except Exception as error:
            programs[name] = {"error": str(error)}
            continue
        programs[name] = {"fd": len(fds)}
        fds.append(fd)
    return {"maps": maps, "programs": programs, "bcc": bcc.__version__}, fds


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        with sock.makefile("rb") as stream:
            request = json.loads(stream.read())
        answer, fds = load(request)
        socket.send_fds(sock, [json.dumps(answer).encode()], fds)
    sys.stderr.flush()
    os._exit(0)  # not through bcc's exit handler: the programs are the recorder's now


if __name__ == "__main__":
    main()
