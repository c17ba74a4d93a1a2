"""Writes sta_lta.csv: what the formulas of src/sta_lta.rs make of a record, in Python's exact integers.

From the papers named there (Allen 1978; Withers et al. 1998); no numpy, no code of ours. The recursion is also run in
exact fractions, and the stated bound (less than one mGal² of the average) is asserted on the way.
Usage: python3 sta_lta.py > sta_lta.csv
"""

from fractions import Fraction
import math
import random

RATE = Fraction(125, 4)
SHORT, LONG, WARM_UP = (math.floor(Fraction(s) * RATE + Fraction(1, 2)) for s in (2, 60, 20))
ON, OFF, FLOOR = 1024, 576, 500
LIMIT, OUT_LIMIT, FRACTION = (1 << 23) - 1, 1 << 29, 5


def band(low, high):
    """Gain and feedback of a first-order Butterworth band-pass, Q29, by the bilinear transform."""
    k = math.tan(math.pi * (high - low) / float(RATE))
    centre = math.cos(math.pi * (high + low) / float(RATE)) / math.cos(math.pi * (high - low) / float(RATE))
    return [round(v * (1 << 29)) for v in (k / (1 + k), 2 * centre / (1 + k), -(1 - k) / (1 + k))]


GAIN, A1, A2 = band(1.0, 7.0)


class Station:
    def __init__(self):
        self.last = None
        self.clear()

    def clear(self):
        self.seen, self.long = 0, 0
        self.exact = Fraction(0)
        self.restart()

    def restart(self):
        self.rest, self.x, self.y, self.open = None, [[0, 0] for _ in range(3)], [[0, 0] for _ in range(3)], False
        self.short = self.long // min(max(self.seen, 1), LONG) * min(self.seen, SHORT)

    def push(self, time, sample):
        if self.last is not None:
            elapsed, period = time - self.last, int(1_000_000 / RATE)
            if elapsed < 0 or elapsed > 60_000_000:
                self.clear()
            elif 2 * abs(elapsed - period) >= period:
                self.restart()
        self.last = time
        self.rest = self.rest or sample
        energy = 0
        for axis in range(3):
            moved = max(-LIMIT, min(LIMIT, sample[axis] - self.rest[axis])) << FRACTION
            out = (GAIN * (moved - self.x[axis][1]) + A1 * self.y[axis][0] + A2 * self.y[axis][1]) >> 29
            out = max(-OUT_LIMIT, min(OUT_LIMIT, out))
            self.x[axis], self.y[axis] = [moved, self.x[axis][0]], [out, self.y[axis][0]]
            energy += ((out + 16) >> FRACTION) ** 2
        self.seen += 1
        if self.seen > SHORT:
            self.short -= self.short // SHORT
        if self.seen > LONG:
            self.long -= self.long // LONG
            # Denominators would grow without end: cut far below the bound that is asserted.
            self.exact = Fraction(int(self.exact * (1 - Fraction(1, LONG)) * (1 << 80)), 1 << 80)
        self.short += energy
        self.long += energy
        self.exact += energy
        assert 0 <= self.long - self.exact + Fraction(1, 1 << 60) < LONG
        ready = self.seen >= WARM_UP
        held_short, held_long = min(self.seen, SHORT), min(self.seen, LONG)
        ratio = Fraction(self.short * held_long, max(self.long, FLOOR * held_long) * held_short)
        self.open = ready and ratio >= Fraction(OFF if self.open else ON, 256)
        score = min(127, math.floor(16 * ratio)) if ready else 0
        return [int(ready), int(self.open), self.short, self.long, score]


def main():
    random.seed(1978)
    station = Station()
    print("time_us,x_mgal,y_mgal,z_mgal,ready,open,short_sum,long_sum,score")
    late = 0
    for index in range(3600):
        # A step of the resting value and three seconds missing, then an event that decays.
        if index == 1500:
            late = 3_000_000
        rest = (0, 0, 981_000) if index < 1500 else (2000, -500, 980_998)
        time = index * 32_000 + late
        sample = [round(value + random.gauss(0, 65)) for value in rest]
        if index >= 2400:
            age = (index - 2400) / 31.25
            for axis, amplitude in enumerate((4000, 3000, 1500)):
                wave = math.sin(2 * math.pi * (2.0 + axis) * age) * math.exp(-age / 4)
                sample[axis] += round(amplitude * wave)
        print(*[time, *sample, *station.push(time, tuple(sample))], sep=",")


main()
