"""datatrove's way to near duplicates: signatures, buckets, clusters and filter, in its local executor.

`python minhash_with_datatrove.py OUTPUT WORKERS LANGUAGE FOLDER`, with a Python that has datatrove and spacy; FOLDER
holds `.jsonl.zst`. FineWeb2's parameters: 14 buckets of 8 hashes of 64 bits of words 5 at a time; one of a cluster is
kept. LANGUAGE is what datatrove calls one, as `eng`: it decides how text is cut into words.
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

CONFIG = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)


def main(output: str, workers: int, language: str, folder: str) -> None:
    """Remove near duplicates from the files of a folder."""
    tasks = len(list(Path(folder).glob("*.jsonl.zst")))
    reader = JsonlReader(folder, glob_pattern="*.jsonl.zst", compression="zstd")
    steps = [
        (tasks, [reader, MinhashDedupSignature(f"{output}/signatures", CONFIG, language=language)]),
        (CONFIG.num_buckets, [MinhashDedupBuckets(f"{output}/signatures", f"{output}/buckets", config=CONFIG)]),
        (1, [MinhashDedupCluster(f"{output}/buckets", f"{output}/removed", config=CONFIG)]),
        (tasks, [reader, MinhashDedupFilter(f"{output}/removed"), JsonlWriter(f"{output}/kept", compression=None)]),
    ]
    for number, (count, pipeline) in enumerate(steps):
        logs = f"{output}/logs/{number}"
        LocalPipelineExecutor(pipeline=pipeline, tasks=count, workers=workers, logging_dir=logs).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
