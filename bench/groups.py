# SPDX-License-Identifier: BSD-2-Clause
"""What is measured, and what is aimed at."""

KIB, MIB = 1024, 1 << 20
STATIC, DYNAMIC, DEFAULT = ("regular", "hbw"), ("pmem", "fixed"), ("default",)
EVERY = DEFAULT + STATIC + DYNAMIC

SMALL = (16, 64, 256, 1024, 4096)

# Operations of one thread: see kernels.h.
QUICK = ([("pair", size) for size in SMALL + (16 * KIB, 64 * KIB)] + [("fdet", size) for size in (64, 1024, 16 * KIB)]
         + [("lifo", 64), ("lifo", 256)])
SINGLE = ([("pair", size) for size in SMALL + (16 * KIB, 64 * KIB, MIB)]
          + [("fdet", size) for size in SMALL + (16 * KIB, 64 * KIB, MIB)]
          + [(op, size) for op in ("lifo", "fifo", "rand") for size in (64, 256, 1024)]
          + [("mixed", size) for size in (64, 256, 1024, 64 * KIB)]
          + [("mlifo", size) for size in (64, 256, 1024)] + [("build", 64), ("build", 1024)]
          + [("rgrow", size) for size in (KIB, 64 * KIB, MIB)] + [("rgaps", size) for size in (64 * KIB, MIB)]
          + [(op, size) for op in ("usable", "det", "unull") for size in (64, 64 * KIB)])
COUNTED = ([("pair", size) for size in SMALL + (16 * KIB, 64 * KIB)] + [("fdet", size) for size in SMALL + (16 * KIB,)]
           + [(op, size) for op in ("lifo", "fifo", "rand") for size in (64, 256)]
           + [("mixed", size) for size in (64, 256, 1024)] + [("mlifo", 256), ("build", 64), ("rgrow", 1024)]
           + [("usable", 64), ("det", 64), ("unull", 64)])
LARGE = [("touch", size * MIB) for size in (1, 4, 16, 64)]
# Arrays, for --arrays.
ARRAYS = ([("pair", size) for size in (128 * KIB, MIB, 8 * MIB)] + [("rgrow", 64 * KIB), ("rgrow", MIB)]
          + [("touch", 16 * MIB), ("touch", 64 * MIB), ("turns", 128 * MIB), ("agrow", 1024 * MIB)])
# Operations of several threads (threads.h), and workloads that others are used to.
THREADED = [("pairs", 64), ("pairs", 1024), ("larson", 512), ("prodcons", 64), ("prodcons", 1024)]
PUBLISHED = [("larson", 512), ("cachescratch", 8), ("xmalloc", 256), ("mstress", 4096), ("rptest", 1000),
             ("simple", 64), ("simple", 1024), ("mlarge", 25 * MIB)]
BRIEF = [("brief", 64)]
LIVE = [10 ** power for power in range(3, 8)]
# The largest size of blocks in bytes, and the number of them that each thread takes from a full kind.
EVICTED = ((4096, 400_000), (64 * KIB, 200_000))
EVICTING = (1, 2, 4)
MANY_KINDS = (1, 10, 50, 100, 200, 400)

# Label, operations, kinds, ratio in CPU time, ratio in instructions; against the original's same kind.
PAIRS = [("pair", size) for size in SMALL]
FDETS = [("fdet", size) for size in SMALL]
BATCHES = [(op, size) for op in ("lifo", "fifo", "rand") for size in (64, 256)]
MIXED = [("mixed", size) for size in (64, 256, 1024)]
TARGETS = [
    ("malloc and free, 16 B to 4 KiB, static kinds", PAIRS, STATIC, 0.25, 0.16),
    ("the same, pmem and fixed", PAIRS, DYNAMIC, 0.10, 0.035),
    ("the same, DEFAULT", PAIRS, DEFAULT, 0.70, 0.50),
    ("malloc and free, 16 KiB and 64 KiB, all kinds", [("pair", 16 * KIB), ("pair", 64 * KIB)], EVERY, 0.06, 0.05),
    ("malloc and free(NULL), static kinds", FDETS, STATIC, 0.20, 0.13),
    ("the same, pmem and fixed", FDETS, DYNAMIC, 0.06, 0.03),
    ("the same, DEFAULT", FDETS, DEFAULT, 0.45, 0.30),
    ("detect_kind", [("det", 64)], EVERY, 0.40, 0.30),
    ("malloc_usable_size", [("usable", 64)], EVERY, 0.60, 0.50),
    ("1000 live blocks: LIFO, FIFO, random; static kinds", BATCHES, STATIC, 0.25, 0.16),
    ("the same, pmem and fixed", BATCHES, DYNAMIC, 0.18, 0.12),
    ("the same, DEFAULT", BATCHES, DEFAULT, 0.45, 0.35),
    ("mixed sizes, static kinds", MIXED, STATIC, 0.32, 0.20),
    ("the same, pmem and fixed", MIXED, DYNAMIC, 0.16, 0.12),
    ("the same, DEFAULT", MIXED, DEFAULT, 0.60, 0.55),
    ("larson, 2 threads, static kinds", [("larson", 512)], STATIC, 0.40, None),
    ("the same, pmem and fixed", [("larson", 512)], DYNAMIC, 0.10, None),
    ("realloc growth to 1 KiB, static kinds", [("rgrow", KIB)], STATIC, 0.50, None),
    ("the same, pmem and fixed", [("rgrow", KIB)], DYNAMIC, 0.10, None),
    # The original's fixed kind does not give large blocks back, and is fast.
    ("malloc, touch, free of 16 and 64 MiB, all kinds but fixed", LARGE[2:], DEFAULT + STATIC + ("pmem",), 0.05, None),
    ("short-lived threads", BRIEF, EVERY, 1.0, None),
]
