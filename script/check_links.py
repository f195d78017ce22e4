"""Lets no package be built of a checkout without links, as on Windows: it would have none of the code."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckLinks(BuildHookInterface[Any]):
    """Ends the build if the folders that are linked into the package are not there."""

    def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
        """Before each build."""
        if not all((Path(self.root) / "sysmon" / name).is_dir() for name in ("bpf", "recorder", "analyze")):
            raise SystemExit(
                "sysmon: this checkout has no links: `git config core.symlinks true` and `git checkout sysmon`"
            )
