"""The table of commands, imported when used, and the one place where errors become a one-line message.

Nothing here knows what a trace is. `sysmon report` must start fast, and without bcc.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from typing import Any

import click

from sysmon import streams
from sysmon.errors import BadRequest, SysmonError, did_you_mean

COMMANDS: dict[str, tuple[str, str, str]] = {
    "record": ("sysmon.live.commands", "record", "Record what this machine does into a trace."),
    "live": ("sysmon.live.commands", "live", "Show what this machine does while it is recorded."),
    "mark": ("sysmon.analyze.commands.mark", "mark", "Mark this moment in a recording that runs."),
    "report": ("sysmon.analyze.commands.report", "report", "Show reports about a trace, or a summary of it."),
    "replay": ("sysmon.analyze.commands.replay", "replay", "Show what happened again, by interval or event."),
    "chart": ("sysmon.analyze.commands.chart", "chart", "Draw a chart of a trace."),
    "diff": ("sysmon.analyze.commands.diff", "diff", "Compare two traces."),
    "pivot": ("sysmon.analyze.commands.pivot", "pivot", "Split time, calls, bytes or errors by any dimension."),
    "sql": ("sysmon.analyze.commands.sql", "sql", "Query a trace with SQL."),
    "info": ("sysmon.analyze.commands.info", "info", "Show where a trace comes from and whether it is complete."),
    "dump": ("sysmon.analyze.commands.dump", "dump", "Print every row of a trace, one per line."),
    "export": ("sysmon.analyze.commands.export", "export", "Write the stacks of a trace for other tools."),
    "slice": ("sysmon.analyze.commands.slice", "slice_", "Write a part of a trace as a trace of its own."),
    "note": ("sysmon.analyze.commands.note", "note", "Add a note to a trace."),
    "repair": ("sysmon.analyze.commands.repair", "repair", "Make a regular trace of an interrupted recording."),
    "schema": ("sysmon.analyze.commands.schema", "schema", "Show the kinds of rows and their columns."),
    "doctor": ("sysmon.recorder.commands.doctor", "doctor", "Check whether this machine can record."),
    "completion": ("sysmon.analyze.commands.completion", "completion", "Print the completion script for a shell."),
}
"""Command name → module, attribute in it, and its line in the list of commands."""

OF_THE_MACHINE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
    errno.ENOMEM,
)
"""Errors that any write, open or fork can meet and no code can prevent: a full disk, a limit on files or forks."""

REMEDIES = {
    errno.EMFILE: "; allow more with `ulimit -n 1024`",
    errno.EAGAIN: "; allow more processes with `ulimit -u`, or in pids.max of the control group",
    errno.EFBIG: "; allow larger files with `ulimit -f unlimited`",
}

INTERRUPTED = 128 + signal.SIGINT
"""The exit status of shells for a program ended by Ctrl-C."""


class Commands(click.Group):
    """The group of all commands. A command's module is imported when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS, "`sysmon --help` shows the commands")
            raise BadRequest(f"there is no command {args[0]!r}; {hint}")
        name, command, rest = super().resolve_command(ctx, args)
        if command and not ctx.resilient_parsing:  # completion
            _refuse_repeated(name, command, ctx, rest)
        return name, command, rest

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:  # from --help and --version, which are handled here
            _drop_output()
            raise click.exceptions.Exit(0) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()  # the reader has seen enough
            return 0
        return status

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table: click would import every command to get this line.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


def _refuse_repeated(name: str | None, command: click.Command, parent: click.Context, args: list[str]) -> None:
    """Raises UsageError if an option that takes one value is given twice: click would take the last and say nothing."""
    ctx = click.Context(command, parent, name, **command.context_settings)
    _, _, given = command.make_parser(ctx).parse_args(list(args))
    for option in (one for one in given if isinstance(one, click.Option)):
        if given.count(option) > 1 and not (option.multiple or option.is_flag or option.count):
            raise click.UsageError(f"{' or '.join(option.opts)} is given twice: give it once", ctx)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from sysmon.version import version

    click.echo(f"sysmon {version()}")
    ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Record what a Linux machine does into one file, and look at it anywhere.

    \b
    Examples:
      sudo sysmon record --duration 60     record for a minute into trace.parquet
      sysmon report trace.parquet          a summary on one screen
      sysmon report --list                 what else there is to see
    """


def run() -> None:
    """Runs a command. Errors that the user can act on become one line and an exit status, all others a traceback."""
    streams.guard()
    try:
        status = cli.main(prog_name="sysmon", standalone_mode=False)
    except SysmonError as e:
        _complain(str(e))
        sys.exit(e.exit_status)
    except click.exceptions.NoArgsIsHelpError as e:
        sys.stderr.write(f"{e.format_message()}\n")
        sys.exit(e.exit_code)
    except click.ClickException as e:
        _complain(_usage_line(e))
        sys.exit(e.exit_code)
    except OSError as e:
        if e.errno not in OF_THE_MACHINE:
            raise
        remedy = REMEDIES.get(e.errno, "")
        _complain(f"{e.filename}: {e.strerror}{remedy}" if e.filename else f"{e.strerror}{remedy}")
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    except MemoryError:
        _complain("out of memory; allow more, or select less of the trace with --since")
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _drop_output() -> None:
    """Standard output cannot be written any more. The interpreter flushes it at exit, which must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage_line(error: click.ClickException) -> str:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    message = error.format_message()
    return f"{message} (`{command} --help` shows how)" if command else message


def _complain(message: str) -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    sys.stderr.write(f"sysmon: {' '.join(message.split())}\n")
