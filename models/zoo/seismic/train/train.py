"""Trains, evaluates, exports and quantizes the seismic model.

    pip install -r requirements.txt
    python train.py --data DIR

DIR holds the public sources that `sources.py` names; without them the script stops and says which is missing. It writes
`model.onnx`, `float.onnx`, `ranges.toml`, `model.toml` and `golden/` beside this folder. Everything is seeded.
"""

import argparse
import platform
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import scipy
import sklearn
from sklearn.neural_network import MLPClassifier

import dataset
import detector
import export
import frontend
import sources

OUT = Path(__file__).resolve().parents[1]
SEED = 20261123
CALIBRATION_ROWS = 3000
HIDDEN = (64, 24)
EPOCHS = 12
FOLDS = 4
TRAIN_SCALE = export.INPUT_SCALE / 4  # what the optimizer sees per feature step
GATE = {"short_hops": 8, "on_q8": 350, "off_q8": 200}
VOTES, OF_HOPS = 2, 3
OFF = -128  # score steps: an alarm lasts as long as the gate is open, that is, as long as the ground shakes
MOTION_ALARMS = 0.02  # the threshold is the lowest with at most this share of motion bursts alerted
WITHIN_S, ALERT_S = 2.0, 10.0  # what counts as prompt, and as an alert at all
STA_LTA = [(short, long_, on) for short in (1, 2) for long_ in (10, 20, 60) for on in (1.8, 2.0, 2.5, 3.0, 3.5, 4.0)]


