"""A checkpoint as a model directory that transformers loads: its weights alone, without torch.

On the hub it is a revision, `step-00001200`, as those of Pythia and OLMo are: `from_pretrained(name, revision=...)`
loads it, and whoever fetches the repository gets the model that training ended with and no more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from common.errors import UserError
from common.files import atomic_file, read_json, write_json
from model.history.position import Position
from model.history.store import damage, load_state, shards_of
from recipe.publish import Publish
from recipe.slices.types import PhaseSlice
from workflow.publish.parts import CARD, CONFIG, NAMES, TOKENIZER, WEIGHT, WEIGHTS, File, Kept, Part
from workflow.report.card_metadata import as_yaml, licence


def checkpoint_part(kept: Kept, model: Path, run: str, place: str, publish: Publish, staged: Path) -> Part:
    """Return a checkpoint as files in `staged`; the same checkpoint gives the same bytes.

    Args:
        kept: the checkpoint.
        model: directory of the run's model, whose configuration and tokenizer it has.
        run: its name.
        place: where the model itself is published.
        publish: its licence.
        staged: folder for the files.

    Raises:
        UserError: the checkpoint is damaged.
    """
    if problem := damage(kept.directory):
        raise UserError(f"{problem}. Leave {kept.name} out of --checkpoints.")
    state = load_state(kept.directory)
    position = Position.read(state["position"])
    stage = PhaseSlice.model_validate(state["slice"]).stages[position.stage]
    staged.mkdir(parents=True, exist_ok=True)
    with atomic_file(staged / WEIGHTS) as stream:
        stream.write(save(_weights(kept.directory), metadata={"format": "pt"}))
    for name in TOKENIZER[:-1]:
        (staged / name).write_bytes((model / name).read_bytes())
    write_json(staged / TOKENIZER[-1], read_json(model / TOKENIZER[-1]) | {"model_max_length": stage.length})
    config = read_json(model / CONFIG)
    ropes = config.get("rope_parameters", {})
    whole = ropes.get("full_attention", {}) | {"rope_theta": stage.rope_theta}
    config |= {"max_position_embeddings": stage.length, "global_rope_theta": stage.rope_theta}
    write_json(staged / CONFIG, config | {"rope_parameters": ropes | {"full_attention": whole}})
    with atomic_file(staged / CARD, "w") as stream:
        stream.write(_card(run, kept, position, stage.length, place, publish))
    return Part(kept.name, [File(name, staged / name) for name in NAMES])


def _weights(directory: Path) -> dict[str, np.ndarray]:
    weights = {}
    for shard in shards_of(directory):
        with safe_open(shard, "numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no mapping)
                if name.startswith(WEIGHT):
                    weights[name.removeprefix(WEIGHT)] = tensors.get_tensor(name)
    return weights


def _card(run: str, kept: Kept, position: Position, length: int, place: str, publish: Publish) -> str:
    metadata = {**licence(publish), "library_name": "transformers", "pipeline_tag": "fill-mask"}
    return (
        f"---\n{as_yaml(metadata)}---\n\n# {run}, step {position.step:,}\n\n"
        f"A checkpoint of `{place}`, from the middle of its training: phase {kept.phase}, step {position.step:,}, "
        f"{position.slots:,} slots, rows of {length:,} tokens. The model that training ended with has the card that "
        "tells what it was trained on, how good it is and what it may be used for; none of its numbers are of this "
        "checkpoint.\n"
    )
