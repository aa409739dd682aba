# SPDX-License-Identifier: BSD-2-Clause
"""CPU time per operation. Every target has a process of its own, which has its library from the start as a
program has that is linked with it; the processes take turns, one slice of a few milliseconds each, so that
a disturbance of the machine meets all of them. A ratio is the median of the ratios of the rounds."""

import statistics
import subprocess
import sys


class Worker:
    """A process that runs operations on one target when told to."""

    def __init__(self, target, threads, layout=0):
        self.target, self.threads, self.layout, self.process = target, threads, layout, None

    def start(self):
        environment = dict(self.target.environment(), BENCH_THREADS=str(self.threads))
        self.process = subprocess.Popen(self.target.command(self.layout), env=environment, text=True,
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


def calibrate(workers, op, size, slice_ms):
    """{worker: number of operations that take a slice}; without the targets that lack the operation."""
    answers = {worker: worker.ask("calibrate", op, size, int(slice_ms * 1e6)) for worker in workers}
    return {worker: answer[0] for worker, answer in answers.items() if answer}


def measure(counts, op, size, rounds):
    """{target name: [CPU ns per operation, of each round]}; None in the place of a round that failed."""
    return measure_together({(op, size): counts}, rounds)[op, size]


def measure_together(counts, rounds):
    """{(op, size): the same}, of {(op, size): counts}: a worker's turn is one slice of each operation."""
    values = {operation: {worker.target.name: [] for worker in of} for operation, of in counts.items()}
    order = list(dict.fromkeys(worker for of in counts.values() for worker in of))
    for turn in range(rounds):
        for worker in order[turn % len(order):] + order[:turn % len(order)]:
            for (op, size), of in counts.items():
                if worker in of:
                    answer = worker.ask("run", op, size, of[worker])
                    values[op, size][worker.target.name].append(answer[1] / answer[0] if answer else None)
    return values


def bundles(operations):
    """The operations, but those together whose ratio to each other is asked for."""
    found = {}
    for op, size in operations:
        found.setdefault(("pair" if op == "fdet" else op, size), []).append((op, size))
    return found.values()


def measure_all(targets, operations, table, rounds, processes, threads, slice_ms, say):
    """Adds the rounds of each of the operations to table[target name][op, size].

    Where a process has its blocks, tables and code in memory is chance, and can make a difference of some
    nanoseconds in each of its rounds: so the rounds are those of several processes, one after the other, each with
    its code elsewhere (layout.c)."""
    counts = {}
    for turn in range(processes):
        workers = [Worker(target, threads, turn) for target in targets]
        try:
            for bundle in bundles(operations):
                say(f"{', '.join(f'{op} {size}' for op, size in bundle)} ({turn + 1} of {processes})")
                together = {}
                for op, size in bundle:
                    if turn == 0:
                        found = calibrate(workers, op, size, slice_ms)
                        counts[op, size] = {worker.target: n for worker, n in found.items()}
                    together[op, size] = of_these = {worker: counts[op, size][worker.target] for worker in workers
                                                     if worker.target in counts[op, size]}
                    for worker, n in of_these.items() if turn > 0 else ():
                        worker.ask("run", op, size, n)  # as the calibration did: caches are warm, and mapped memory is there
                slow = any(op in ("mlarge", "turns", "agrow") or (op == "touch" and size > 1 << 20) for op, size in bundle)
                share = 1 if slow else -(-rounds // processes)
                for operation, names in measure_together(together, share).items():
                    for name, got in names.items():
                        table.setdefault(name, {}).setdefault(operation, []).extend(got)
        finally:
            for worker in workers:
                worker.stop()
    for measured in table.values():
        for key in [key for key, values in measured.items() if all(value is None for value in values)]:
            del measured[key]


def median(values):
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def median_ratio(ours, other):
    """The median of the ratios round by round."""
    pairs = [(a, b) for a, b in zip(ours, other) if a is not None and b]
    return statistics.median(a / b for a, b in pairs) if pairs else None
