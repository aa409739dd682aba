# SPDX-License-Identifier: BSD-2-Clause
"""Holds what a test machine printed against what memkind(3) lets one expect there.

compare.py plan EXPECTATIONS            prints the words that guest.sh takes
compare.py check NAME EXPECTATIONS LOG  prints PASS, FAIL and SKIP lines

An expectation file says, section by section, from which nodes a kind takes memory:

    kinds                               as the machine is
    with VARIABLE=VALUE                 with a variable set (further ones after spaces)
      KIND...: ANSWER                   a kind may end in *; the first line that fits counts
    tool PROGRAM [VARIABLE=VALUE] [ARGUMENT]: OUTPUT   what a tool prints, and status N
    match PROGRAM ...: EXPRESSION       a line that a tool prints among others
    run PROGRAM...                      test programs that judge for themselves

    ANSWER   NODES                      from a CPU of any node
             @                          the node of the CPU
             0 -> 2, 1 -> 3             from a CPU of node 0 nodes 2, and so on
             none                       available, but there is nothing to allocate from
             CODE                       not available, for this reason

What follows from the nodes is the same on every machine and stands below.
"""

import re
import sys

# memkind(3), KINDS: the policy of a kind's mappings and its page size in KiB; 4 stands for the pages of the processor.
NONE, BIND, PREFERRED, INTERLEAVE = "default", "bind", "preferred", "interleave"
KINDS = {
    "DEFAULT": (NONE, 4),
    "REGULAR": (BIND, 4),
    "INTERLEAVE": (INTERLEAVE, 4),
    "HUGETLB": (NONE, 2048),
    "HBW": (BIND, 4),
    "HBW_ALL": (BIND, 4),
    "HBW_PREFERRED": (PREFERRED, 4),
    "HBW_INTERLEAVE": (INTERLEAVE, 4),
    "HBW_HUGETLB": (BIND, 2048),
    "HBW_ALL_HUGETLB": (BIND, 2048),
    "HBW_PREFERRED_HUGETLB": (PREFERRED, 2048),
    "DAX_KMEM": (BIND, 4),
    "DAX_KMEM_ALL": (BIND, 4),
    "DAX_KMEM_PREFERRED": (PREFERRED, 4),
    "DAX_KMEM_INTERLEAVE": (INTERLEAVE, 4),
    "HIGHEST_CAPACITY": (BIND, 4),
    "HIGHEST_CAPACITY_PREFERRED": (PREFERRED, 4),
    "HIGHEST_CAPACITY_LOCAL": (BIND, 4),
    "HIGHEST_CAPACITY_LOCAL_PREFERRED": (PREFERRED, 4),
    "LOWEST_LATENCY_LOCAL": (BIND, 4),
    "LOWEST_LATENCY_LOCAL_PREFERRED": (PREFERRED, 4),
    "HIGHEST_BANDWIDTH_LOCAL": (BIND, 4),
    "HIGHEST_BANDWIDTH_LOCAL_PREFERRED": (PREFERRED, 4),
}
# "with transparent huge pages disabled": so the pages alternate exactly.
NO_THP = {"INTERLEAVE", "HBW_INTERLEAVE"}
# The first kernel that has what a variable asks for.
SINCE = {"MEMKIND_INTERLEAVE=weighted": "6.9"}


def nodes_of(text):
    nodes = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        nodes.update(range(int(first), int(last or first) + 1))
    return nodes


def text_of(nodes):
    return ",".join(str(node) for node in sorted(nodes)) or "-"


class Expectations:
    def __init__(self, path):
        self.sections = {}  # "" or "VARIABLE=VALUE ..." -> [(kinds, answer)]
        self.tools = []  # (tool or match, words, output)
        self.programs = []
        section = None
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.split(" #")[0].rstrip() if not line.startswith("#") else ""
                if not line:
                    continue
                word, _, rest = line.partition(" ")
                if word == "kinds":
                    section = self.sections.setdefault("", [])
                elif word == "with":
                    section = self.sections.setdefault(rest, [])
                elif word in ("tool", "match"):
                    words, _, output = rest.partition(":")
                    self.tools.append((word, words, output.strip()))
                elif word == "run":
                    self.programs += rest.split()
                elif line.startswith(" ") and section is not None:
                    kinds, _, answer = line.strip().partition(":")
                    section.append((kinds.split(), answer.strip()))
                else:
                    sys.exit(f"{path}:{number}: not understood: {line}")

    def plan(self):
        for variables, answers in self.sections.items():
            if variables:
                kinds = [kind for kind in KINDS if answer_for(answers, kind) is not None]
                yield "with " + variables + " : " + " ".join(kinds)
            else:
                yield "kinds"
        # A tool is run once for all that is said about it.
        for line in dict.fromkeys(f"{word} {words}" for word, words, _ in self.tools):
            yield line
        for program in self.programs:
            yield "run " + program


