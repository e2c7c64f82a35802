"""The command `alasin`: what a person types, by name. Each name is a module with a `main` of its own."""

from __future__ import annotations

import sys
from importlib import import_module

from common.errors import UserError, run_command
from common.processes import begin_in_utf8_mode
from workflow.cli.place import check_environment

COMMANDS = {
    "init": ("workflow.cli.init", "write a recipe to begin from"),
    "check": ("workflow.cli.check", "read a recipe and tell its mistakes, or what it would train"),
    "plan": ("workflow.cli.plan", "what a recipe takes on a cluster: GPU-hours, money, when it ends, bytes"),
    "corpus": ("workflow.cli.corpus.__main__", "with --dry, what cleaning would remove, before anything is removed"),
    "run": ("workflow.cli.run", "do what is not done yet; the same command goes on after any end"),
    "status": ("slurm.status.__main__", "where every phase stands"),
    "cost": ("workflow.cli.cost", "what was taken up to now, beside what was planned: hours, GPU-hours, energy"),
    "report": ("workflow.cli.report", "what was made, and where"),
    "publish": ("workflow.cli.publish", "upload a finished model with its card, to the hub or an S3 store"),
    "crate": ("workflow.cli.crate", "a finished run as one RO-Crate: results, and how each was made"),
    "explain": ("workflow.cli.explain.__main__", "why a file would be made again, and what that costs"),
    "inspect": ("workflow.cli.inspect", "the documents that stand in a row of training"),
    "schema": ("workflow.cli.schema", "the recipe's JSON Schema, for editors"),
}
"""Name -> (module, what it does), in the order in which a person uses them."""


def usage() -> str:
    """Return the help of `alasin` itself."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: alasin COMMAND ...",
            "",
            "Raw text and a recipe in, evaluated ModernBERT encoders out. In the order of use:",
            "",
            *lines,
            "",
            "alasin COMMAND --help tells more of each.",
        ]
    )


def main() -> None:
    """Run the command that the first argument names, or tell which there are."""
    begin_in_utf8_mode()
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        print(usage())
        return
    run_command(lambda: _run(name, rest))


def _run(name: str, arguments: list[str]) -> None:
    with check_environment():
        if name not in COMMANDS:
            from recipe.checks import suggestion  # it needs packages; whoever has none is told so

            raise UserError(f"alasin has no command {name}{suggestion(name, COMMANDS)}")
        sys.argv = [f"alasin {name}", *arguments]
        import_module(COMMANDS[name][0]).main()
