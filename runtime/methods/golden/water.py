"""Writes water.csv: what Mofjeld's detector makes of a record, in exact fractions.

The prediction is computed twice: in exact fractions, as NOAA publishes it (the cubic through four ten-minute averages an
hour apart with the published weights, which are Lagrange's; Lagrange's polynomial where readings are missing), and in
integers by the steps that src/water.rs states. That the latter is within 1 µm of the former is asserted; it is what is
written, and the detector must equal it. No code of ours.
Usage: python3 water.py > water.csv
"""

from fractions import Fraction
import math
import random

PUBLISHED = [Fraction(w) for w in ("1.16818457031250", "-0.28197558593750", "0.14689746093750", "-0.03310644531250")]


def lagrange(nodes):
    """Weights of the polynomial through `nodes` (seconds before the target) at the target."""
    weights = []
    for j, own in enumerate(nodes):
        weight = Fraction(1)
        for k, other in enumerate(nodes):
            if k != j:
                weight *= other / (other - own)
        weights.append(weight)
    return weights


assert lagrange([Fraction(315 + 3600 * n) for n in range(4)]) == PUBLISHED


def nearest(numerator, denominator):
    """Rounded, halves away from zero."""
    sign = -1 if numerator < 0 else 1
    return sign * ((abs(numerator) + denominator // 2) // denominator)


def neville(nodes_ms, values):
    values = list(values)
    for order in range(1, len(values)):
        for at in range(len(values) - order):
            near, far = nodes_ms[at], nodes_ms[at + order]
            values[at] = nearest(far * values[at] - near * values[at + 1], far - near)
    return values[0]


def residual(levels, at, interval, lead):
    n = 600 // interval
    nodes, means, nodes_ms, means_256 = [], [], [], []
    for number in range(4):
        lags = [1 + number * 3600 // interval + i for i in range(n)]
        held = [(lag, levels[at - lag]) for lag in lags if at >= lag and levels[at - lag] is not None]
        if 2 * len(held) < n:
            if number == 0:
                return None
            continue
        mean_lag = Fraction(sum(lag for lag, _ in held), len(held)) - lags[0]
        nodes.append(lead + 3600 * number + (mean_lag - Fraction(n - 1, 2)) * interval)
        means.append(Fraction(sum(level for _, level in held), len(held)))
        moved = interval * 1000 * (2 * sum(lag - lags[0] for lag, _ in held) - len(held) * (n - 1))
        nodes_ms.append(lead * 1000 + 3_600_000 * number + nearest(moved, 2 * len(held)))
        means_256.append(nearest(sum(level for _, level in held) * 256_000, len(held)))
    if levels[at] is None or len(nodes) < 3:
        return None
    predicted = sum(w * m for w, m in zip(lagrange(nodes), means))
    predicted_256 = neville(nodes_ms, [mean - means_256[0] for mean in means_256]) + means_256[0]
    um = nearest(levels[at] * 256_000 - predicted_256, 256)
    assert abs(um - (levels[at] - predicted) * 1000) < 1
    return um, len(nodes)


def record(name, interval, lead, count, holes):
    red = 0.0
    levels = []
    for index in range(count):
        hours = index * interval / 3600
        red = 0.95 * red + random.gauss(0, 2)
        tide = 500 * math.cos(2 * math.pi * hours / 12.42) + 200 * math.sin(2 * math.pi * hours / 23.93)
        age = hours - count * interval / 3600 + 0.6
        wave = 80 * math.sin(2 * math.pi * age * 3) * math.exp(-age) if age > 0 else 0
        missing = any(first <= index < last for first, last in holes)
        levels.append(None if missing else round(tide + red + wave))
    for index, level in enumerate(levels):
        found = residual(levels, index, interval, lead)
        um, averages = found or ("", "")
        print(name, index * interval, "" if level is None else level, um, averages, sep=",")


def main():
    random.seed(2004)
    print("record,time_s,level_mm,residual_um,averages")
    record("deep", 15, 315, 900, [])
    record("coast", 60, 330, 420, [(100, 104), (180, 200), (230, 233), (301, 302)])


main()
