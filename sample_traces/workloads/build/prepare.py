#!/usr/bin/python3
"""Writes a C project of 41 files into the current directory, and a Makefile that builds it.

Two things are wrong with it. Its six headers lie in the last of 24 directories of the search path, so that each is
looked for in vain 23 times by each compilation, and each header of the system 24 times. And `unicode.c`, a table with a
function for each line, takes longer to compile than all other modules together, and is the last that make starts.
"""

from pathlib import Path

MODULES = 39
DIRECTORIES = 24
HEADERS = ("config", "error", "list", "log", "memory", "text")
TABLE_LINES = 2200

MAKEFILE = """\
export CPATH = {path}
OBJECTS = {objects}
all: check
shop: $(OBJECTS)
\tgcc -o $@ $^
%.o: %.c
\tgcc -O2 -c $<
check: shop
\ttest $$(./shop | wc -l) = {wanted}
"""


def write_headers() -> list[str]:
    directories = [f"include/lib{i:02}" for i in range(1, DIRECTORIES + 1)]
    for directory in directories:
        Path(directory).mkdir(parents=True)
        Path(directory, f"only_in_{Path(directory).name}.h").touch()
    for name in HEADERS:
        Path(directories[-1], f"{name}.h").write_text(f"#pragma once\nint {name}_of(int);\n")
    return directories


def write_modules() -> list[str]:
    includes = "".join(f"#include <{name}.h>\n" for name in HEADERS)
    modules = [f"module{i:02}" for i in range(1, MODULES + 1)]
    for name in modules:
        loops = "\n".join(f"    for (int j = 0; j < n; j++) n ^= (n << {i % 13 + 1}) + j * {i};" for i in range(40))
        Path(f"{name}.c").write_text(
            f"{includes}#include <stdio.h>\nint {name}(int n) {{\n{loops}\n    return n;\n}}\n"
        )
    lines = "\n".join(
        f"int letter{i}(int n) {{ for (int j = 0; j < n; j++) n ^= (n >> {i % 7 + 1}) * {i}; return n; }}"
        for i in range(TABLE_LINES)
    )
    Path("unicode.c").write_text(f"{includes}{lines}\n")
    calls = "\n".join(f'    printf("%d\\n", {name}(7));' for name in modules)
    declared = "\n".join(f"int {name}(int);" for name in modules)
    Path("main.c").write_text(f"#include <stdio.h>\n{declared}\nint main(void) {{\n{calls}\n    return 0;\n}}\n")
    return ["main", *modules, "unicode"]


def main() -> None:
    directories = write_headers()
    modules = write_modules()
    # The check fails: the program prints one line less.
    Path("Makefile").write_text(
        MAKEFILE.format(path=":".join(directories), objects=" ".join(f"{m}.o" for m in modules), wanted=MODULES + 1)
    )


if __name__ == "__main__":
    main()
