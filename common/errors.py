"""Errors that a person can mend, and how a command ends with one."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""The system's numbers for a full disk."""


class UserError(Exception):
    """Something a person can mend. Its text says what is wrong, where, and what to do next."""


def run_command(main: Callable[[], None], lasting_status: int = 1) -> None:
    """Run a stage's `main`; a `UserError` or an `OSError` becomes one sentence and exit status 1, Ctrl-C 130.

    `lasting_status` is the status, instead of 1, of errors that stay until a person has acted: `UserError`, and a full
    disk. Every other exception is a bug and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(lasting_status)
    except KeyboardInterrupt:
        print("stopped before the end; run the same command again.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        full = error.errno in NO_SPACE
        hint = " Free some space there and run the same command again." if full else ""
        print(f"error: {error.strerror or error}{where}.{hint}", file=sys.stderr)
        sys.exit(lasting_status if full else 1)
