"""datatrove's way to ids: `JsonlReader` and `DocumentTokenizer` in its local executor, a task a file, no shuffling.

`python with_datatrove.py TOKENIZER OUTPUT WORKERS FOLDER`, with a Python that has datatrove; FOLDER holds `.jsonl.zst`.
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer


def main(tokenizer: str, output: str, workers: int, folder: str) -> None:
    """Tokenize the files of a folder."""
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(folder, glob_pattern="*.jsonl.zst", compression="zstd"),
            DocumentTokenizer(f"{output}/ids", tokenizer, eos_token="[SEP]", shuffle_documents=False),
        ],
        tasks=len(list(Path(folder).glob("*.jsonl.zst"))),
        workers=workers,
        logging_dir=f"{output}/logs",
    ).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
