"""Writes models of the shapes of MLPerf Tiny's DS-CNN (keyword spotting) and ResNet-8 (image classification), with random
weights: they are for speed and memory only and recognize nothing.

    venv/bin/python generate.py            ds_cnn.onnx and resnet8.onnx here: int8, QDQ
    venv/bin/python generate.py DIR        the same in DIR, with NAME_uint8.onnx (uint8 activations) and NAME_float.onnx

Weights are normally distributed, each channel with its own spread, and quantized per channel, so that each channel's
largest weight is 127 or -127. Activation scales come from the network's own values over random inputs, rounded to two
digits: the files are the same wherever this runs.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

SAMPLES = 8
"""Random inputs that the activation ranges come from."""


def two_digits(scale):
    return np.float32(f"{scale:.1e}")


class Net:
    """A network, computed in float while it is built; `model` writes it in one of three forms."""

    def __init__(self, name, seed, *shape):
        self.name, self.shape = name, shape
        self.rng = np.random.default_rng(seed)
        self.values = {"input": self.rng.standard_normal((SAMPLES, *shape))}
        self.ranges = {}
        self.layers = []
        self.observe("input", None)

    def observe(self, name, fixed):
        """Notes the int8 parameters of a value: scale and zero point."""
        if fixed:
            self.ranges[name] = fixed
            return
        # The rarest values saturate, as calibration by percentile leaves it.
        low, high = np.quantile(self.values[name], [0.0002, 0.9998])
        low, high = min(low, 0), max(high, 0)
        scale = two_digits((high - low) / 255)
        self.ranges[name] = scale, int(np.clip(np.round(-128 - low / scale), -128, 127))

    def add(self, kind, inputs, value, weights=None, relu=False, fixed=None, **attributes):
        name = f"{kind.lower()}_{len(self.layers)}"
        self.values[name] = np.maximum(value, 0) if relu else value
        self.observe(name, fixed)
        self.layers.append((kind, name, inputs, weights, relu, attributes))
        return name

    def weights(self, x, *shape):
        """Int8 weights, output channel first, with a scale for each; biases in units of the products."""
        outputs = shape[0]
        fan_in = int(np.prod(shape[1:]))
        spread = np.exp(self.rng.normal(0, 0.25, outputs)) * np.sqrt(2 / fan_in)
        real = self.rng.standard_normal(shape) * spread.reshape(-1, *[1] * (len(shape) - 1))
        largest = np.abs(real).reshape(outputs, -1).max(axis=1)
        scales = np.array([two_digits(s) for s in largest / 127])
        whole = np.round(real / (largest / 127).reshape(-1, *[1] * (len(shape) - 1))).astype(np.int8)
        unit = self.ranges[x][0].astype(np.float64) * scales
        bias = np.round(self.rng.normal(0, 0.1, outputs) / unit).astype(np.int32)
        return whole, scales, bias

    def conv(self, x, outputs, kernel, stride=1, relu=True, depthwise=False):
        """Padding as TensorFlow's SAME: what is odd goes behind."""
        value = self.values[x]
        channels = value.shape[1]
        group = channels if depthwise else 1
        w = self.weights(x, outputs, channels // group, *kernel)
        size = value.shape[2:]
        out = [-(-n // stride) for n in size]
        total = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(out, kernel, size)]
        before = [t // 2 for t in total]
        padded = np.pad(value, [(0, 0), (0, 0)] + [(b, t - b) for b, t in zip(before, total)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]
        real, bias = self.real(x, w)
        if depthwise:
            value = np.einsum("bchwij,cij->bchw", windows, real[:, 0])
        else:
            value = np.einsum("bchwij,ocij->bohw", windows, real, optimize=True)
        pads = [*before, *[t - b for b, t in zip(before, total)]]
        value = value + bias.reshape(-1, 1, 1)
        return self.add("Conv", [x], value, w, relu, pads=pads, strides=[stride] * 2, kernel_shape=list(kernel), group=group)

    def real(self, x, w):
        """The numbers that quantized weights and biases stand for."""
        whole, scales, bias = w
        scales = scales.astype(np.float64)
        return whole * scales.reshape(-1, *[1] * (whole.ndim - 1)), bias * scales * self.ranges[x][0]

    def residual(self, a, b):
        return self.add("Add", [a, b], self.values[a] + self.values[b], relu=True)

    def average(self, x):
        kernel = list(self.values[x].shape[2:])
        value = self.values[x].mean(axis=(2, 3), keepdims=True)
        # The strides are the default, but rten does not take a pool without them.
        return self.add("AveragePool", [x], value, fixed=self.ranges[x], kernel_shape=kernel, strides=[1, 1])

    def dense(self, x, outputs):
        value = self.values[x].reshape(SAMPLES, -1)
        w = self.weights(x, outputs, value.shape[1])
        real, bias = self.real(x, w)
        return self.add("Gemm", [x], value @ real.T + bias, w, transB=1)

    def softmax(self, x):
        e = np.exp(self.values[x] - self.values[x].max(axis=1, keepdims=True))
        self.add("Softmax", [x], e / e.sum(axis=1, keepdims=True), fixed=(np.float32(1 / 256), -128), axis=1)

    def model(self, form):
        """The graph: `form` is int8, uint8 (of activations) or float."""
        nodes, constants, quantized = [], [], {}
        element = np.uint8 if form == "uint8" else np.int8

        def constant(name, array):
            constants.append(numpy_helper.from_array(array, name))
            return name

        def node(kind, inputs, output, **attributes):
            nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
            return output

        def pair(name, source):
            """What the value is after rounding to 8 bits."""
            if form == "float":
                return source
            scale, zero = self.ranges[name]
            ends = [constant(f"{name}.scale", scale), constant(f"{name}.zero", element(zero + 128 * (form == "uint8")))]
            return node("DequantizeLinear", [node("QuantizeLinear", [source, *ends], f"{name}.q"), *ends], f"{name}.dq")

        def operands(name, x, w):
            whole, scales, bias = w
            if form == "float":
                real, bias = self.real(x, w)
                return [constant(f"{name}.{i}", a.astype(np.float32)) for i, a in (("weight", real), ("bias", bias))]
            unit = scales * self.ranges[x][0]
            return [
                node(
                    "DequantizeLinear",
                    [
                        constant(f"{name}.{kind}.q", array),
                        constant(f"{name}.{kind}.scale", scale),
                        constant(f"{name}.{kind}.zero", np.zeros(len(scale), array.dtype)),
                    ],
                    f"{name}.{kind}",
                    axis=0,
                )
                for kind, array, scale in (("weight", whole, scales), ("bias", bias, unit))
            ]

        quantized["input"] = pair("input", "input")
        for kind, name, inputs, w, relu, attributes in self.layers:
            sources = [quantized[i] for i in inputs]
            if kind == "Gemm":
                sources = [node("Flatten", sources, f"{name}.flat", axis=1)]
            if w:
                sources += operands(name, inputs[0], w)
            y = node(kind, sources, name, **attributes)
            if relu:
                y = node("Relu", [y], f"{name}.relu")
            quantized[name] = pair(name, y)
        last = self.layers[-1][1]
        shape = [1, *self.values[last].shape[1:]]
        graph = helper.make_graph(
            nodes,
            self.name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *self.shape])],
            [helper.make_tensor_value_info(quantized[last], TensorProto.FLOAT, shape)],
            constants,
            doc_string="Random weights: for speed only.",
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        checker.check_model(model, full_check=True)
        return model


def ds_cnn():
    net = Net("ds_cnn", 1, 1, 49, 10)
    x = net.conv("input", 64, (10, 4), stride=2)
    for _ in range(4):
        x = net.conv(net.conv(x, 64, (3, 3), depthwise=True), 64, (1, 1))
    net.softmax(net.dense(net.average(x), 12))
    return net


def resnet8():
    net = Net("resnet8", 2, 3, 32, 32)
    x = net.conv("input", 16, (3, 3))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, channels, (3, 3), stride), channels, (3, 3), relu=False)
        if stride > 1:
            x = net.conv(x, channels, (1, 1), stride, relu=False)
        x = net.residual(x, y)
    net.softmax(net.dense(net.average(x), 10))
    return net


def main(arguments):
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    for net in (ds_cnn(), resnet8()):
        save(net.model("int8"), folder / f"{net.name}.onnx")
        if arguments:
            save(net.model("uint8"), folder / f"{net.name}_uint8.onnx")
            save(net.model("float"), folder / f"{net.name}_float.onnx")


if __name__ == "__main__":
    main(sys.argv[1:])
