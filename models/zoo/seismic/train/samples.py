"""Makes `samples/`: labelled features to calibrate and to test `float.onnx` with, from `fixtures/` and made-up earthquakes.

    python samples.py

They show what `tanbo quantize` does. They do not tell how good the model is, CARD.md does; the committed model was
calibrated on training data, not on these.

calibrate.npz: 60 made-up earthquakes (`synthetic.py`) and every other burst of wrist motion. test.npz: 60 more, the other
bursts, and the South Napa earthquake. Both with the motion and the real earthquake at several strengths.
"""

import tomllib

import numpy as np

import synthetic
from dataset import visible
from export import INPUT, INPUT_SCALE
from frontend import ROOT, extract
from sources import HZ, RATE

ZOO = ROOT / "models/zoo/seismic"
P_ONSET_S = 26.0  # of the South Napa record, fixtures/SOURCES.md
STRENGTHS = [1, 0.3, 0.1, 0.03]
BURST_S = 30  # burst and rest of the motion recording; the first rest is 40 s
REST_S = 20
QUAKES = 60
QUIET_S = 20
NOISE_GAL = 0.1


def csv(name):
    return np.loadtxt(ZOO / "fixtures" / name, delimiter=",", skiprows=1)[:, 1:]


def awake(hops, gate):
    """Which hops the network runs at: as `runtime/pipeline` decides."""
    result, is_open = [], False
    for ready, ratio in zip(hops.ready, hops.gate):
        is_open = ready and ratio >= (gate["off_q8"] if is_open else gate["on_q8"])
        result.append(is_open)
    return np.array(result)


def noisy(random, gal):
    """With noise as of a MEMS sensor: what is made up and what is between the bursts would be nothing at all."""
    return gal + random.normal(scale=NOISE_GAL, size=gal.shape)


def shaking(random, front_end, recordings):
    """Hops of earthquakes `(gal, rate, onset)`, label 1 while the onset lies in the window, as in training."""
    for gal, rate, onset in recordings:
        (hops,) = extract([noisy(random, gal)], rate, front_end)
        mine = awake(hops, front_end["gate"]) & (hops.t >= onset + 0.6) & (hops.t <= onset + 4.1)
        yield hops.x[mine], np.ones(mine.sum(), np.int64)


def made_up(random):
    """An earthquake after rest: acceleration, rate, time at which it can be seen."""
    while True:
        motion = synthetic.quake(random)[: int(20 * HZ)]
        first = visible(motion)
        if first is not None and np.abs(motion).max() >= 1.0 and first <= 10 * HZ:
            return np.concatenate([np.zeros((int(QUIET_S * HZ), 3)), motion]), RATE, QUIET_S + first / HZ


def motion(random, front_end, turn):
    """Hops of every other burst of motion, label 0."""
    gal = csv("basic-motions-wrist.csv")
    for hops in extract([noisy(random, gal * strength) for strength in STRENGTHS], (10, 1), front_end):
        burst = ((hops.t - REST_S) // BURST_S).astype(int)
        mine = awake(hops, front_end["gate"]) & (burst % 2 == turn)
        yield hops.x[mine], np.zeros(mine.sum(), np.int64)


def main():
    random = np.random.default_rng(20261123)
    front_end = tomllib.loads((ZOO / "model.toml").read_text())["front_end"]
    napa = csv("south-napa-2014-ce68150.csv")
    (ZOO / "samples").mkdir(exist_ok=True)
    for turn, name in enumerate(["calibrate", "test"]):
        quakes = [made_up(random) for _ in range(QUAKES)]
        if name == "test":
            quakes += [(napa * strength, (200, 1), P_ONSET_S) for strength in STRENGTHS]
        parts = [*shaking(random, front_end, quakes), *motion(random, front_end, turn)]
        features, labels = (np.concatenate(arrays) for arrays in zip(*parts))
        arrays = {INPUT: features.astype(np.float32) * INPUT_SCALE, "labels": labels}
        np.savez_compressed(ZOO / "samples" / f"{name}.npz", **arrays)
        print(f"{name}: {len(labels)} hops, {labels.sum()} of an earthquake")


if __name__ == "__main__":
    main()
