"""Where an encoder that is measured lies: a directory as transformers keeps a model, ours or another, or the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from common.errors import UserError
from evaluation.hub import needing_the_hub


def located(model: str) -> tuple[str, AbstractContextManager[None]]:
    """Return what transformers is given to load a model, and a context that tells its errors in a sentence.

    Args:
        model: config.json of a directory, or a name on the hub.

    Raises:
        UserError: it is a path, and nothing is there.
    """
    path = Path(model)
    if path.name != "config.json":
        return model, needing_the_hub(f"the model {model}")
    if not path.is_file():
        raise UserError(f"{path} does not exist; export the model with python -m model.export, or mend the path.")
    return str(path.parent), _loading(path.parent)


@contextmanager
def _loading(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{directory} holds no model that loads ({reason}); export it again, or fetch its weights as safetensors."
        ) from None
