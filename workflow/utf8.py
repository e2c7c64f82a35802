"""Python's UTF-8 mode, whatever the locale: a recipe, its text and its paths are UTF-8 on every machine."""

from __future__ import annotations

import locale
import os
import sys


def begin_in_utf8_mode() -> None:
    """Begin the running command anew in UTF-8 mode where the locale is of another encoding; else do nothing.

    Whatever it starts is in that mode too.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower().replace("-", "") == "utf8":
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})
