"""The operators with states, in exact integers: inputs and states in, output and new states out."""

from math import prod

from arith import MB, clamp, wrap32

# sigmoid(i / 24) in units of 2^-16, as TensorFlow Lite has it (kernels/internal/common.cc).
SIGMOID = (
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794, 41432, 42064, 42688,
    43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409,
    51865, 52311, 52745, 53169, 53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
    57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110,
    61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186,
    63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
    64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900,
    64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208,
    65221, 65234, 65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
    65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433, 65438, 65442, 65445, 65449,
    65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491,
    65493, 65495, 65497, 65498, 65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
    65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530,
    65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
    65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
)
RANGE = {"int8": (-128, 127), "int16": (-32768, 32767)}


def sat16(x):
    return clamp(x, -32768, 32767)


def MBW(a, m, s, rounding):
    """A 64-bit accumulator scaled: the whole mantissa in one rounding, 16 bits of it in TensorFlow Lite's."""
    if rounding == "single":
        return clamp((a * m + (1 << (30 - s))) >> (31 - s), -(1 << 31), (1 << 31) - 1)
    short = min((m + (1 << 15)) >> 16, 32767)
    return wrap32((a * short + (1 << (14 - s))) >> (15 - s))


def interpolate(v, bits):
    """S at v / 2^bits, times 2^bits; None beyond the table."""
    n, e = divmod(v, 1 << bits)
    return None if n >= 255 else (SIGMOID[n] << bits) + e * (SIGMOID[n + 1] - SIGMOID[n])


def sigmoid(v):
    p = interpolate(abs(v), 9)
    p = 32767 * 1024 if p is None else p
    return (p + 512) >> 10 if v >= 0 else ((1 << 25) - p + 511) >> 10


def tanh(v):
    p = interpolate(abs(v), 8)
    p = 65535 * 256 if p is None else p
    return (p - (1 << 23) + 128) >> 8 if v >= 0 else ((1 << 23) - p + 127) >> 8


def svdf(inputs, states, attrs, consts, rounding, shape, type, state_types):
    ((batch, width), x), = inputs
    (past,), units, rank = states, shape[1], attrs["rank"]
    filters = units * rank
    memory = len(consts["time_weights"]) // filters
    low, high = RANGE[state_types[0]]
    zx, zs, zy = attrs["input_zero_point"], attrs["state_zero_point"], attrs["output_zero_point"]
    past, y = list(past), []
    for b in range(batch):
        for f in range(filters):
            row = consts["feature_weights"][f * width:(f + 1) * width]
            total = sum((a - zx) * w for a, w in zip(x[b * width:(b + 1) * width], row))
            taken = clamp(MB[rounding](total, attrs["feature_mantissa"], attrs["feature_shift"]) + zs, low, high)
            at = (b * filters + f) * memory
            past[at:at + memory] = past[at + 1:at + memory] + [taken]
        for u in range(units):
            at = (b * filters + u * rank) * memory
            row = consts["time_weights"][u * rank * memory:(u + 1) * rank * memory]
            total = consts["bias"][u] + sum((a - zs) * w for a, w in zip(past[at:at + rank * memory], row))
            y.append(clamp(MB[rounding](wrap32(total), attrs["mantissa"], attrs["shift"]) + zy, -128, 127))
    return y, [past]


class Layer:
    """Sizes and weighted sums of a recurrent step."""

    def __init__(self, shape_x, x, attrs, consts, rounding, shape_y, type):
        self.x, self.attrs, self.consts, self.rounding, self.wide = x, attrs, consts, rounding, type == "int16"
        first, second, self.inputs = shape_x
        self.units, self.time_major = shape_y[2], attrs["time_major"] == 1
        self.steps, self.batch = (first, second) if self.time_major else (second, first)
        self.low, self.high = RANGE[type]

    def row(self, t, b):
        return t * self.batch + b if self.time_major else b * self.steps + t

    def input(self, t, b):
        at = self.row(t, b) * self.inputs
        return self.x[at:at + self.inputs]

    def times(self):
        return range(self.steps - 1, -1, -1) if self.attrs["reverse"] else range(self.steps)

    def scale(self, total, which, gate, unit):
        mantissas, shifts = self.consts[f"{which}_mantissas"], self.consts[f"{which}_shifts"]
        at = gate * self.units + unit if len(shifts) == len(self.consts["bias"]) else gate
        if self.wide:
            return sat16(MBW(total, mantissas[at], shifts[at], self.rounding))
        return sat16(MB[self.rounding](total, mantissas[at], shifts[at]))

    def weighted_input(self, gate, unit, x):
        at = gate * self.units + unit
        row = self.consts["input_weights"][at * self.inputs:(at + 1) * self.inputs]
        total = self.consts["bias"][at] + sum((a - self.attrs["input_zero_point"]) * w for a, w in zip(x, row))
        return self.scale(total, "input", gate, unit)

    def weighted(self, gate, unit, values, bias=0):
        at = (gate * self.units + unit) * self.units
        row = self.consts["recurrent_weights"][at:at + self.units]
        return self.scale(bias + sum(a * w for a, w in zip(values, row)), "recurrent", gate, unit)

    def multiply(self, a, name):
        return MB[self.rounding](a, self.attrs[f"{name}_mantissa"], self.attrs[f"{name}_shift"])

    def run(self, states, starts, step):
        """`step` gives hidden values and new states of one sequence for one time."""
        states = [list(state) for state in (states if self.attrs["keep"] else starts)]
        y = [None] * (self.batch * self.steps * self.units)
        for b in range(self.batch):
            span = slice(b * self.units, (b + 1) * self.units)
            for t in self.times():
                own = step(self.input(t, b), [state[span] for state in states])
                for state, values in zip(states, own):
                    state[span] = values
                at = self.row(t, b) * self.units
                y[at:at + self.units] = own[0]
        return y, states