def answer_for(answers, kind):
    for patterns, answer in answers:
        for pattern in patterns:
            if kind == pattern or pattern.endswith("*") and kind.startswith(pattern[:-1]):
                return answer
    return None


class Machine:
    """The facts that `kinds` prints before its tables."""

    def __init__(self, lines):
        self.kib, self.distances, self.cpus, self.huge_pages, self.base_page = {}, {}, set(), 0, 4
        for line in lines:
            if found := re.match(r"node (\d+) cpus=(\S+) kib=(\d+) distances=(\S*)", line):
                node = int(found[1])
                self.kib[node] = int(found[3])
                pairs = (pair.split(":") for pair in found[4].split(","))
                self.distances[node] = {int(other): int(value) for other, value in pairs}
                if found[2] != "-":
                    self.cpus.add(node)
            elif found := re.match(r"huge pages (\d+)", line):
                self.huge_pages = int(found[1])
            elif found := re.match(r"base pages (\d+)", line):
                self.base_page = int(found[1])

    def nearest(self, cpu_node, nodes):
        with_memory = [node for node in nodes if self.kib.get(node)]
        shortest = min((self.distances[cpu_node][node] for node in with_memory), default=None)
        return {node for node in with_memory if self.distances[cpu_node][node] == shortest}


def check_row(machine, cpu_node, kind, answer, fields, variables):
    """Differences between an answer and the row of a table, as texts."""
    mode, page = KINDS[kind]
    if "->" in answer:
        cases = dict(re.split(r"\s*->\s*", case.strip()) for case in re.split(r",\s*(?=\d+\s*->)", answer))
        if str(cpu_node) not in cases:
            return [f"nothing is expected from a CPU of node {cpu_node}: {answer}"]
        answer = cases[str(cpu_node)]
    wrong = []

    def expect(what, expected, got):
        if expected != got:
            wrong.append(f"{what} {got} instead of {expected}")

    available, capacity, rest = fields[0], int(fields[1]), fields[2:]
    if answer[0].isupper():
        expect("check_available", answer, available)
        expect("capacity", 0 if kind == "HUGETLB" else -1, capacity)
        expect("malloc", "NULL:ENOMEM", rest[0])
        return wrong
    expect("check_available", "ok", available)
    nodes = set() if answer == "none" else {cpu_node} if answer == "@" else nodes_of(answer)
    total = sum(machine.kib.get(node, 0) for node in nodes) * 1024
    if kind == "HUGETLB":
        total = machine.huge_pages * (2 << 20)
    expect("capacity", -1 if mode == PREFERRED or page != 4 and mode != NONE else total, capacity)
    if answer == "none" and mode != PREFERRED:
        expect("malloc", "NULL:ENOMEM", rest[0])
        return wrong
    if len(rest) < 5:
        return wrong + ["malloc " + " ".join(rest)]
    if answer == "none":
        # Nothing to prefer: the memory falls back to what is nearest.
        nodes, mode = machine.nearest(cpu_node, machine.kib), rest[0]
        rest[1] = text_of(nodes)
    shown = mode
    if mode == PREFERRED and len(nodes) > 1:
        shown = "preferred-many"
    if mode == INTERLEAVE and "MEMKIND_INTERLEAVE=weighted" in variables:
        shown = "weighted"
    expect("policy", shown, rest[0])
    expect("nodes of the policy", "-" if mode == NONE else text_of(nodes), rest[1] if rest[1] == "-" else text_of(nodes_of(rest[1])))
    expect("page size", f"{machine.base_page if page == 4 else page}K", rest[2])
    on = {}
    for part in rest[3].split(","):
        where, _, count = part.partition(":")
        on[int(where) if where.isdigit() else where] = int(count)
    if mode == INTERLEAVE:
        expect("nodes of the pages", text_of(nodes), text_of(on) if "absent" not in on else rest[3])
        if kind in NO_THP and max(on.values()) - min(on.values()) > 2:
            wrong.append(f"pages {rest[3]} do not alternate")
    else:
        near = machine.nearest(cpu_node, nodes)
        if not set(on) <= near:
            wrong.append(f"pages on {rest[3]} instead of {text_of(near)}")
    expect("before it was touched,", "resident:0", rest[4])
    wrong += rest[5:]
    return wrong


