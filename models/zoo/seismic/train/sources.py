"""The recordings that training needs: where they come from, and how they are read.

Accelerations are in gal (cm/s²), arrays are (samples, 3).
"""

import datetime
import hashlib
import json
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

HERE = Path(__file__).parent
RATE = (125, 4)  # samples per second of the OpenEEW devices and of the model: 31.25
HZ = RATE[0] / RATE[1]

OPENEEW = (
    "GitHub openeew/openeew-seismology at commit 5816668 (Apache-2.0), folder data/: "
    "git clone it into DIR/openeew-seismology"
)
SKTIME = "PyPI sktime 1.2.0 (BSD-3-Clause): pip download sktime==1.2.0 --no-deps -d DIR"
SKTIME_WHEEL = "sktime-1.2.0-py3-none-any.whl"
MANIFEST = HERE / "sources.sha256"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(data):
    """Compares every source file with the manifest; stops with the public source's name where one is absent."""
    for line in MANIFEST.read_text().splitlines():
        digest, name = line.split("  ")
        path = data / name
        source = SKTIME if name.startswith("sktime") else OPENEEW
        if not path.exists():
            sys.exit(f"{path} is absent. It comes from {source}")
        if sha256(path) != digest:
            sys.exit(f"{path} differs from the file that the model was trained on. It comes from {source}")


@dataclass
class Record:
    """One device during one earthquake. Times are seconds after the first sample."""

    quake: str
    device: str
    gal: np.ndarray
    distance_km: float
    peak_gal: float  # of the vector, 0.5-8 Hz, after the expected P arrival
    expected_p: float
    onset: float | None = None  # picked P onset, where the record is strong (>= 1 gal)
    quiet: list = field(default_factory=list)  # (start, end) of what surely holds no earthquake


def _catalogue(root):
    events, entry = [], {}
    for line in (root / "events.txt").read_text().splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key == "time":
            entry["time"] = datetime.datetime.fromisoformat(value).replace(tzinfo=datetime.timezone.utc).timestamp()
        elif key in ("latitude", "longitude", "magnitude"):
            entry[key] = float(value)
        if key == "magnitude":
            events.append(entry)
            entry = {}
    return events


def _longest_run(packets):
    """The longest stretch without a gap: (start time, samples)."""
    packets.sort(key=lambda packet: packet["device_t"])
    runs, run = [], [packets[0]]
    for before, packet in zip(packets, packets[1:]):
        if abs(packet["device_t"] - before["device_t"] - 32 / HZ) > 0.5:
            runs.append(run)
            run = []
        run.append(packet)
    runs.append(run)
    run = max(runs, key=len)
    # The clocks of a few devices are half an hour off; the time of arrival is not.
    lag = float(np.median([packet["cloud_t"] - packet["device_t"] for packet in run]))
    start = run[0]["device_t"] + (lag if abs(lag) > 60 else 0.0)
    gal = np.concatenate([np.array([packet["x"], packet["y"], packet["z"]]).T for packet in run])
    return start - 32 / HZ, gal


def _kilometres(a, b):
    lat, lon = np.radians([a["latitude"], b["latitude"]]), np.radians([a["longitude"], b["longitude"]])
    h = np.sin((lat[1] - lat[0]) / 2) ** 2 + np.cos(lat).prod() * np.sin((lon[1] - lon[0]) / 2) ** 2
    return 12742 * np.arcsin(np.sqrt(h))


def band(gal, low, high, order=2):
    """Causal band-pass, so that nothing leaks before an onset."""
    rest = np.median(gal[: int(10 * HZ)], axis=0)
    return sosfilt(butter(order, [low, high], "band", fs=HZ, output="sos"), gal - rest, axis=0)


