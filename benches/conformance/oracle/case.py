"""Building of test cases: seeded data, multipliers, and the evaluation of every step by the oracle.

A case is a list of inputs and a list of steps. Tensors are numbered: first the inputs, then each step's output.
"""

from fractions import Fraction
from math import prod
from random import Random

import ops_norm
import ops_selection
from ops import OPS as WINDOWED_AND_ELEMENTWISE
from ops import SUMS
from ops_i16 import OPS_I16

OPS = WINDOWED_AND_ELEMENTWISE | ops_selection.OPS | ops_norm.OPS | OPS_I16
RANGE = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int32": (-(1 << 31), (1 << 31) - 1)}
BYTES = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4}
ROUNDINGS = ("tflite", "single")
FULL = {"low": -128, "high": 127}

# Constants of 32-bit words; the others are bytes.
WIDE_CONSTANTS = {"bias", "mantissas", "exponentials", "indices", "rows", "row_weights", "columns", "column_weights",
                  "gamma", "beta"}

# What a case may take to run on a machine with 16 KB of RAM and 256 KB of flash.
SMALL_TENSOR_BYTES = 384
SMALL_CONST_BYTES = 320


def pack(values, type):
    """Little-endian hex of integers."""
    low, high = RANGE[type]
    assert all(low <= v <= high for v in values), "value out of range"
    return b"".join(v.to_bytes(BYTES[type], "little", signed=low < 0) for v in values).hex()


def multiplier(real):
    """(mantissa, shift) of a real number given as a fraction: mantissa in [2^30, 2^31), shift > 0 is left."""
    real = Fraction(real)
    if real == 0:
        return 0, 0
    shift = 0
    while real >= 1:
        real, shift = real / 2, shift + 1
    while real < Fraction(1, 2):
        real, shift = real * 2, shift - 1
    mantissa = (real * (1 << 31) + Fraction(1, 2)).__floor__()
    if mantissa == 1 << 31:
        mantissa, shift = 1 << 30, shift + 1
    return (0, 0) if shift < -31 else (mantissa, shift)


class Data:
    """Seeded integers; the seed is the case's name."""

    def __init__(self, seed):
        self.random = Random(seed)

    def uniform(self, count, type="int8"):
        low, high = RANGE[type]
        return [self.random.randrange(low, high + 1) for _ in range(count)]

    def extreme(self, count, values=(-128, 127)):
        return [values[self.random.randrange(len(values))] for _ in range(count)]

    def between(self, low, high):
        return self.random.randrange(low, high + 1)

    def fit(self, op, inputs, attrs, weights, shape, per_channel=True):
        """Constants under which the outputs of a weighted operator spread over [low, high], a few beyond it."""
        sums = SUMS[op](inputs, attrs, weights, shape)
        co = shape[-1]
        columns = [sums[c::co] for c in range(co)]
        middles = [(max(column) + min(column)) // 2 for column in columns]
        reaches = [max(1, (max(column) - min(column)) // 2, abs(middle) // 3) for column, middle in zip(columns, middles)]
        if not per_channel:
            reaches = [max(reaches)] * co
        width = attrs["high"] - attrs["low"] + 1
        centre = (attrs["high"] + attrs["low"]) // 2 - attrs["output_zero_point"]
        reals = [Fraction(width * 9, 20 * reach) for reach in reaches]
        if per_channel:
            reals = [real * Fraction(self.between(800, 1200), 1000) for real in reals]
        pairs = [multiplier(real) for real in reals]
        bias = [round(centre / real) - middle + self.between(-reach // 3, reach // 3)
                for real, middle, reach in zip(reals, middles, reaches)]
        pairs = pairs if per_channel else pairs[:1]
        return {"weights": weights, "bias": bias, "mantissas": [m for m, _ in pairs], "shifts": [s for _, s in pairs]}


def const_bytes(op, name):
    """The size of an element of a constant."""
    if op.endswith("_i16") and name in ("bias", "table", "tables"):
        return 8 if name == "bias" else 2
    return 4 if name in WIDE_CONSTANTS else 1


class Case:
    """Collects steps and evaluates each at once, so that later steps may depend on what came out."""

    def __init__(self, name):
        self.name = name
        self.tensors, self.inputs, self.steps = [], [], []
        self.const_bytes = 0

    def input(self, shape, data, type="int8"):
        return self._tensor(shape, data, type, self.inputs)

    def _tensor(self, shape, data, type, where=None):
        shape, data = tuple(shape), list(data)
        assert len(data) == prod(shape) and 1 <= len(shape) <= 6 and all(n >= 1 for n in shape)
        record = {"shape": list(shape), "type": type, "data": pack(data, type)}
        if where is not None:
            where.append(record)
        self.tensors.append((shape, data, type))
        return len(self.tensors) - 1

    def shape(self, index):
        return self.tensors[index][0]

    def data(self, index):
        return self.tensors[index][1]

    def step(self, op, rounding, inputs, shape, attrs, consts=None, type="int8"):
        consts = consts or {}
        views = [self.tensors[i][:2] for i in inputs]
        output = OPS[op](views, attrs, consts, rounding, tuple(shape))
        index = self._tensor(shape, output, type)
        record = {"shape": list(shape), "type": type, "data": pack(output, type)}
        written = {}
        for name, values in consts.items():
            bytes = const_bytes(op, name)
            written[name] = pack(values, "int8") if bytes == 1 else list(values)
            self.const_bytes += len(values) * bytes
        self.steps.append({"op": op, "rounding": rounding, "attrs": attrs, "consts": written, "inputs": list(inputs),
                           "output": record})
        return index

    def record(self):
        """The case as it is written; `small` if it fits the smallest machine (the generator chooses among those)."""
        size = sum(prod(shape) * BYTES[type] for shape, _, type in self.tensors)
        small = size <= SMALL_TENSOR_BYTES and self.const_bytes <= SMALL_CONST_BYTES
        return {"name": self.name, "small": small, "inputs": self.inputs, "steps": self.steps}


def single_step(name, op, rounding, inputs, shape, attrs, consts=None, type="int8"):
    """A case of one step. `inputs`: (shape, data) or (shape, data, type) each."""
    case = Case(name)
    ids = [case.input(*i) for i in inputs]
    case.step(op, rounding, ids, shape, attrs, consts, type)
    return case.record()
