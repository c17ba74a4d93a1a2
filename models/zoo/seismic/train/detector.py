"""Decisions over recordings: the node's (gate and network), and STA/LTA as the baseline."""

import numpy as np

from sources import HZ, band


CLOSED = -1e9  # the score of a hop whose gate is closed
OPEN = -1e6  # below every score of an open gate


def votes(gate, score, on, off, of_hops, wanted, gate_on, gate_off):
    """Indices of the hops at which an alarm is raised; as `runtime/pipeline` decides."""
    alarms, history, alarm, open_ = [], 0, False, False
    mask = (1 << of_hops) - 1
    calm = 0
    for index in range(len(gate)):
        open_ = gate[index] >= (gate_off if open_ else gate_on)
        value = score[index] if open_ else CLOSED
        history = (history << 1 | (value >= on)) & mask
        calm = calm + 1 if value < off else 0
        if not alarm and history.bit_count() >= wanted:
            alarm = True
            alarms.append(index)
        elif alarm and calm >= of_hops:
            alarm = False
    return alarms


def amplitude(gal):
    """The 1-8 Hz vector amplitude that STA/LTA works on."""
    return np.linalg.norm(band(gal, 1.0, 8.0), axis=1)


def sta_lta(size, short_s, long_s, on, off):
    """Times of the triggers of the classical STA/LTA (Allen 1978); untriggered for the first 10 s."""
    sums = np.concatenate([[0.0], np.cumsum(size)])
    n = np.arange(1, len(size) + 1)

    def mean(seconds):
        k = np.minimum(n, int(seconds * HZ))
        return (sums[n] - sums[n - k]) / k

    ratio = mean(short_s) / np.maximum(mean(long_s), 1e-6)
    ratio[: int(10 * HZ)] = 0
    high, low = np.flatnonzero(ratio >= on), np.flatnonzero(ratio < off)
    times, at = [], 0
    while at < len(high):
        times.append(high[at] / HZ)
        fall = np.searchsorted(low, high[at])
        if fall == len(low):
            break
        at = np.searchsorted(high, low[fall])
    return np.array(times)
