"""The front end: designs its filters and runs the Rust crate that computes the features."""

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from sources import HZ, RATE

ROOT = Path(__file__).resolve().parents[4]
EDGES_HZ = [0.4, 0.8, 1.6, 3.2, 6.4, 12.8]
SEGMENTS = 4
SECTIONS = 2


def bands():
    """Octave band-passes of constant peak gain 1 (R. Bristow-Johnson's cookbook), Q29."""
    result = []
    for low, high in zip(EDGES_HZ, EDGES_HZ[1:]):
        w = 2 * np.pi * np.sqrt(low * high) / HZ
        alpha = np.sin(w) * np.sinh(np.log(2) / 2 * np.log2(high / low) * w / np.sin(w))
        one = (1 << 29) / (1 + alpha)
        result.append({"gain": round(alpha * one), "feedback": [round(2 * np.cos(w) * one), round((alpha - 1) * one)]})
    return result


def front_end(decision=None, gate=None):
    return {
        "rate": {"numerator": RATE[0], "denominator": RATE[1]},
        "hop_samples": 8,
        "window_hops": 16,
        "segments": SEGMENTS,
        "average_shift": 8,
        "warm_up_hops": 24,
        "sections": SECTIONS,
        "floor_mgal2": 500,
        "level_center_q8": 24 * 256,
        "feature_shift": 6,
        "feature_zero_point": 0,
        "decision": decision or {"on_score": 0, "off_score": 0, "votes": 1, "of_hops": 1},
        "gate": gate or {"short_hops": 8, "on_q8": 350, "off_q8": 200},
        "bands": bands(),
    }


def toml_lines(table, name):
    """The front end as a TOML table `[name]`."""
    lines = [f"[{name}]"] if name else []
    for key, value in table.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{k} = {v}" for k, v in value.items())
            lines.append(f"{key} = {{ {inner} }}")
        elif isinstance(value, list):
            lines.append(f"{key} = [")
            lines += [f"    {{ gain = {b['gain']}, feedback = {b['feedback']} }}," for b in value]
            lines.append("]")
        else:
            lines.append(f"{key} = {value}")
    return lines


def feature_count():
    return SEGMENTS * (len(EDGES_HZ) - 1 + 2) + 3


class Features:
    """Per hop: time of its last sample (s), readiness, gate ratio (log2 Q8), features (i8)."""

    def __init__(self, raw):
        kind = np.dtype([("index", "<u4"), ("ready", "u1"), ("zero", "u1"), ("gate", "<i2"), ("x", "i1", feature_count())])
        rows = np.frombuffer(raw, kind)
        self.t = rows["index"] / HZ
        self.ready = rows["ready"] == 1
        self.gate = rows["gate"].astype(int)
        self.x = rows["x"]


def extract(traces, rate=RATE, parameters=None):
    """Features of each trace (gal), computed by `runtime/signal`."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, table = (Path(folder) / name for name in ("in", "out", "front_end.toml"))
        table.write_text("\n".join(toml_lines(parameters or front_end(), None)) + "\n")
        with source.open("wb") as file:
            for gal in traces:
                file.write(struct.pack("<5I", len(gal), *rate, 0, 1))
                file.write(np.round(np.asarray(gal) * 1000).astype("<i4").tobytes())
        command = "cargo run --quiet --release -p tanbo-signal --features serde --example features --".split()
        subprocess.run([*command, table, source, target], cwd=ROOT, check=True)
        raw = target.read_bytes()
    result, at, row = [], 0, 8 + feature_count()
    for _ in traces:
        (count,) = struct.unpack_from("<I", raw, at)
        result.append(Features(raw[at + 4 : at + 4 + count * row]))
        at += 4 + count * row
    return result
