#!/usr/bin/env python3
"""Writes ../vectors/<operator>/<topic>.json; with --check, fails if a file there is not what would be written.

Needs nothing but Python 3.10. One case per line: a case changes one line of a diff.
"""

import json
import sys
from pathlib import Path

import cases_dense
import cases_elementwise
import cases_i16
import cases_move
import cases_networks
import cases_norm
import cases_recurrent
import cases_reduce
import cases_selection
import cases_window

# Every small case would not fit the smallest machine's flash: this many per operator, evenly spread, are marked.
SMALL_PER_OPERATOR = 3

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
MODULES = (
    cases_window,
    cases_reduce,
    cases_elementwise,
    cases_move,
    cases_dense,
    cases_i16,
    cases_selection,
    cases_norm,
    cases_recurrent,
    cases_networks,
)


def choose_small(cases):
    """Keeps the mark `small` on every n-th of the marked cases."""
    fitting = [case for case in cases if case["small"]]
    chosen = {i * len(fitting) // SMALL_PER_OPERATOR for i in range(SMALL_PER_OPERATOR)}
    for i, case in enumerate(fitting):
        case["small"] = i in chosen


def files():
    """{relative path: text} of every vector file."""
    topics = {}
    for module in MODULES:
        for op, generator in module.CASES.items():
            cases = list(generator())
            names = [case["name"] for _, case in cases]
            assert len(set(names)) == len(names), f"{op}: two cases have one name"
            choose_small([case for _, case in cases])
            for topic, case in cases:
                topics.setdefault(f"{op}/{topic}.json", []).append(json.dumps(case, separators=(",", ":")))
    return {path: '{"cases":[\n' + ",\n".join(lines) + "\n]}\n" for path, lines in topics.items()}


def main():
    wanted = files()
    present = {str(p.relative_to(VECTORS)): p.read_text() for p in VECTORS.glob("*/*.json")}
    if sys.argv[1:] == ["--check"]:
        wrong = sorted(p for p in wanted.keys() | present.keys() if wanted.get(p) != present.get(p))
        for path in wrong:
            print(f"{path}: not what oracle/generate.py writes; run it and look at the difference", file=sys.stderr)
        sys.exit(1 if wrong else 0)
    for path in present.keys() - wanted.keys():
        (VECTORS / path).unlink()
    for path, text in wanted.items():
        (VECTORS / path).parent.mkdir(exist_ok=True)
        (VECTORS / path).write_text(text)
    print(f"{sum(t.count(chr(10)) - 2 for t in wanted.values())} cases, {sum(map(len, wanted.values()))} bytes")


if __name__ == "__main__":
    main()
