"""What fits as the start of a model: rules of shapes, and of runs that begin with what other runs end with."""

from __future__ import annotations

from recipe.schema import ModelShape, Recipe, ancestry

LARGER = ("layers", "hidden", "heads", "intermediate")
"""What tiling makes larger."""


def other_shape(found: ModelShape, wanted: ModelShape) -> str | None:
    """Return the keys of a model to write into the recipe so that it has the shape that was found, or None if it has.

    Args:
        found: of the weights to begin with.
        wanted: as the recipe has it.
    """
    fields = [field for field in ModelShape.model_fields if getattr(found, field) != getattr(wanted, field)]
    return ", ".join(f"{field}: {getattr(found, field):g}" for field in fields) or None


def tiling_problem(small: ModelShape, large: ModelShape) -> str | None:
    """Return why one shape cannot be tiled into another, as the end of a sentence about the former, or None if it can.

    Heads keep their dimensions: RoPE gives each pair of them a frequency, which must stay that pair's.
    """
    for field in LARGER:
        before, after = getattr(small, field), getattr(large, field)
        if before > after:
            return f"has {field} {before}, more than the {after} here; tiling makes a model larger, never smaller"
    if (before := small.hidden // small.heads) != (after := large.hidden // large.heads):
        return (
            f"has {before} dimensions in a head, and the model here {after}; tiling keeps them, so set heads to hidden "
            f"/ {before}"
        )
    return None


def circle(recipe: Recipe, model: str) -> list[str] | None:
    """Return the models that begin with one another's end, if they lead back to `model`: it first and last.

    Raises:
        KeyError, ValueError: what a run comes from is not in the recipe, or a circle itself.
    """
    chain: list[str] = [model]
    while (start := recipe.models[chain[-1]].start) and start.run is not None:
        begun = recipe.runs[ancestry(recipe, start.run)[0]].model
        if begun is None or begun in chain[1:]:
            return None  # told elsewhere
        chain.append(begun)
        if begun == model:
            return chain
    return None
