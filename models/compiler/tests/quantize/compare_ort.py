"""The quantizer against ONNX Runtime's static quantization: same float model, calibration samples and held-out inputs.

    pip download --no-deps --no-binary pocketsphinx pocketsphinx==5.1.1
    python compare_ort.py TANBO MODELS_DIR pocketsphinx-5.1.1.tar.gz

TANBO is the command line program, MODELS_DIR holds `kws_float.onnx` and `resnet_float.onnx` (MLPerf Tiny's keyword spotting
and image classification networks as float ONNX). Inputs: photographs of scikit-image and scikit-learn, cut and scaled to
32 x 32; speech of pocketsphinx's tests, through the front end that the keyword model was trained with (MFCC of 40 ms
windows every 20 ms, 40 mel bins from 20 to 4000 Hz, 10 coefficients), with gain and noise varied.

Both quantized models are QDQ files; ONNX Runtime runs all without graph optimisations. Held-out inputs come from other
photographs and recordings than the calibration samples. Prints a table in Markdown.
"""

import io
import logging
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import onnxruntime as ort
import scipy.fft
import scipy.io.wavfile
import scipy.ndimage
import skimage.data
import sklearn.datasets
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

CALIBRATION, HELD_OUT, SEEDS = 100, 500, (1, 2, 3)


def images(rng, count, held_out):
    names = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina", "immunohistochemistry", "logo")
    every = [np.asarray(getattr(skimage.data, name)())[..., :3] for name in names]
    every += list(sklearn.datasets.load_sample_images().images)
    pictures = every[1::2] if held_out else every[::2]
    out = np.empty((count, 32, 32, 3), np.float32)
    for i in range(count):
        picture = pictures[rng.integers(len(pictures))]
        side = int(rng.integers(32, min(picture.shape[:2]) + 1))
        top, left = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
        part = picture[top : top + side, left : left + side].astype(np.float32)
        part = scipy.ndimage.zoom(part, (32 / side, 32 / side, 1), order=1)[:32, :32]
        out[i] = np.clip(part[:, :: 1 if rng.random() < 0.5 else -1], 0, 255)
    return out


def mel_weights(bins=40, spectrum=513, rate=16000, low=20.0, high=4000.0):
    mel = lambda f: 1127.0 * np.log1p(f / 700.0)
    edges = np.linspace(mel(low), mel(high), bins + 2)
    at = mel(np.linspace(0, rate / 2, spectrum))[:, None]
    rise = (at - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[None, 2:] - at) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rise, fall))
    weights[0] = 0
    return weights


MEL = mel_weights()
WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(640) / 640)


def mfcc(second):
    frames = np.stack([second[i * 320 : i * 320 + 640] for i in range(49)]) * WINDOW
    energy = np.abs(np.fft.rfft(frames, 1024)) @ MEL
    return (scipy.fft.dct(np.log(energy + 1e-6), type=2, axis=1) / np.sqrt(2 * 40))[:, :10]


def recordings(archive):
    out = []
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            if "/test/data/" not in member.name or not member.name.endswith((".wav", ".raw")) or member.size < 40000:
                continue
            data = tar.extractfile(member).read()
            rate, samples = 16000, np.frombuffer(data[: len(data) // 2 * 2], "<i2")
            if member.name.endswith(".wav"):
                rate, samples = scipy.io.wavfile.read(io.BytesIO(data))
            if rate == 16000 and samples.ndim == 1 and len(samples) >= 20000:
                out.append(samples.astype(np.float64) / 32768)
    return out


def speech(rng, count, held_out, archive):
    every = recordings(archive)
    used = every[1::2] if held_out else every[::2]
    out = np.empty((count, 49, 10, 1), np.float32)
    for i in range(count):
        clip = used[rng.integers(len(used))]
        start = int(rng.integers(0, len(clip) - 16000 + 1))
        second = clip[start : start + 16000]
        second = second / max(1e-3, np.abs(second).max()) * 10 ** rng.uniform(-1.5, 0)
        second = second + rng.normal(size=16000) * 10 ** rng.uniform(-4, -2)
        out[i, :, :, 0] = mfcc(second)
    return out


class Reader(CalibrationDataReader):
    def __init__(self, name, samples):
        self.rows = iter([{name: sample[None]} for sample in samples])

    def get_next(self):
        return next(self.rows, None)


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answers(path, samples):
    model = session(path)
    name = model.get_inputs()[0].name
    return np.concatenate([model.run(None, {name: sample[None]})[0] for sample in samples])


def compare(tanbo, model, make):
    methods = {
        "ONNX Runtime, MinMax": CalibrationMethod.MinMax,
        "ONNX Runtime, Entropy": CalibrationMethod.Entropy,
        "ONNX Runtime, Percentile": CalibrationMethod.Percentile,
    }
    figures = {}
    name = session(model).get_inputs()[0].name
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            calibration, held_out = make(rng, CALIBRATION, False), make(rng, HELD_OUT, True)
            truth = answers(model, held_out)
            np.savez(folder / "calibration.npz", **{name: calibration})
            paths = {"Tanbo": folder / "tanbo.onnx"}
            command = [tanbo, "quantize", model, "--calibrate", folder / "calibration.npz", "--qdq", paths["Tanbo"]]
            subprocess.run([*map(str, command), "-o", str(folder / "tanbo.tnb")], check=True, stdout=subprocess.DEVNULL)
            for label, method in methods.items():
                paths[label] = folder / f"{method.name}.onnx"
                quantize_static(
                    model,
                    paths[label],
                    Reader(name, calibration),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QInt8,
                    weight_type=QuantType.QInt8,
                    calibrate_method=method,
                )
            for label, path in paths.items():
                given = answers(path, held_out)
                agreement = np.mean(given.argmax(1) == truth.argmax(1))
                sqnr = 10 * np.log10(np.sum(truth**2) / np.sum((truth - given) ** 2))
                figures.setdefault(label, []).append((agreement, sqnr))
    return figures


def main(tanbo, folder, archive):
    logging.getLogger().setLevel(logging.ERROR)
    folder = pathlib.Path(folder)
    print(f"{CALIBRATION} calibration samples, {HELD_OUT} held-out inputs, seeds {SEEDS}; one figure per seed.\n")
    print("| model | quantized by | top-1 agreement with float, % | output SQNR, dB |\n|---|---|---|---|")
    for file, make in (
        ("kws_float.onnx", lambda *a: speech(*a, archive)),
        ("resnet_float.onnx", images),
    ):
        for label, rows in compare(tanbo, folder / file, make).items():
            agreement = " ".join(f"{100 * a:.1f}" for a, _ in rows) + f" (mean {100 * np.mean([a for a, _ in rows]):.1f})"
            sqnr = " ".join(f"{s:.1f}" for _, s in rows) + f" (mean {np.mean([s for _, s in rows]):.2f})"
            print(f"| {file} | {label} | {agreement} | {sqnr} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