def lstm(inputs, states, attrs, consts, rounding, shape, type, state_types, starts):
    ((shape_x, x),) = inputs
    layer = Layer(shape_x, x, attrs, consts, rounding, shape, type)
    zh, bits, clip = attrs["hidden_zero_point"], attrs["cell_bits"], attrs["cell_clip"]

    def step(x, own):
        h, c = own
        centred = [v - zh for v in h]
        new_h, new_c = [], []
        for u in range(layer.units):
            a = [sat16(layer.weighted_input(k, u, x) + layer.weighted(k, u, centred)) for k in range(4)]
            i, f, g, o = sigmoid(3 * a[0]), sigmoid(3 * a[1]), tanh(3 * a[2]), sigmoid(3 * a[3])
            cell = sat16(sat16(layer.multiply(f * c[u], "forget")) + sat16(layer.multiply(i * g, "update")))
            cell = clamp(cell, -clip, clip) if clip else cell
            brought = cell * 3 << (12 - bits) if bits <= 12 else (3 * cell + (1 << (bits - 13))) >> (bits - 12)
            new_h.append(clamp(layer.multiply(o * tanh(brought), "hidden") + zh, layer.low, layer.high))
            new_c.append(cell)
        return new_h, new_c

    return layer.run(states, starts, step)


def gru(inputs, states, attrs, consts, rounding, shape, type, state_types, starts):
    ((shape_x, x),) = inputs
    layer = Layer(shape_x, x, attrs, consts, rounding, shape, type)
    zh, linear, units = attrs["hidden_zero_point"], attrs["linear_before_reset"] == 1, layer.units
    reset_bits = 15 if layer.wide else 11

    def step(x, own):
        (h,) = own
        centred = [v - zh for v in h]
        gate = lambda k, u: sigmoid(3 * sat16(layer.weighted_input(k, u, x) + layer.weighted(k, u, centred)))
        r = [gate(1, u) for u in range(units)]
        left = [(a * b + (1 << (reset_bits - 1))) >> reset_bits for a, b in zip(r, centred)]
        new = []
        for u in range(units):
            if linear:
                b = (r[u] * layer.weighted(2, u, centred, consts["recurrent_bias"][u]) + (1 << 14)) >> 15
            else:
                b = layer.weighted(2, u, left)
            n, z = tanh(3 * sat16(layer.weighted_input(2, u, x) + b)), gate(0, u)
            mixed = (32768 - z) * n + z * sat16(layer.multiply(centred[u], "unit"))
            new.append(clamp(layer.multiply(mixed, "hidden") + zh, layer.low, layer.high))
        return (new,)

    return layer.run(states, starts, step)


def kept(op):
    """An operator whose states always stay."""
    return lambda *args: op(*args[:-1])


OPS = {"svdf": kept(svdf), "lstm": lstm, "lstm_i16": lstm, "gru": gru, "gru_i16": gru}


def run(op, runs, shape_x, starts, attrs, consts, rounding, shape, type, state_types):
    """Outputs of several runs in a row; `runs`: the input's values for each."""
    assert all(len(x) == prod(shape_x) for x in runs)
    states, outputs = [list(start) for start in starts], []
    for x in runs:
        y, states = OPS[op](
            [(tuple(shape_x), x)], states, attrs, consts, rounding, tuple(shape), type, state_types, starts
        )
        outputs.append(y)
    return outputs
