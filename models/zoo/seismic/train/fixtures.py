"""Makes the recordings in `fixtures/` from two packages of PyPI.

    pip download gmprocess==2.8.0 --no-deps --no-binary gmprocess -d DIR
    pip download sktime==1.2.0 --no-deps -d DIR
    python fixtures.py --data DIR
"""

import argparse
import io
import re
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np

from sources import SKTIME, SKTIME_WHEEL, motions, sha256

OUT = Path(__file__).parents[1] / "fixtures"
GMPROCESS = "PyPI gmprocess 2.8.0: pip download gmprocess==2.8.0 --no-deps --no-binary gmprocess -d DIR"
GMPROCESS_FILE = "gmprocess-2.8.0.tar.gz"
DIGESTS = {
    GMPROCESS_FILE: "2fb2a1d645be77bd5b22197e770c6a003a37d1d70c0857a0022c333d90889b93",
    SKTIME_WHEEL: "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae",
}


def write(name, t, decimals, gal):
    """CSV `t_s,x_gal,y_gal,z_gal`."""
    lines = ["t_s,x_gal,y_gal,z_gal"]
    for time, row in zip(t, gal):
        lines.append(",".join([f"{time:.{decimals}f}", *(f"{value:.3f}".rstrip("0").rstrip(".") for value in row)]))
    text = "\n".join(lines).replace(",-0,", ",0,") + "\n"
    (OUT / name).write_text(text)
    print(f"{name}: {len(t)} samples, peak {np.abs(gal - gal[:200].mean(axis=0)).max():.1f} gal, {len(text)} bytes")


def south_napa(data):
    """24 August 2014, M 6.0, station CE.68150 (Napa College): 3 components, 200 Hz, as recorded, counts to gal."""
    name = "gmprocess-2.8.0/src/gmprocess/data/demo/nc72282711/workspace.h5"
    with tarfile.open(data / GMPROCESS_FILE) as archive:
        book = h5py.File(io.BytesIO(archive.extractfile(name).read()))
    station = book["Waveforms/CE.68150"]
    xml = bytes(station["StationXML"][:].astype(np.uint8)).decode()
    axes = []
    for channel in ("HNE", "HNN", "HNZ"):
        part = xml[xml.index(f'<Channel code="{channel}"') :]
        per_metre = float(re.search(r"<InstrumentSensitivity>\s*<Value>([\d.]+)", part)[1])
        (key,) = [key for key in station if channel in key and key.endswith("unprocessed")]
        axes.append(station[key][:] / per_metre * 100)
        assert station[key].attrs["sampling_rate"] == 200.0
    gal = np.array(axes).T
    rest = gal[: 20 * 200].mean(axis=0)
    count = 65 * 200
    write("south-napa-2014-ce68150.csv", np.arange(count) / 200, 3, (gal - rest)[:count])


def motion(data):
    """Ten bursts of 10 s of wrist motion at 10 Hz, 20 s apart; the sensor rests (reads 0) in between."""
    test = motions(data, "TEST")
    chosen = []
    for turn in range(3):
        for activity in ("Walking", "Running", "Badminton"):
            chosen.append([gal for kind, gal in test if kind.strip() == activity][turn * 3])
    chosen.append([gal for kind, gal in test if kind.strip() == "Standing"][0])
    rest = np.zeros((200, 3))
    trace = np.concatenate([rest, rest] + [part for gal in chosen for part in (gal - gal.mean(axis=0), rest)])
    write("basic-motions-wrist.csv", np.arange(len(trace)) / 10, 1, trace)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the two downloads")
    data = parser.parse_args().data
    for name, digest in DIGESTS.items():
        source = GMPROCESS if name == GMPROCESS_FILE else SKTIME
        if not (data / name).exists():
            sys.exit(f"{data / name} is absent. It comes from {source}")
        if sha256(data / name) != digest:
            sys.exit(f"{data / name} is not the file that the fixtures were made from. It comes from {source}")
    OUT.mkdir(exist_ok=True)
    south_napa(data)
    motion(data)


if __name__ == "__main__":
    main()
