"""Raw text to rows of ids.

No stage needs the threads that libraries start when they are imported, one a core for OpenBLAS and one for jemalloc. A
process without them can be forked (`common.workers`).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
