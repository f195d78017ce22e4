"""The version of sysmon."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """The installed version; 'unknown' in a checkout that is not installed."""
    try:
        return installed_version("sysmon-trace")
    except PackageNotFoundError:
        return "unknown"
