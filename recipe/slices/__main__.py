"""One slice of a recipe as a file: `python -m recipe.slices --recipe config/demo.yaml --source ... --output ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.errors import UserError, run_command
from common.files import atomic_file
from recipe.reading import read_recipe
from recipe.schema import adopted_tokenizers
from recipe.slices.files import to_json
from recipe.slices.making import (
    adopted_tokenizer_slice,
    evaluation_slice,
    held_out_rows_slice,
    phase_slice,
    sample_slice,
    source_slice,
    start_slice,
    tokenizer_slice,
    train_rows_slice,
)
from recipe.types import Strict


def main() -> None:
    """Write one slice of a recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipe.slices",
        description="Write what a recipe says of one source, tokenizer, phase, evaluation or rows: a stage's --slice.",
    )
    parser.add_argument("--recipe", type=Path, required=True, help="YAML file of the recipe")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--source", help="name of a source")
    wanted.add_argument("--tokenizer", help="name of a tokenizer")
    wanted.add_argument("--sample", metavar="TOKENIZER", help="the text whose words a tokenizer is trained on")
    wanted.add_argument("--start", metavar="MODEL", help="the weights that a model begins with")
    wanted.add_argument("--phase", nargs=2, metavar=("RUN", "PHASE"), help="names of a run and of one of its phases")
    wanted.add_argument("--evaluation", metavar="RUN", help="name of a run")
    wanted.add_argument("--rows", nargs=2, metavar=("RUN", "PHASE"), help="the rows that a phase trains on")
    wanted.add_argument("--held-out-rows", metavar="RUN", help="the rows that a run is measured on")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe)
    try:
        if options.source:
            content: Strict = source_slice(recipe, options.source)
        elif options.tokenizer:
            make = adopted_tokenizer_slice if options.tokenizer in adopted_tokenizers(recipe) else tokenizer_slice
            content = make(recipe, options.tokenizer)
        elif options.sample:
            content = sample_slice(tokenizer_slice(recipe, options.sample))
        elif options.start:
            content = start_slice(recipe, options.start)
        elif options.phase:
            content = phase_slice(recipe, *options.phase)
        elif options.evaluation:
            content = evaluation_slice(recipe, options.evaluation)
        elif options.rows:
            content = train_rows_slice(phase_slice(recipe, *options.rows))
        else:
            content = held_out_rows_slice(evaluation_slice(recipe, options.held_out_rows))
    except KeyError as error:
        raise UserError(f"{options.recipe}: there is no {error.args[0]} to make a slice of; mend the name.") from None
    with atomic_file(options.output, "w") as stream:
        stream.write(to_json(content))
    print(f"{options.output}: {type(content).__name__}")


if __name__ == "__main__":
    run_command(main)
