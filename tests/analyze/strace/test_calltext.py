"""Recorded calls as text, in strace's format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.analyze.strace import abi
from sysmon.analyze.strace.calltext import Call, arguments, event_flags, line, result
from sysmon.analyze.strace.forms import FORMS
from sysmon.analyze.strace.values import FORMATS, address_text
from sysmon.bpf.kinds.syscall_events import FD_RESULT, FDS
from sysmon.safe_text import ACTING

U64 = st.integers(0, (1 << 64) - 1)
MINUS_1 = (1 << 64) - 1
CWD = (1 << 32) - 100


def call(name: str | None, *args: int | None, abi: str = "x86_64", **columns: object) -> Call:
    return Call(name, abi, (*args, *[0] * (6 - len(args))), **{"result": 0, **columns})  # type: ignore[arg-type]


# What strace 6.1 wrote for the same call, except for memory, which strace shows and sysmon does not.
LINES = [
    (call("openat", CWD, 0x7F, 0o2000000, 7, string1="/etc/ld.so.cache", result=3, latency_ns=12_000),
     'openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3 <0.000012000>'),
    (call("openat", 5, 0x7F, 0o302, 0o640, string1="a", result=-17, error="EEXIST"),
     'openat(5, "a", O_RDWR|O_CREAT|O_EXCL, 0640) = -1 EEXIST'),
    (call("openat", CWD, 0x7F, 0o20200002, 0o600, string1="/tmp", result=3),
     'openat(AT_FDCWD, "/tmp", O_RDWR|O_TMPFILE, 0600) = 3'),
    (call("open", 0x7F, 0o101101, 0o644, string1="x", result=3),
     'open("x", O_WRONLY|O_CREAT|O_TRUNC|O_LARGEFILE, 0644) = 3'),
    (call("open", 0, 0, result=-14, error="EFAULT"), "open(NULL, O_RDONLY) = -1 EFAULT"),
    (call("open", 0x1234, 0, result=-14, error="EFAULT"), "open(0x1234, O_RDONLY) = -1 EFAULT"),
    (call("read", 3, 0x7F00, 832, result=832), "read(3, 0x7f00, 832) = 832"),
    (call("mmap", 0, 8192, 3, 34, MINUS_1, 0, result=0x7F2863D47000),
     "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f2863d47000"),
    (call("mmap", 0, 10, 0, 0x801, 3, 0x7000, result=-22, error="EINVAL"),
     "mmap(NULL, 10, PROT_NONE, MAP_SHARED|MAP_DENYWRITE, 3, 0x7000) = -1 EINVAL"),
    (call("mremap", 0x1000, 4096, 8192, 1, 99, result=0x2000), "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE) = 0x2000"),
    (call("lseek", 3, MINUS_1 - 9, 1, result=5), "lseek(3, -10, SEEK_CUR) = 5"),
    (call("newfstatat", 3, 0x7F, 0x7F00, 0x1000, string1=""), 'newfstatat(3, "", 0x7f00, AT_EMPTY_PATH) = 0'),
    (call("access", 0x7F, 4, string1="/x"), 'access("/x", R_OK) = 0'),
    (call("access", 0x7F, 0, string1="/x"), 'access("/x", F_OK) = 0'),
    (call("renameat2", CWD, 1, 7, 1, 1, string1="a", string2="b"),
     'renameat2(AT_FDCWD, "a", 7, "b", RENAME_NOREPLACE) = 0'),
    (call("fcntl", 3, 1, 77, result=1), "fcntl(3, F_GETFD) = 0x1"),
    (call("fcntl", 3, 2, 1), "fcntl(3, F_SETFD, FD_CLOEXEC) = 0"),
    (call("fcntl", 3, 4, 0o4002), "fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0"),
    (call("fcntl", 3, 1030, 10, result=10), "fcntl(3, F_DUPFD_CLOEXEC, 10) = 10"),
    (call("futex", 0xF0, 128, 2, 0), "futex(0xf0, FUTEX_WAIT_PRIVATE, 2, NULL) = 0"),
    (call("futex", 0xF0, 129, 1, 5), "futex(0xf0, FUTEX_WAKE_PRIVATE, 1) = 0"),
    (call("futex", 0xF0, 0x189, 0, 0xF1), "futex(0xf0, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, 0xf1) = 0"),
    (call("socket", 2, 0o2004001, 6, result=4),
     "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP) = 4"),
    (call("socket", 16, 3, 15, result=4), "socket(AF_NETLINK, SOCK_RAW, 15) = 4"),
    (call("clone", 0x1200011, 0, 0, 0xF0, 0, result=7),
     "clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, NULL, NULL, 0xf0, NULL) = 7"),
    (call("kill", 7, 15), "kill(7, SIGTERM) = 0"),
    (call("wait4", MINUS_1, 0xF0, 1, 0, result=-10, error="ECHILD"), "wait4(-1, 0xf0, WNOHANG, NULL) = -1 ECHILD"),
    (call("umask", 0o27, result=0o22), "umask(027) = 022"),
    (call("clock_nanosleep", 1, 1, 0xF0, 0, result=-516, error="ERESTART_RESTARTBLOCK"),
     "clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, 0xf0, NULL) = ? ERESTART_RESTARTBLOCK"),
    (call("exit_group", 3, result=None), "exit_group(3) = ?"),
    (call("getppid", 1, 2, 3, result=42), "getppid() = 42"),
    (call("execve", *[None] * 6), "execve(?) = 0"),
    (call("finit_module", 3, 255, 0), "finit_module(0x3, 0xff, 0x0, 0x0, 0x0, 0x0) = 0"),
    (call(None, 1, result=-38, error="ENOSYS"), "unknown(0x1, 0x0, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS"),
]  # fmt: skip


@pytest.mark.parametrize(("given_call", "text"), LINES, ids=[text for _, text in LINES])
def test_lines(given_call: Call, text: str) -> None:
    assert line(given_call) == text


def test_flags_are_those_of_the_recorded_machine() -> None:
    args = (CWD, 0x7F, 0o40000)
    assert arguments(call("openat", *args, string1="d")).endswith("O_RDONLY|O_DIRECT")
    assert arguments(call("openat", *args, abi="arm64", string1="d")).endswith("O_RDONLY|O_DIRECTORY")
    assert arguments(call("openat", *args, abi="riscv64", string1="d")).endswith("O_RDONLY|O_DIRECT")
    assert arguments(call("openat", *args, abi="arm", string1="d")).endswith("O_RDONLY|O_DIRECTORY")


@pytest.mark.parametrize(
    ("kind", "syscall", "value", "text"),
    [
        ("open", "openat", 0o2000101, "O_WRONLY|O_CREAT|O_CLOEXEC"),
        ("open", "creat", 0o1101, "O_WRONLY|O_CREAT|O_TRUNC"),
        ("open", "openat2", 1 << 40, "O_RDONLY|0x10000000000"),
        ("file_op", "unlinkat", 0x200, "AT_REMOVEDIR"),
        ("file_op", "fchmodat2", 0x100, "AT_SYMLINK_NOFOLLOW"),
        ("file_op", "renameat2", 1, "RENAME_NOREPLACE"),
        ("file_op", "rename", 1, None),
        ("file_op", None, 1, None),
        ("socket", "accept4", 0o2004000, "SOCK_CLOEXEC|SOCK_NONBLOCK"),
    ],
)
def test_flags_of_events(kind: str, syscall: str | None, value: int, text: str | None) -> None:
    assert event_flags(kind, syscall, "x86_64", value) == text


def test_unknown_values_stay_numbers() -> None:
    assert arguments(call("openat", CWD, 1, 1 << 30, string1="d")).endswith("O_RDONLY|0x40000000")
    assert arguments(call("fcntl", 3, 999, 5)) == "3, 999, 0x5"
    assert result(call("read", result=-4000, error="errno 4000")) == "-1 errno 4000"


ADDRESSES = {
    bytes([2, 0, 0, 80, 127, 0, 0, 1]) + bytes(8):
        '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}',
    bytes([10, 0, 0x1F, 0x90]) + bytes(4) + bytes(15) + b"\1" + b"\2\0\0\0":
        '{sa_family=AF_INET6, sin6_port=htons(8080), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), '
        "sin6_scope_id=2}",
    b"\1\0/run/x\0garbage": '{sa_family=AF_UNIX, sun_path="/run/x"}',
    b"\1\0\0abstract\0x": r'{sa_family=AF_UNIX, sun_path=@"abstract\x00x"}',
    b"\1\0\xff\x1b": r'{sa_family=AF_UNIX, sun_path="\xff\x1b"}',
    b"\x10\0\0\0\7\0\0\0\1\0\0\0": "{sa_family=AF_NETLINK, nl_pid=7, nl_groups=0x00000001}",
    b"\2\0\0": "{sa_family=AF_INET, sa_data=0x00}",
    b"\x63\0\1": "{sa_family=99, sa_data=0x01}",
    b"\1": "{0x01}",
    b"": "{}",
}  # fmt: skip


@pytest.mark.parametrize("raw", ADDRESSES, ids=range(len(ADDRESSES)))
def test_addresses(raw: bytes) -> None:
    assert address_text(raw) == ADDRESSES[raw]


def test_text_of_a_trace_is_escaped_and_stays_in_its_line() -> None:
    text = line(call("unlink", 1, string1='a"\n\x1b[2J\u202e'))
    assert text == r'unlink("a\"\n\x1b[2J\u202e") = 0'
    assert "\n" not in line(call("un\nlink\x1b", 1, string1="a"))


@given(st.sampled_from(sorted(FORMS)), st.lists(st.none() | U64, min_size=6, max_size=6), st.none() | st.text(),
       st.none() | st.binary(max_size=128), st.sampled_from(["x86_64", "arm64", "i386", None]))  # fmt: skip
def test_any_values_have_a_text(
    name: str, args: list[int | None], text: str | None, address: bytes | None, table: str | None
) -> None:
    written = line(Call(name, table, tuple(args), text, text, address, -1, "EPERM", 1))
    assert written.startswith(f"{name}(") and not ACTING.search(written)


def test_every_form_is_known() -> None:
    special = {"path1", "path2", "sockaddr", "open", "open_bits", "mode_of_2", "mode_of_3", "fcntl_argument",
               "futex_argument", "address_if_fixed", "protocol"}  # fmt: skip
    used = {form for forms in FORMS.values() for form in forms.split()}
    assert used <= special | set(FORMATS)
    assert all(len(forms.split()) <= 6 for forms in FORMS.values())
    assert len(FORMS) > 60


def test_tables_hold_no_bit_twice_for_one_name() -> None:
    for name, table in vars(abi).items():
        if isinstance(table, dict) and name.isupper():
            assert len(set(table.values())) == len(table), name


def test_descriptors_are_those_that_the_programs_look_up() -> None:
    for name, form in FORMS.items():
        at = [place for place, word in enumerate(form.split(), 1) if word in ("fd", "dirfd")]
        assert at == [place for place in FDS.get(name, ()) if place and place != FD_RESULT], name


def test_what_descriptors_are_is_shown_as_strace_does() -> None:
    named = Call("openat", None, (2**32 - 100, 0, 0, 0, 0, 0), "a", result=3, objects=(None, "/x/a"))
    assert line(named) == 'openat(AT_FDCWD, "a", O_RDONLY) = 3</x/a>'
    copied = Call("sendfile", None, (4, 5, 0, 9, 0, 0), result=-11, error="EAGAIN", objects=("1.2.3.4:80", "/x/\x1b"))
    assert line(copied) == "sendfile(4<1.2.3.4:80>, 5</x/\\x1b>, NULL, 9) = -1 EAGAIN"
