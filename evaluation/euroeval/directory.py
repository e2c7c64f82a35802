"""A model's directory as EuroEval gets it: its own to write into, and such that transformers 4 reads it.

What transformers 5 wrote is told in the older way too: the class of the tokenizer, the two RoPE thetas and the distance
of layers with global attention. The weights are a link. EuroEval keeps its checkpoints in a model's directory, so each
measurement has a copy.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from common.errors import UserError
from common.files import read_json, write_json
from evaluation.hub import needing_the_hub
from model.export import WEIGHTS, load_encoder
from model.modernbert import ModernBert

READ = ["*.json", "*.txt", "*.model", "*.safetensors"]
"""Of a model: settings, vocabulary and weights. No code, and no weights that are pickled."""
OLD_TOKENIZER = {"TokenizersBackend": "PreTrainedTokenizerFast"}
"""Class as transformers 5 calls it -> class of transformers 4."""


def prepare(model: str, folder: Path, untrained: bool = False, seed: int = 0) -> None:
    """Make `folder` the directory of a model.

    Args:
        model: config.json of a directory as transformers keeps a model, or a name on the hub.
        folder: absent, or empty.
        untrained: with random weights of the same shape by `seed`; only for models that `model.export` wrote.
        seed: of those weights.

    Raises:
        HubAbsentError: it is on the hub, which is out of reach.
        UserError: it is absent, or has no weights as safetensors, or no transformers 4 can read it.
    """
    source = Path(model).parent if Path(model).name == "config.json" else _fetched(model)
    found = sorted({path for pattern in READ for path in source.glob(pattern)})
    if not any(path.suffix == ".safetensors" for path in found):
        raise UserError(f"{source} has no weights as safetensors, which alone are read; export or convert the model.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in found:
        if path.suffix != ".safetensors":
            shutil.copyfile(path, folder / path.name)
        elif not untrained:
            (folder / path.name).symlink_to(path.resolve())
    if untrained:
        encoder = ModernBert(load_encoder(source / "config.json").shape, seed)
        save_file(encoder.state_dict(), folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / "config.json", readable_config(read_json(source / "config.json"), str(source)))
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        content = read_json(settings)
        kind = content.get("tokenizer_class")
        write_json(settings, content | {"tokenizer_class": OLD_TOKENIZER.get(kind, kind)} if kind else content)


def readable_config(config: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a model's configuration with all that transformers 4 needs to read a ModernBERT as transformers 5 does.

    Raises:
        UserError: layers with global attention do not stand at equal distances from the first one on.
    """
    if config.get("model_type") != "modernbert":
        return config
    told: dict[str, Any] = {}
    for kind, name in (("full_attention", "global_rope_theta"), ("sliding_attention", "local_rope_theta")):
        if theta := (config.get("rope_parameters") or {}).get(kind, {}).get("rope_theta"):
            told[name] = theta
    if layers := config.get("layer_types"):
        everywhere = [place for place, kind in enumerate(layers) if kind == "full_attention"]
        every = everywhere[1] if len(everywhere) > 1 else len(layers)
        if everywhere != list(range(0, len(layers), every)):
            raise UserError(
                f"{where}: its layers with global attention, {everywhere}, do not stand at equal distances, which "
                "transformers 4, and so EuroEval, cannot read; leave this encoder out of evaluation.euroeval."
            )
        told["global_attn_every_n_layers"] = every
    return {**config, **told}


def _fetched(model: str) -> Path:
    from huggingface_hub import snapshot_download

    with needing_the_hub(f"the model {model}"):
        return Path(snapshot_download(model, allow_patterns=READ))
