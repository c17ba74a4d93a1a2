"""Streams for training and evaluation: a trace, what happens in it, and where its parts come from."""

from dataclasses import dataclass

import numpy as np

import synthetic
from sources import HZ

QUIET_S = 40.0  # before what is mixed in, so that the running average has settled


@dataclass
class Stream:
    kind: str  # record, quake, synthetic, motion, disturbance
    gal: np.ndarray
    quakes: frozenset  # OpenEEW quakes and devices that the trace draws on
    devices: frozenset
    onset: float | None = None
    quiet: tuple = ()  # spans (s) that hold nothing
    burst: tuple | None = None  # span of a motion or disturbance
    name: str = ""


def _background(random, records, seconds):
    """A random quiet span of a record."""
    while True:
        record = records[random.integers(len(records))]
        spans = [(a, b) for a, b in record.quiet if b - a > seconds + 2]
        if spans:
            a, b = spans[random.integers(len(spans))]
            first = int(random.uniform(a, b - seconds) * HZ)
            return record, record.gal[first : first + int(seconds * HZ)].copy()


def _mix(random, records, motion, kind, name=""):
    seconds = QUIET_S + len(motion) / HZ + 6
    record, gal = _background(random, records, seconds)
    # One in six sensors is quieter than the devices that recorded the background.
    quieter = random.uniform(0, 0.4) if random.random() < 1 / 6 else 1.0
    turned = quieter * (gal - gal.mean(axis=0)) @ synthetic.rotation(random)
    at = int(QUIET_S * HZ) + random.integers(0, 8)
    turned[at : at + len(motion)] += motion
    stream = Stream(kind, turned, frozenset([record.quake]), frozenset([record.device]), name=name)
    return stream, at


def visible(motion, threshold=0.15):
    """Index from which the ground motion exceeds twice the sensor's noise, or None."""
    above = np.flatnonzero(np.linalg.norm(motion, axis=1) > threshold)
    return int(above[0]) if len(above) else None


def whole_records(records):
    return [
        Stream("record", r.gal, frozenset([r.quake]), frozenset([r.device]), r.onset, tuple(r.quiet), name=f"{r.quake}/{r.device}")
        for r in records
        if r.onset or r.quiet
    ]


def real_quakes(random, records, copies):
    """Onsets of strong records, turned and scaled."""
    streams = []
    for record in (r for r in records if r.onset and r.onset > QUIET_S + 5):
        for _ in range(copies):
            first = int((record.onset - QUIET_S) * HZ) - random.integers(0, 8)
            gal = record.gal[first : first + int((QUIET_S + 20) * HZ)]
            scale = np.exp(random.uniform(np.log(0.6), np.log(2.0)))
            gal = scale * (gal - gal[:300].mean(axis=0)) @ synthetic.rotation(random)
            onset = record.onset - first / HZ
            streams.append(Stream("quake", gal, frozenset([record.quake]), frozenset([record.device]), onset))
    return streams


def synthetic_quakes(random, records, count):
    streams = []
    while len(streams) < count:
        motion = synthetic.quake(random)[: int(20 * HZ)]
        first = visible(motion)
        if first is None or np.abs(motion).max() < 1.0 or first > 10 * HZ:
            continue
        stream, at = _mix(random, records, motion, "synthetic")
        stream.onset = (at + first) / HZ
        streams.append(stream)
    return streams


def motion_bursts(random, records, motions, count):
    streams = []
    for n in range(count):
        activity, gal = motions[n % len(motions)]
        motion = synthetic.wrist(random, gal)
        stream, at = _mix(random, records, motion, "motion", activity)
        stream.burst = (at / HZ, (at + len(motion)) / HZ + 4)
        streams.append(stream)
    return streams


def plain_bursts(random, records, motions, scales):
    """For evaluation: each motion as recorded and as the pipeline resamples it, only turned and scaled."""
    streams = []
    for activity, gal in motions:
        motion = synthetic.upsample(gal - gal.mean(axis=0), 10, "spline")
        for scale in scales:
            stream, at = _mix(random, records, scale * motion @ synthetic.rotation(random), "motion", activity)
            stream.burst = (at / HZ, (at + len(motion)) / HZ + 4)
            streams.append(stream)
    return streams


def disturbances(random, records, count):
    streams = []
    for _ in range(count):
        motion = synthetic.disturbance(random)
        stream, at = _mix(random, records, motion, "disturbance")
        stream.burst = (at / HZ, (at + len(motion)) / HZ + 4)
        streams.append(stream)
    return streams


def rows(random, stream, features):
    """Features and labels of a stream's hops for training."""
    t = features.t
    label = np.full(len(t), -1)
    for a, b in stream.quiet:
        label[(t > a) & (t < b)] = 0
    if stream.kind in ("quake", "synthetic"):
        label[(t > 15) & (t < stream.onset - 0.3)] = 0
    if stream.burst:
        label[t < stream.burst[1]] = 0
    if stream.onset:
        # Positive while the onset lies in the window; what follows is neither.
        label[(t >= stream.onset + 0.6) & (t <= stream.onset + 4.1)] = 1
    # Quiet hops abound, and the gate spares the model most of them.
    dull = (label == 0) & (features.gate < 150)
    keep = features.ready & (label >= 0) & (~dull | (random.random(len(t)) < 0.04))
    return features.x[keep], label[keep]