def sections_of(path):
    """The log's parts: a line '=== WORDS' begins each."""
    parts, name = {}, None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("=== "):
                name = line[4:]
                parts[name] = []
            elif name is not None:
                parts[name].append(line)
    return parts


def check_tables(label, answers, lines, variables):
    machine = Machine(lines)
    tables, current = {}, None
    for line in lines:
        if line.startswith("table "):
            current = tables.setdefault(int(line[6:]), {})
        elif current is not None and (fields := line.split()) and fields[0] in KINDS:
            current[fields[0]] = fields[1:]
    if "end" not in lines or not tables:
        print(f"FAIL {label}: the tables are not complete")
        return
    if set(tables) != machine.cpus:
        print(f"FAIL {label}: tables for nodes {text_of(tables)}, CPUs in {text_of(machine.cpus)}")
    for cpu_node, rows in tables.items():
        wrong = []
        for kind in KINDS:
            answer = answer_for(answers, kind)
            if answer is None:
                continue
            if kind not in rows or len(rows[kind]) < 3:
                wrong.append(f"{kind}: no answer")
                continue
            wrong += [f"{kind}: {text}" for text in check_row(machine, cpu_node, kind, answer, rows[kind], variables)]
        name = f"{label} from a CPU of node {cpu_node}"
        if wrong:
            print(f"FAIL {name}: {len(wrong)} differences")
            for text in wrong:
                print("    " + text)
        else:
            print(f"PASS {name}")


def lacking(parts, words):
    """Why the machine's kernel cannot do what a variable among words asks for; None if it can."""
    kernel = next((part[7:] for part in parts if part.startswith("kernel ")), "")

    def number(version):
        return [int(digits) for digits in re.findall(r"\d+", version)[:2]]

    for word in words.split():
        if kernel and word in SINCE and number(kernel) < number(SINCE[word]):
            return f"takes Linux {SINCE[word]}, this is {kernel}"
    return None


def check(name, path, log):
    expectations, parts = Expectations(path), sections_of(log)
    for variables, answers in expectations.sections.items():
        label = f"{name}: kinds" + (f" with {variables}" if variables else "")
        if reason := lacking(parts, variables):
            print(f"SKIP {label}: {reason}")
            continue
        key = f"with {variables}" if variables else "kinds"
        check_tables(label, answers, parts.get(key, []), variables)
    for word, words, output in expectations.tools:
        if reason := lacking(parts, words):
            print(f"SKIP {name}: {words}: {reason}")
            continue
        lines = [line for line in parts.get(f"{word} {words}", ["did not run"]) if line]
        got = "; ".join(lines)
        if got == "no such program":
            print(f"SKIP {name}: {words}: the library tested has no such program")
        elif got == output or word == "match" and any(re.search(output, line) for line in lines):
            words += f" shows {output}" if word == "match" else ""
            print(f"PASS {name}: {words}")
        else:
            print(f"FAIL {name}: {words}: '{got}' instead of '{output}'")
    for program in expectations.programs:
        lines = parts.get("run " + program, [])
        results = [line for line in lines if re.match("(PASS|FAIL|SKIP) ", line)]
        ended = [line for line in lines if line.startswith("status ")]
        for line in lines:
            if found := re.match("(PASS|FAIL|SKIP) (.*)", line):
                print(f"{found[1]} {name}: {found[2]}")
            elif line.startswith("    "):
                print(line)
        failed = any(line.startswith("FAIL") for line in results)
        if not results or ended not in (["status 0"], ["status 1"]) or (ended == ["status 1"]) != failed:
            print(f"FAIL {name}: {program}: ended early ({' '.join(ended) or 'no end'})")


if __name__ == "__main__":
    if sys.argv[1] == "plan":
        print("\n".join(Expectations(sys.argv[2]).plan()))
    else:
        check(*sys.argv[2:])
