"""Completion in the shell: the script that switches it on, and what it offers for --class and --data."""

from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from adtrack.config import DEMO, DEMO_CLASSES
from adtrack.errors import UserError

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_HOW = {
    "bash": """
# Keep this in a file that every new bash reads:
#   adtrack completion bash > ~/.adtrack-completion.bash
#   echo '. ~/.adtrack-completion.bash' >> ~/.bashrc
""",
    "zsh": """
# Keep this in a file that every new zsh reads, after its compinit:
#   adtrack completion zsh > ~/.adtrack-completion.zsh
#   echo '. ~/.adtrack-completion.zsh' >> ~/.zshrc
""",
    "fish": """
# Keep this where every new fish finds it:
#   adtrack completion fish > ~/.config/fish/completions/adtrack.fish
""",
}


@click.command("completion", short_help="Print the script with which the Tab key completes commands.")
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which the Tab key completes verbs, options, files and class names.

    Its last lines say where to keep it. The first example switches completion on in this shell only.

    \b
    eval "$(adtrack completion bash)"
    adtrack completion zsh
    """
    script = _SHELLS[shell](context.find_root().command, {}, "adtrack", "_ADTRACK_COMPLETE")
    click.echo(script.source().strip() + "\n" + _HOW[shell], nl=False)


def complete_class(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The classes of the data set that --data names, if it comes first; else the demo's."""
    from adtrack.data.layouts import class_names

    data = context.params.get("data")
    try:
        names = class_names(Path(data).expanduser()) if isinstance(data, str) and data != DEMO else DEMO_CLASSES
    except UserError:
        return []
    # The shell reads a name a line, and prints it as it is.
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name.isprintable()]


def complete_data(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders: the shell lists them."""
    return [CompletionItem(incomplete, type="dir")]
