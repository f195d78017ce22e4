"""`sysmon completion`: the script with which a shell completes sysmon's commands and options."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options in a shell.

    \b
    Examples:
      sysmon completion bash > ~/.local/share/bash-completion/completions/sysmon
      sysmon completion zsh > ~/.zfunc/_sysmon
      sysmon completion fish > ~/.config/fish/completions/sysmon.fish
    """
    from click.shell_completion import get_completion_class

    group = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(group, {}, "sysmon", "_SYSMON_COMPLETE").source())
