"""Control groups: names by id, including those of groups removed before the end."""

from sysmon.bpf.columns import CGROUP_ID, TS
from sysmon.bpf.kind import Col, Kind, Ring

CGROUP = Kind(
    "cgroup",
    "cgroup_paths",
    "A control group of the unified hierarchy (version 2) that existed at the start of the recording or was "
    "created during it.",
    cols=(
        TS,
        CGROUP_ID,
        Col(
            "cgroup_path",
            "bytes",
            "Path of the group below the root of the hierarchy, at most 1,023 bytes. Bytes that are not UTF-8 are "
            "written as \\xNN.",
            sizes=(1024,),
        ),
    ),
    source=Ring((256 * 1024,)),
)

KINDS = (CGROUP,)
