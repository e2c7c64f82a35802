"""The manifest of a start, and its weights as a trainer takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from common.errors import UserError
from common.files import read_json
from common.listed import refuse_changed
from model.modernbert import ModernBert

FORMAT = 1
WEIGHTS = "weights.safetensors"


def refuse_damaged(manifest: Path) -> None:
    """Raise `UserError` where a start is of another format, or its weights are not those that it was written with."""
    content: Any = read_json(manifest)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{manifest} is not the manifest of a start of format {FORMAT}; delete it and run again.")
    refuse_changed(manifest.parent, content["weights"], f"delete {manifest} and run again to remake it")


def put_start(model: ModernBert, manifest: Path) -> None:
    """Give an encoder the weights of a start, which `refuse_damaged` has looked at.

    Raises:
        UserError: they are of another shape.
    """
    try:
        model.load_state_dict(load_file(manifest.with_name(WEIGHTS)))
    except RuntimeError:
        raise UserError(
            f"{manifest} is of another shape than the phase; delete it and run again to remake it."
        ) from None
