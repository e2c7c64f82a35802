"""The parser of `alasin`'s commands: argparse that says which option a mistyped one was meant to be."""

from __future__ import annotations

import argparse
from typing import NoReturn

from recipe.checks import suggestion

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """`prog` is what a person types, `alasin report`."""

    def error(self, message: str) -> NoReturn:
        """Tell usage and mistake, and end with status 2."""
        word = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0]
        if message.startswith(_UNKNOWN) and word.startswith("-"):
            options = [option for option in self._option_string_actions if option.startswith("--")]
            message = f"there is no option {word}{suggestion(word, options)}"
        super().error(message)
