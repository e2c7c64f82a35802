"""The way of Hugging Face's examples: `datasets.map` with a fast tokenizer, then `group_texts`, rows in Arrow files.

`python with_datasets.py TOKENIZER OUTPUT WORKERS FOLDER`, with a Python that has datasets, tokenizers and zstandard;
FOLDER holds `.jsonl.zst`. Texts of a batch of a thousand are joined and cut every 1,024 tokens; what is left over at
its end is dropped.
"""

import sys
from itertools import chain
from pathlib import Path
from typing import Any

from datasets import load_dataset
from tokenizers import Tokenizer

LENGTH = 1024


def main(tokenizer: str, output: str, workers: int, folder: str) -> None:
    """Turn the files of a folder into rows."""
    encoder = Tokenizer.from_file(tokenizer)

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        return {"input_ids": [encoding.ids for encoding in encoder.encode_batch(batch["text"])]}

    def group(batch: dict[str, Any]) -> dict[str, Any]:
        ids = list(chain.from_iterable(batch["input_ids"]))
        whole = len(ids) // LENGTH * LENGTH
        return {"input_ids": [ids[start : start + LENGTH] for start in range(0, whole, LENGTH)]}

    files = sorted(str(path) for path in Path(folder).glob("*.jsonl.zst"))
    texts = load_dataset("json", data_files=files, split="train", cache_dir=f"{output}/cache")
    ids = texts.map(encode, batched=True, num_proc=workers, remove_columns=texts.column_names)
    ids.map(group, batched=True, num_proc=workers).save_to_disk(f"{output}/rows")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