def pick(gal, start, end):
    """P onset in seconds: first second in (start, end) that stands out, refined by Maeda's AIC (1985)."""
    power = (band(gal, 1.0, 8.0) ** 2).sum(axis=1)
    first, last = max(int(start * HZ), int(15 * HZ)), min(int(end * HZ), len(power) - 40)
    noise = power[int(5 * HZ) : first].mean() if first > 8 * HZ else power[: int(8 * HZ)].mean()
    sta = np.convolve(power, np.ones(31) / 31, "full")[: len(power)]
    above = np.flatnonzero(sta[first:last] > 2.2 * noise)
    if not len(above):
        return None
    rough = first + above[0]
    left, right = rough - int(4 * HZ), rough + int(0.7 * HZ)
    part = power[left:right]
    counts = np.arange(1, len(part))
    sums = np.cumsum(part)[:-1]
    before, after = sums / counts, (part.sum() - sums) / (len(part) - counts)
    aic = counts * np.log(before + 1e-12) + (len(part) - counts) * np.log(after + 1e-12)
    return float((left + 3 + np.argmin(aic[3:-3])) / HZ)


def _agree(records):
    """Picks again near the arrival that the quake's other records suggest: delay = constant + slope * distance."""
    first = [(r.distance_km, r.onset - r.expected_p) for r in records if r.onset]
    slopes = [(d2 - d1) / (km2 - km1) for km1, d1 in first for km2, d2 in first if km2 > km1 + 10]
    slope = float(np.median(slopes)) if len(slopes) > 2 else 0.0
    constant = float(np.median([delay - slope * km for km, delay in first]))
    for record in records:
        arrival = record.expected_p + constant + slope * record.distance_km
        if not record.onset or abs(record.onset - arrival) > 3:
            record.onset = pick(record.gal, arrival - 2.5, arrival + 15)
        if record.onset:
            record.quiet = [(0.0, record.onset - 4.0)]


def openeew(data):
    """All records of the 12 earthquakes, with onsets and quiet spans."""
    root = data / "openeew-seismology" / "data"
    places = {}
    for device in json.loads((root / "devices" / "device_locations.json").read_text()):
        places[device["device_id"]] = device  # later entries are newer
    catalogue = _catalogue(root)
    records = []
    for folder in sorted(path for path in root.iterdir() if path.name.startswith("20")):
        runs, strong = {}, []
        for device in sorted(folder.iterdir()):
            lines = (line for file in sorted(device.glob("*.jsonl")) for line in file.read_text().splitlines())
            runs[device.name] = _longest_run([json.loads(line) for line in lines if line.strip()])
        begin = float(np.median([start for start, _ in runs.values()]))
        quake = max((event for event in catalogue if begin < event["time"] < begin + 300), key=lambda e: e["magnitude"])
        for device, (start, gal) in runs.items():
            seconds = len(gal) / HZ
            if seconds < 90 or device not in places or not start < quake["time"] < start + seconds - 30:
                continue
            km = float(np.hypot(_kilometres(quake, places[device]), 20.0))
            p, s = (quake["time"] - start + km / speed for speed in (8.0, 3.3))
            power = (band(gal, 0.5, 8.0) ** 2).sum(axis=1)
            after = min(max(int((p - 10) * HZ), int(10 * HZ)), len(power) - 100)
            record = Record(folder.name, device, gal, km, float(np.sqrt(power[after:].max())), p)
            if record.peak_gal >= 1.0:
                record.onset = pick(gal, p - 15, s + 20)
                strong.append(record)
            else:
                short = np.convolve(power, np.ones(62) / 62, "full")[: len(power)]
                visible = short[after:].max() > 2.5 * np.median(short[int(5 * HZ) : after] if after > 600 else short)
                record.quiet = [(0.0, p - 15.0 if visible else seconds)]
            records.append(record)
        _agree(strong)
    for record in records:
        record.quiet = [(a, b) for a, b in record.quiet if b - a > 20]
    return records


def motions(data, part):
    """Wrist accelerations of BasicMotions, gal at 10 Hz: [(activity, (100, 3))]; part is TRAIN or TEST."""
    name = f"sktime/datasets/data/BasicMotions/BasicMotions_{part}.ts"
    with zipfile.ZipFile(data / SKTIME_WHEEL) as wheel:
        lines = wheel.read(name).decode().splitlines()
    result = []
    for line in lines:
        if line and line[0] not in "#@":
            *channels, activity = line.split(":")
            metres = np.array([[float(value) for value in channel.split(",")] for channel in channels[:3]]).T
            result.append((activity, 100.0 * metres))
    return result
