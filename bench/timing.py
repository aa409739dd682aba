# SPDX-License-Identifier: BSD-2-Clause
"""CPU time per operation. Every target has a process of its own, which has its library from the start as a
program has that is linked with it; the processes take turns, one slice of a few milliseconds each, so that
a disturbance of the machine meets all of them. A ratio is the median of the ratios of the rounds."""

import statistics
import subprocess
import sys


class Worker:
    """A process that runs operations on one target when told to."""

    def __init__(self, target, threads):
        self.target, self.threads, self.process = target, threads, None

    def start(self):
        self.process = subprocess.Popen(
            self.target.command(), env=dict(self.target.environment(), BENCH_THREADS=str(self.threads)), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.process.stdout.readline().strip() != "ready":
            raise OSError(self.process.stderr.read().strip() or "it ended")

    def ask(self, *words):
        """The numbers of the answer; None if the target has no such operation or the process died."""
        try:
            if self.process is None:
                self.start()
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
            if not answer:
                raise OSError(self.process.stderr.read().strip() or f"status {self.process.wait()}")
        except OSError as error:
            print(f"{self.target.name}, {' '.join(map(str, words))}: {error}", file=sys.stderr)
            self.stop()
            return None
        return [int(word) for word in answer[1:]] or None

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def measure(workers, op, size, rounds, slice_ms=3.0, fixed_n=None):
    """{target name: [CPU ns per operation, of each round]}; None in the place of a round that failed."""
    counts = {}
    for worker in workers:
        n = [fixed_n] if fixed_n else worker.ask("calibrate", op, size, int(slice_ms * 1e6))
        if n:
            counts[worker] = n[0]
    values = {worker.target.name: [] for worker in counts}
    order = list(counts)
    for turn in range(rounds):
        for worker in order[turn % len(order):] + order[:turn % len(order)]:
            answer = worker.ask("run", op, size, counts[worker])
            values[worker.target.name].append(answer[1] / answer[0] if answer else None)
    return {name: got for name, got in values.items() if any(value is not None for value in got)}


def median(values):
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def median_ratio(ours, other):
    """The median of the ratios round by round."""
    pairs = [(a, b) for a, b in zip(ours, other) if a is not None and b]
    return statistics.median(a / b for a, b in pairs) if pairs else None