def fit(x, y):
    """Trains; returns layers [(weights (inputs, outputs), bias)] for real features."""
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    model = MLPClassifier(
        HIDDEN, batch_size=1024, learning_rate_init=3e-3, alpha=3e-4, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=SEED
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops after EPOCHS, as told
        model.fit(x.astype(np.float32) * np.float32(TRAIN_SCALE), y, sample_weight=weight)
    layers = list(zip(model.coefs_, model.intercepts_))
    layers[0] = (layers[0][0] * TRAIN_SCALE / export.INPUT_SCALE, layers[0][1])
    return layers


def quantized(layers, calibration):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "model.onnx"
        onnx.save(export.float_model(layers), source)
        export.quantize(source, target, calibration)
        return onnx.load(target)


def build(data):
    """Streams with their features: (records, made for training, made for evaluation)."""
    random = np.random.default_rng(SEED)
    records = sources.openeew(data)
    whole = dataset.whole_records(records)
    made = (
        dataset.real_quakes(random, records, 10)
        + dataset.synthetic_quakes(random, records, 1200)
        + dataset.motion_bursts(random, records, sources.motions(data, "TRAIN"), 1600)
        + dataset.disturbances(random, records, 900)
    )
    random = np.random.default_rng(SEED + 1)
    scales = (1.0, 0.3, 0.1, 0.03, 0.01)
    held = dataset.plain_bursts(random, records, sources.motions(data, "TEST"), scales)
    held += dataset.disturbances(random, records, 200)
    streams = whole + made + held
    pairs = list(zip(streams, frontend.extract([stream.gal for stream in streams])))
    return pairs[: len(whole)], pairs[len(whole) : len(whole) + len(made)], pairs[len(whole) + len(made) :]


def training_rows(pairs, leave_out=frozenset(), by="quakes"):
    random = np.random.default_rng(SEED + 2)
    parts = [dataset.rows(random, s, f) for s, f in pairs if not getattr(s, by) & leave_out]
    return [np.concatenate(part) for part in zip(*parts)]


def calibration_rows(x, y):
    random = np.random.default_rng(SEED + 4)
    return np.concatenate([x[random.choice(np.flatnonzero(y == label), CALIBRATION_ROWS // 2, replace=False)] for label in (0, 1)])


def cross_validate(records, made, held, by):
    """Scores every record and held-out burst with a model that saw nothing of its quake (or device): [(stream, features,
    float scores, int8 scores)]."""
    names = sorted(set().union(*[getattr(stream, by) for stream, _ in records]))
    order = np.random.default_rng(SEED + 3).permutation(len(names))
    result = []
    for fold in range(FOLDS):
        left_out = frozenset(names[i] for i in order[fold::FOLDS])
        x, y = training_rows(records + made, left_out, by)
        layers = fit(x, y)
        real, integer = export.float_model(layers), quantized(layers, calibration_rows(x, y))
        for stream, features in records + held:
            if getattr(stream, by) & left_out:
                result.append((stream, features, export.scores(real, features.x), export.scores(integer, features.x)))
        print(f"fold {fold + 1} of {FOLDS} by {by}: left out {', '.join(sorted(left_out))}", flush=True)
    return result


def tally(streams, alarms):
    """Counts of alarms: quakes alerted and prompt, alarms in quiet hours, bursts with an alarm."""
    count = dict(quakes=0, alerted=0, prompt=0, quiet_hours=0.0, quiet_alarms=0)
    bursts = {}
    delays = []
    for stream, times in zip(streams, alarms):
        for a, b in stream.quiet:
            count["quiet_hours"] += (b - a) / 3600
            count["quiet_alarms"] += int(((times > a) & (times < b)).sum())
        if stream.onset and stream.kind == "record":
            count["quakes"] += 1
            late = times[(times > stream.onset - 0.5) & (times < stream.onset + ALERT_S)] - stream.onset
            if len(late):
                count["alerted"] += 1
                count["prompt"] += late[0] <= WITHIN_S
                delays.append(float(late[0]))
        if stream.burst:
            entry = bursts.setdefault(stream.kind, [0, 0])
            entry[0] += bool(((times > stream.burst[0] - 0.5) & (times < stream.burst[1])).any())
            entry[1] += 1
    count["delay_median_s"] = float(np.median(delays)) if delays else None
    return {**count, **{kind: tuple(entry) for kind, entry in bursts.items()}}


def node_alarms(results, threshold, column):
    """Alarm times of the node (gate and network); column 2 is the float model, 3 the int8 one."""
    alarms = []
    for row in results:
        features, score = row[1], row[column]
        gate = np.where(features.ready, features.gate, -32768)
        hops = detector.votes(gate, score, threshold, detector.OPEN, OF_HOPS, VOTES, GATE["on_q8"], GATE["off_q8"])
        alarms.append(features.t[hops])
    return alarms


def choose_threshold(results):
    """The lowest threshold at which at most MOTION_ALARMS of the held-out motion bursts raise an alarm."""
    bursts = [row for row in results if row[0].kind == "motion"]
    for threshold in np.arange(-16, 100) * export.SCALE:
        hit, total = tally([row[0] for row in bursts], node_alarms(bursts, threshold, 3))["motion"]
        if hit <= MOTION_ALARMS * total:
            return float(threshold)
    raise SystemExit("no threshold tells motion from quakes")


def baseline(streams, quiet_alarms):
    """The STA/LTA that alerts most promptly among those with no more alarms in quiet hours: (its parameters, its tally)."""
    best = None
    amplitudes = [detector.amplitude(stream.gal) for stream in streams]
    for short, long_, on in STA_LTA:
        result = tally(streams, [detector.sta_lta(size, short, long_, on, 1.5) for size in amplitudes])
        if result["quiet_alarms"] <= quiet_alarms and (best is None or result["prompt"] > best[1]["prompt"]):
            best = (f"STA {short} s / LTA {long_} s, on {on}, off 1.5", result)
    return best


def toml_tally(name, result, note=None):
    lines = [f"[metrics.{name}]"] + ([f'detector = "{note}"'] if note else [])
    for key, value in result.items():
        if isinstance(value, tuple):
            lines.append(f"{key}_bursts_alerted = {value[0]}")
            lines.append(f"{key}_bursts = {value[1]}")
        elif value is not None:
            lines.append(f"{key} = {round(value, 2) if isinstance(value, float) else int(value)}")
    return lines + [""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the public sources")
    data = parser.parse_args().data
    sources.check(data)
    records, made, held = build(data)

    metrics, threshold = [], None
    for by in ("quakes", "devices"):
        results = cross_validate(records, made, held, by)
        if threshold is None:
            threshold = choose_threshold(results)
        streams = [row[0] for row in results]
        for column, name in ((2, "float"), (3, "int8")):
            result = tally(streams, node_alarms(results, threshold, column))
            metrics += toml_tally(f"{by}_held_out.{name}", result)
            print(by, name, result, flush=True)
        note, result = baseline(streams, result["quiet_alarms"])
        metrics += toml_tally(f"{by}_held_out.sta_lta", result, note)
        print(by, note, result, flush=True)

    x, y = training_rows(records + made)
    layers = fit(x, y)
    real, integer = export.float_model(layers), quantized(layers, calibration_rows(x, y))
    onnx.save(real, OUT / "float.onnx")
    onnx.save(integer, OUT / "model.onnx")
    golden(integer, x, y)

    agreement = np.concatenate([export.scores(real, x)[:, None], export.scores(integer, x)[:, None]], axis=1)
    same = (agreement[:, 0] >= threshold) == (agreement[:, 1] >= threshold)
    (OUT / "ranges.toml").write_text(export.frozen_ranges(integer, sources.sha256(OUT / "float.onnx"), CALIBRATION_ROWS))

    step = round(threshold / export.SCALE)
    decision = {"on_score": step, "off_score": OFF, "votes": VOTES, "of_hops": OF_HOPS}
    lines = [
        "# Written by train/train.py; facts for machines. CARD.md explains them.",
        'name = "seismic"',
        'model = "model.onnx"',
        f'model_sha256 = "{sources.sha256(OUT / "model.onnx")}"',
        'licence = "Apache-2.0"',
        f"parameters = {sum(w.size + b.size for w, b in layers)}",
        "",
        *frontend.toml_lines(frontend.front_end(decision, GATE), "front_end"),
        "",
        "[training]",
        'script = "train/train.py"',
        f"seed = {SEED}",
        f"rows = {len(y)}",
        f"threshold = {threshold}",
        f"int8_agrees_with_float = {same.mean():.5f}",
        f'python = "{platform.python_version()}"',
        f'numpy = "{np.__version__}"',
        f'scipy = "{scipy.__version__}"',
        f'scikit_learn = "{sklearn.__version__}"',
        f'onnx = "{onnx.__version__}"',
        f'onnxruntime = "{onnxruntime.__version__}"',
        f'manifest_sha256 = "{sources.sha256(sources.MANIFEST)}"',
        "",
        "[[training.data]]",
        'source = "GitHub openeew/openeew-seismology, commit 5816668, data/"',
        'licence = "Apache-2.0"',
        'files = "train/sources.sha256"',
        "",
        "[[training.data]]",
        'source = "PyPI sktime 1.2.0, datasets/data/BasicMotions/BasicMotions_TRAIN.ts"',
        'licence = "BSD-3-Clause"',
        'files = "train/sources.sha256"',
        "",
        *metrics,
    ]
    (OUT / "model.toml").write_text("\n".join(lines).rstrip() + "\n")


def golden(model, x, y, count=64):
    """Feature rows, extremes first, and ONNX Runtime's scores with graph optimizations off."""
    random = np.random.default_rng(SEED + 5)
    width = x.shape[1]
    rows = [np.full(width, value, np.int8) for value in (0, 127, -128)]
    rows += [random.integers(-128, 128, width).astype(np.int8) for _ in range(13)]
    rows += [x[i] for label in (0, 1) for i in random.choice(np.flatnonzero(y == label), (count - 16) // 2, replace=False)]
    rows = np.array(rows)
    score = export.scores(model, rows)
    steps = np.round(score / export.SCALE).astype(np.int8)
    assert (steps * np.float32(export.SCALE) == score).all()
    folder = OUT / "golden"
    folder.mkdir(exist_ok=True)
    np.save(folder / "features.npy", rows.astype(np.float32) * np.float32(export.INPUT_SCALE))
    np.save(folder / "scores.npy", score[:, None].astype(np.float32))


if __name__ == "__main__":
    main()
