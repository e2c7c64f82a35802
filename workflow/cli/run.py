"""`alasin run`: Snakemake on a recipe. This process becomes Snakemake, so signals and exit status are its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from common.errors import UserError
from recipe.checks import suggestion
from recipe.reading import read_recipe
from workflow.cli.place import REPOSITORY, lacking

LOGGER = "alasin-terminal"
PLUGIN = REPOSITORY / "workflow" / "cli" / "terminal" / "plugin"
"""Where Snakemake finds that logger."""
_PROFILES = ("--profile", "--workflow-profile")
_HELP = """\
usage: alasin run RECIPE [--profile PROFILE] [--directory DIRECTORY] [OPTION OF SNAKEMAKE ...]

Do what is not done yet for a recipe, in the working directory. After any end, the same command goes on.

  RECIPE                 YAML file; alasin check tells its mistakes
  --profile PROFILE      where it runs: a directory, or one of Alasin's own: {profiles} (default: local)
  --directory DIRECTORY  working directory, to which the recipe's paths are relative (default: here)
  -n                     only tell what would be done
  FILE                   make only this file, such as results/models/first/config.json

All else goes to Snakemake as it stands; snakemake --help tells what there is. With --verbose, or another --logger,
Snakemake speaks in its own words.
"""


def main() -> None:
    """Become Snakemake; raises `UserError` if no recipe is given, or there are mistakes in it."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(_HELP.format(profiles=", ".join(sorted(path.name for path in (REPOSITORY / "profiles").iterdir()))))
        return
    command = snakemake_arguments(arguments)
    if not {"--config", "-C"} & set(arguments):
        read_recipe(Path(arguments[0]))  # Snakemake would tell the same mistakes, with its own frame around them
    check_profiles(command)
    for name in values(command, ("--directory", "-d")):
        make_directory(Path(name))
    program = str(Path(sys.executable).with_name("snakemake"))
    if not Path(program).exists():
        raise lacking("snakemake")
    if not any(word.partition("=")[0] in ("--logger", "--verbose", "--help") for word in command):
        command.insert(0, f"--logger={LOGGER}")
        paths = [str(PLUGIN), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.execvp(program, [program, *command])


def snakemake_arguments(arguments: list[str]) -> list[str]:
    """Return the arguments of snakemake for those of `alasin run`.

    Raises:
        UserError: if the first is no recipe that is there, or another recipe follows.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("say which recipe: alasin run config/mine.yaml; options follow it.")
    recipe, rest = Path(arguments[0]), with_profiles(arguments[1:])
    if recipe.is_dir():
        raise UserError(f"{recipe} is a directory; a recipe is a file, such as {recipe / 'recipe.yaml'}.")
    if not recipe.is_file():
        raise UserError(f"{recipe} does not exist; alasin init writes a recipe to begin from.")
    if any(word.partition("=")[0] in ("--configfile", "--configfiles") for word in rest):
        raise UserError("alasin run takes one recipe, its first argument; leave --configfile out.")
    if "SNAKEMAKE_PROFILE" not in os.environ and not any(word.partition("=")[0] == "--profile" for word in rest):
        rest = ["--profile", str(REPOSITORY / "profiles" / "local"), *rest]
    # --configfile takes all words up to the next option, so that one must follow.
    return ["--configfile", str(recipe.resolve()), "--snakefile", str(REPOSITORY / "Snakefile"), *rest]


def values(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the values that words of a command line give to options that take one."""
    found = [value for option, equals, value in (word.partition("=") for word in words) if equals and option in options]
    return found + [value for option, value in pairwise(words) if option in options]


def check_profiles(words: Sequence[str]) -> None:
    """Raise `UserError` for a profile that Snakemake would not find; it would tell so in a page of its own."""
    for name in values(words, _PROFILES):
        if name == "none" or Path(name).is_file() or Path(name, "profile.yaml").is_file():
            continue
        from snakemake.cli import get_profile_dir  # knows where else profiles are; it takes a second to import

        if get_profile_dir(name) is None:
            own = [path.name for path in (REPOSITORY / "profiles").iterdir()]
            raise UserError(
                f"there is no profile {name}{suggestion(name, own)} Any other is a directory with a profile.yaml."
            )


def make_directory(path: Path) -> None:
    """Make the working directory, as Snakemake would; `UserError` if it is a file, `OSError` if it cannot be made."""
    if path.exists() and not path.is_dir():
        raise UserError(f"--directory {path} is a file; name the directory to work in.")
    path.mkdir(parents=True, exist_ok=True)


def with_profiles(words: list[str]) -> list[str]:
    """Return the words with each profile that is one of Alasin's own spelt out."""
    spelt = list(words)
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in _PROFILES and equals:
            spelt[place] = f"{option}={profile(value)}"
        elif option in _PROFILES and place + 1 < len(words):
            spelt[place + 1] = profile(words[place + 1])
    return spelt


def profile(name: str) -> str:
    """Return the directory of a profile: the one that is there, else Alasin's own of that name, else the name.

    A directory without a profile.yaml is none: the repository has a package called slurm.
    """
    candidates = (Path(name), REPOSITORY / name, REPOSITORY / "profiles" / name)
    return next((str(path) for path in candidates if (path / "profile.yaml").is_file()), name)
