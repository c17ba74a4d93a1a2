"""Builds small int8 TFLite models, one method per operator.

Shapes are NHWC, weights OHWI (depthwise 1HWC). A `Value` is a tensor that an operator made or the model takes; every
method returns one, so that nets compose by nesting calls. Weights are drawn from a generator seeded with the model's name.
"""

import zlib
from dataclasses import dataclass

import flatbuffers
import numpy as np
from tflite_micro.python.tflite_micro.runtime import schema_fb as fb

TYPES = {
    "i4": (np.int8, fb.TensorType.INT4),
    "i8": (np.int8, fb.TensorType.INT8),
    "u8": (np.uint8, fb.TensorType.UINT8),
    "i16": (np.int16, fb.TensorType.INT16),
    "i32": (np.int32, fb.TensorType.INT32),
    "i64": (np.int64, fb.TensorType.INT64),
    "f32": (np.float32, fb.TensorType.FLOAT32),
}
SAME, VALID = fb.Padding.SAME, fb.Padding.VALID
ACTIVATION = {
    None: fb.ActivationFunctionType.NONE,
    "relu": fb.ActivationFunctionType.RELU,
    "relu6": fb.ActivationFunctionType.RELU6,
    "relu_n1_to_1": fb.ActivationFunctionType.RELU_N1_TO_1,
    "tanh": fb.ActivationFunctionType.TANH,
}


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its index, shape, element type, scale and zero point."""

    index: int
    shape: tuple
    dtype: str
    scale: float
    zero_point: int


def pair(x):
    """`x` as (height, width)."""
    return x if isinstance(x, tuple) else (x, x)


def nibbles(values):
    """Values in [-8, 7] two to a byte, the first in the low half."""
    flat = np.append(np.ravel(values), 0)[: (np.size(values) + 1) // 2 * 2]
    return (flat[0::2] & 15 | flat[1::2] << 4).astype(np.uint8)


def window(size, kernel, stride, dilation, padding):
    """Output extent of a sliding window."""
    span = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - span) // stride + 1


class Net:
    def __init__(self, name):
        self.name, self.rng = name, np.random.default_rng(zlib.crc32(name.encode()))
        self.tensors, self.operators, self.codes, self.inputs = [], [], [], []
        self.functions = []  # Subgraphs after the main one.
        self.buffers = [fb.BufferT()]  # The first stands for "no data".

    # Tensors.

    def tensor(self, shape, dtype="i8", scale=None, zero_point=0, data=None, axis=0):
        """Adds a tensor; `scale` None: not quantized, a list: one per index of `axis`; `data`: a constant."""
        tensor = fb.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), TYPES[dtype][1], f"t{len(self.tensors)}".encode()
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            points = np.broadcast_to(zero_point, scales.shape)
            tensor.quantization = fb.QuantizationParametersT(
                scale=scales, zeroPoint=points.astype(np.int64), quantizedDimension=axis
            )
        if data is not None:
            tensor.buffer = len(self.buffers)
            array = np.ascontiguousarray(data, TYPES[dtype][0])
            raw = nibbles(array) if dtype == "i4" else np.frombuffer(array.tobytes(), np.uint8)
            self.buffers.append(fb.BufferT(data=raw))
        self.tensors.append(tensor)
        return Value(len(self.tensors) - 1, tuple(shape), dtype, scale, zero_point)

    def input(self, *shape, dtype="i8", scale=0.05, zero_point=-3):
        """An input; see `input_i16` for 16 bits."""
        value = self.tensor(shape, dtype, None if dtype == "f32" else scale, zero_point)
        self.inputs.append(value.index)
        return value

    def input_i16(self, *shape, scale=0.0002):
        """A 16-bit input: what follows it has 16 bits and zero point 0 too."""
        return self.input(*shape, dtype="i16", scale=scale, zero_point=0)

    def ints(self, values):
        """A constant i32 vector (a scalar where `values` is an int)."""
        array = np.asarray(values, np.int32)
        return self.tensor(array.shape, "i32", data=array)

    def constant(self, *shape, scale=0.03, zero_point=4):
        """A constant i8 tensor over the whole range."""
        return self.tensor(shape, scale=scale, zero_point=zero_point, data=self.rng.integers(-128, 128, shape))

    def constant_i16(self, *shape, scale=0.0001):
        """A constant i16 tensor over the whole range."""
        return self.tensor(shape, "i16", scale, data=self.rng.integers(-32768, 32768, shape))

    def op(self, name, inputs, shapes, options=None, dtype=None, scale=None, zero_point=0):
        """Adds operator `name`: inputs are Values (None: absent); one output per shape; returns it, or the list of several.

        Without a type outputs are i8, or i16 with zero point 0 if an input is.
        """
        if dtype is None:
            wide = any(x is not None and x.dtype == "i16" for x in inputs)
            dtype, zero_point = ("i16", 0) if wide else ("i8", zero_point)
        outputs = [self.tensor(shape, dtype, scale, zero_point) for shape in shapes]
        code = getattr(fb.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        operator = fb.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs = [-1 if x is None else x.index for x in inputs]
        operator.outputs = [x.index for x in outputs]
        if options is not None:
            operator.builtinOptionsType = getattr(fb.BuiltinOptions, type(options).__name__[:-1])
            operator.builtinOptions = options
        self.operators.append(operator)
        return outputs[0] if len(outputs) == 1 else outputs

    def like(self, name, x, shapes, inputs=(), options=None):
        """An operator that moves data: its outputs keep the quantization of `x`."""
        return self.op(name, (x, *inputs), shapes, options, x.dtype, x.scale, x.zero_point)

    # Operators with weights. `gain` scales the output scale: small gains saturate.

    def weights(self, x, shape, axis, per_channel, bias, depth, gain, extreme):
        """Filter and bias tensors and the output scale that keeps most outputs in range."""
        channels = shape[axis]
        data = self.rng.choice([-127, 127], shape) if extreme else self.rng.integers(-127, 128, shape)
        scales = self.rng.uniform(0.002, 0.02, channels if per_channel else 1).astype(np.float32)
        w = self.tensor(shape, scale=scales, data=data, axis=axis)
        b = None
        wide = x.dtype == "i16"
        if bias:
            reach = depth << 14 if wide else 64 * depth
            dtype = ("i64" if wide else "i32") if bias is True else bias
            values = self.rng.integers(-reach, reach, channels)
            b = self.tensor((channels,), dtype, np.float32(x.scale) * scales, data=values)
        return w, b, float(x.scale * scales.mean() * (128 if wide else 50) * depth**0.5) * gain

    def conv(
        self,
        x,
        channels,
        kernel,
        stride=1,
        padding=SAME,
        dilation=1,
        act=None,
        bias=True,
        per_channel=True,
        groups=1,
        gain=1.0,
        scale=None,
        zero_point=5,
        extreme=False,
    ):
        (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
        n, h, w, c = x.shape
        filters, b, auto = self.weights(
            x, (channels, kh, kw, c // groups), 0, per_channel, bias, kh * kw * c // groups, gain, extreme
        )
        shape = (n, window(h, kh, sh, dh, padding), window(w, kw, sw, dw, padding), channels)
        options = fb.Conv2DOptionsT(padding, sw, sh, ACTIVATION[act], dw, dh)
        return self.op(
            "CONV_2D", [x, filters] + [b] * bool(bias), [shape], options, scale=scale or auto, zero_point=zero_point
        )

    def depthwise(
        self,
        x,
        kernel,
        multiplier=1,
        stride=1,
        padding=SAME,
        dilation=1,
        act=None,
        bias=True,
        per_channel=True,
        gain=1.0,
        zero_point=-7,
    ):
        (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
        n, h, w, c = x.shape
        filters, b, scale = self.weights(x, (1, kh, kw, c * multiplier), 3, per_channel, bias, kh * kw, gain, False)
        shape = (n, window(h, kh, sh, dh, padding), window(w, kw, sw, dw, padding), c * multiplier)
        options = fb.DepthwiseConv2DOptionsT(padding, sw, sh, multiplier, ACTIVATION[act], dw, dh)
        return self.op(
            "DEPTHWISE_CONV_2D", [x, filters] + [b] * bool(bias), [shape], options, scale=scale, zero_point=zero_point
        )

    def dense(self, x, units, act=None, bias=True, per_channel=False, keep_dims=False, gain=1.0, zero_point=9):
        depth = x.shape[-1] if keep_dims else int(np.prod(x.shape[1:]))
        filters, b, scale = self.weights(x, (units, depth), 0, per_channel, bias, depth, gain, False)
        shape = (*x.shape[:-1], units) if keep_dims else (x.shape[0], units)
        options = fb.FullyConnectedOptionsT(ACTIVATION[act], 0, keep_dims)
        return self.op("FULLY_CONNECTED", [x, filters, b], [shape], options, scale=scale, zero_point=zero_point)

    def scaled_conv(self, multipliers, bias):
        """A 1x1 convolution of 4 channels whose requantization multipliers are exactly those given."""
        x = self.input(1, 3, 8, 2, scale=0.5, zero_point=1)
        channels = len(multipliers)
        w = self.tensor((channels, 1, 1, 2), scale=multipliers, data=self.rng.integers(-127, 128, (channels, 1, 1, 2)))
        b = self.tensor(
            (channels,), "i32", 0.5 * np.float32(w.scale), data=self.rng.choice([-bias, bias // 2, bias], channels)
        )
        return self.op(
            "CONV_2D", [x, w, b], [(1, 3, 8, channels)], fb.Conv2DOptionsT(SAME, 1, 1), scale=0.5, zero_point=-2
        )

    def precise(self, name, channels, options):
        """CONV_2D or FULLY_CONNECTED with biases that round one way if the multiplier is computed in f64, the other in f32.

        Only the zero stream leaves the bias alone: its products are zero.
        """
        x = self.input(1, 1, 1, 3, scale=0.0235283, zero_point=0)
        w_scale, y_scale = np.float32(0.00713), np.float32(1777.7)
        d64 = float(np.float32(x.scale)) * float(w_scale) / float(y_scale)
        d32 = float(np.float32(x.scale) * w_scale) / float(y_scale)
        ties = (np.arange(channels) + 80.5) * (1 / d64 + 1 / d32) / 2
        shape = (channels, 3) if name == "FULLY_CONNECTED" else (channels, 1, 1, 3)
        w = self.tensor(shape, scale=w_scale, data=self.rng.integers(-127, 128, shape))
        b = self.tensor((channels,), "i32", np.float32(x.scale) * w_scale, data=np.rint(ties))
        shape = (1, channels) if name == "FULLY_CONNECTED" else (1, 1, 1, channels)
        return self.op(name, [x, w, b], [shape], options, scale=y_scale, zero_point=0)

    def dense_zero_point(self, x, units, scale, zero_point):
        """A fully connected layer whose weights have a zero point."""
        depth = x.shape[-1]
        w = self.tensor(
            (units, depth), scale=scale, zero_point=zero_point, data=self.rng.integers(-127, 128, (units, depth))
        )
        return self.op("FULLY_CONNECTED", [x, w, None], [(x.shape[0], units)], fb.FullyConnectedOptionsT(), scale=0.13)

    # Pooling and means.

    def pool(self, name, x, kernel, stride=1, padding=VALID, act=None):
        (kh, kw), (sh, sw) = pair(kernel), pair(stride)
        n, h, w, c = x.shape
        shape = (n, window(h, kh, sh, 1, padding), window(w, kw, sw, 1, padding), c)
        return self.like(name, x, [shape], options=fb.Pool2DOptionsT(padding, sw, sh, kw, kh, ACTIVATION[act]))

    def mean(self, x, axes, keep_dims=True, scale=None, zero_point=None):
        reduced = [a % len(x.shape) for a in axes]
        kept = [1 if i in reduced else n for i, n in enumerate(x.shape)]
        shape = kept if keep_dims else [n for i, n in enumerate(x.shape) if i not in reduced]
        return self.op(
            "MEAN",
            [x, self.ints(axes)],
            [shape],
            fb.ReducerOptionsT(keep_dims),
            scale=scale or x.scale,
            zero_point=x.zero_point if zero_point is None else zero_point,
        )

    # Elementwise operators.

    def binary(self, name, a, b, act=None, scale=0.1, zero_point=-4):
        options = {"ADD": fb.AddOptionsT, "SUB": fb.SubOptionsT, "MUL": fb.MulOptionsT}[name](ACTIVATION[act])
        shape = np.broadcast_shapes(a.shape, b.shape)
        return self.op(name, [a, b], [shape], options, scale=scale, zero_point=zero_point)

    def unary(self, name, x, options=None, scale=None, zero_point=None, dtype=None):
        """Elementwise; keeps the quantization of `x` unless told."""
        scale = None if dtype == "f32" else scale or x.scale
        return self.op(name, [x], [x.shape], options, dtype, scale, x.zero_point if zero_point is None else zero_point)

    def leaky_relu(self, x, alpha, scale=None, zero_point=None):
        return self.unary("LEAKY_RELU", x, fb.LeakyReluOptionsT(alpha), scale, zero_point)

    def prelu(self, x, alpha, scale=0.04, zero_point=6):
        return self.op("PRELU", [x, alpha], [x.shape], scale=scale, zero_point=zero_point)

    def softmax(self, x, beta=1.0):
        return self.unary("SOFTMAX", x, fb.SoftmaxOptionsT(beta), 1 / 32768 if x.dtype == "i16" else 1 / 256, -128)

    def logistic(self, x):
        return self.unary("LOGISTIC", x, None, 1 / 32768 if x.dtype == "i16" else 1 / 256, -128)

    def tanh(self, x):
        return self.unary("TANH", x, None, 1 / 32768 if x.dtype == "i16" else 1 / 128, 0)

    def quantize(self, x, dtype, scale, zero_point):
        return self.unary("QUANTIZE", x, fb.QuantizeOptionsT(), scale, zero_point, dtype)

    def dequantize(self, x):
        return self.unary("DEQUANTIZE", x, fb.DequantizeOptionsT(), dtype="f32")

    # Operators that move data.

    def pad(self, x, pads, value=None):
        """`pads`: (before, after) per axis; `value`: the raw fill of PADV2, None for PAD."""
        shape = [n + before + after for n, (before, after) in zip(x.shape, pads)]
        if value is None:
            return self.like("PAD", x, [shape], [self.ints(pads)], fb.PadOptionsT())
        fill = self.tensor((), x.dtype, x.scale, x.zero_point, data=value)
        return self.like("PADV2", x, [shape], [self.ints(pads), fill], fb.PadV2OptionsT())

    def concat(self, values, axis, act=None):
        shape = list(values[0].shape)
        shape[axis] = sum(v.shape[axis] for v in values)
        return self.like(
            "CONCATENATION", values[0], [shape], values[1:], fb.ConcatenationOptionsT(axis, ACTIVATION[act])
        )

    def split(self, x, parts, axis):
        shape = list(x.shape)
        shape[axis] //= parts
        return self.op(
            "SPLIT", [self.ints(axis), x], [shape] * parts, fb.SplitOptionsT(parts), x.dtype, x.scale, x.zero_point
        )

    def split_v(self, x, sizes, axis):
        shapes = [[s if i == axis % len(x.shape) else n for i, n in enumerate(x.shape)] for s in sizes]
        return self.like("SPLIT_V", x, shapes, [self.ints(sizes), self.ints(axis)], fb.SplitVOptionsT(len(sizes)))

    def slice(self, x, begin, size):
        shape = [n - b if s == -1 else s for n, b, s in zip(x.shape, begin, size)]
        return self.like("SLICE", x, [shape], [self.ints(begin), self.ints(size)], fb.SliceOptionsT())

    def strided_slice(
        self, x, begin, end, strides, shape, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_mask=0
    ):
        options = fb.StridedSliceOptionsT(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask)
        return self.like("STRIDED_SLICE", x, [shape], [self.ints(v) for v in (begin, end, strides)], options)

    def reshape(self, x, shape):
        return self.like("RESHAPE", x, [shape], [self.ints(shape)], fb.ReshapeOptionsT(list(shape)))

    def squeeze(self, x, axes):
        shape = [n for i, n in enumerate(x.shape) if i not in axes]
        return self.like("SQUEEZE", x, [shape], options=fb.SqueezeOptionsT(list(axes)))

    def expand_dims(self, x, axis):
        shape = list(x.shape)
        shape.insert(axis % (len(shape) + 1), 1)
        return self.like("EXPAND_DIMS", x, [shape], [self.ints(axis)], fb.ExpandDimsOptionsT())

    def transpose(self, x, perm):
        return self.like("TRANSPOSE", x, [[x.shape[p] for p in perm]], [self.ints(perm)], fb.TransposeOptionsT())

    def broadcast_to(self, x, shape):
        return self.like("BROADCAST_TO", x, [shape], [self.ints(shape)])

    def pack(self, values, axis):
        shape = list(values[0].shape)
        shape.insert(axis % (len(shape) + 1), len(values))
        return self.like("PACK", values[0], [shape], values[1:], fb.PackOptionsT(len(values), axis))

    def unpack(self, x, axis):
        shape = list(x.shape)
        count = shape.pop(axis)
        return self.like("UNPACK", x, [shape] * count, options=fb.UnpackOptionsT(count, axis))

    # The file.

    def finish(self, outputs):
        """The model as bytes."""
        graph = fb.SubGraphT()
        graph.tensors, graph.operators, graph.inputs = self.tensors, self.operators, self.inputs
        graph.outputs = [v.index for v in outputs]
        model = fb.ModelT(version=3, subgraphs=[graph, *self.functions], buffers=self.buffers, description=self.name.encode())
        # Codes above 127 do not fit the old field, whose place holder then is 127.
        model.operatorCodes = [fb.OperatorCodeT(min(code, 127), None, 1, code) for code in self.codes]
        packer = flatbuffers.Builder(4096)
        packer.Finish(model.Pack(packer), b"TFL3")
        return bytes(packer.Output())
