"""Models that keep something between runs: `STATEFUL` (judged over several runs in a row) and more of `REFUSED`."""

import numpy as np
from builder import ACTIVATION, TYPES, VALID, Net, Value, fb
from cases import refused

TYPES["resource"] = (np.int32, fb.TensorType.RESOURCE)
STATEFUL = {}
# Runs in a row that a golden holds.
STEPS = 24


def case(name, build):
    assert name not in STATEFUL, name
    STATEFUL[name] = lambda net: outputs if isinstance(outputs := build(StatefulNet(net)), list) else [outputs]


def stateful_refused(name, build):
    refused(name, lambda net: build(StatefulNet(net)))


class StatefulNet:
    """The operators with variables, on a `Net`."""

    def __init__(self, net):
        self.net = net

    def __getattr__(self, name):
        return getattr(self.net, name)

    # Variables.

    def handle(self, name="v"):
        return self.op("VAR_HANDLE", [], [()], fb.VarHandleOptionsT(b"", name.encode()), "resource")

    def read(self, handle, like):
        return self.op(
            "READ_VARIABLE", [handle], [like.shape], fb.ReadVariableOptionsT(), like.dtype, like.scale, like.zero_point
        )

    def assign(self, handle, value):
        self.op("ASSIGN_VARIABLE", [handle, value], [], fb.AssignVariableOptionsT())

    def once(self, values, operators=()):
        """CALL_ONCE of a function that assigns `values`: (name, constant array, like) each."""
        net = self.net
        self.op("CALL_ONCE", [], [], fb.CallOnceOptionsT(1 + len(net.functions)))
        main = net.tensors, net.operators
        net.tensors, net.operators = [], []
        for name, data, like in values:
            constant = self.tensor(like.shape, like.dtype, like.scale, like.zero_point, np.broadcast_to(data, like.shape))
            self.assign(self.handle(name), constant)
        for operator in operators:
            operator(self)
        graph = fb.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = net.tensors, net.operators, [], []
        net.functions.append(graph)
        net.tensors, net.operators = main

    def variable(self, shape, dtype, scale, zero_point=0):
        """A variable tensor, which an operator keeps."""
        value = self.tensor(shape, dtype, scale, zero_point)
        self.tensors[value.index].isVariable = True
        return value

    def matrix(self, *shape, scale, extreme=False):
        data = self.rng.choice([-127, 127], shape) if extreme else self.rng.integers(-127, 128, shape)
        return self.tensor(shape, scale=scale, data=data)

    # Layers.

    def svdf(
        self, x, units, rank, memory, state="i16", act=None, zero_point=-4, state_zero_point=0, gain=1.0, extreme=False,
        bias=True,
    ):
        batch, inputs = x.shape
        filters = units * rank
        wf = self.matrix(filters, inputs, scale=0.007, extreme=extreme)
        top = 32767 if state == "i16" else 127
        times = self.rng.choice([-top, top], (filters, memory)) if extreme else None
        times = self.rng.integers(-top, top + 1, (filters, memory)) if times is None else times
        wt = self.tensor((filters, memory), state, 0.9 / top, data=times)
        scale = float(x.scale * 0.007 * 60 * 70 * inputs**0.5 * 3 / top)
        past = self.variable((batch, filters * memory), state, scale, state_zero_point)
        reach = top * top // 16
        b = self.tensor(
            (units,), "i32", np.float32(scale) * np.float32(0.9 / top), data=self.rng.integers(-reach, reach, units)
        )
        output = scale * 0.5 * top * (rank * memory) ** 0.5 / 100 * gain
        return self.op(
            "SVDF", [x, wf, wt, b if bias else None, past], [(batch, units)], fb.SVDFOptionsT(rank, ACTIVATION[act]),
            "i8", output, zero_point,
        )

    def lstm(
        self, x, units, power=11, time_major=False, clip=0.0, hidden_scale=1 / 128, hidden_zero_point=0, gain=1.0,
        activation="tanh", extra=None, drop=(), cell_scale=None, extreme=False, output=None, diagonal=False,
    ):
        first, second, inputs = x.shape
        batch = second if time_major else first
        wide = x.dtype == "i16"
        scale_x = float(1.5 * gain / (x.scale * (20000 if wide else 70) * 70 * inputs**0.5))
        scale_h = float(1.5 * gain / (0.5 * 70 * units**0.5))
        operands = [x]
        input_scales = [np.float32(scale_x * f) for f in (1, 1.17, 0.83, 0.71)]
        operands += [self.matrix(units, inputs, scale=s, extreme=extreme) for s in input_scales]
        operands += [self.matrix(units, units, scale=scale_h * f, extreme=extreme) for f in (0.9, 1, 1.21, 0.77)]
        operands += [None] * 3
        for scale in input_scales:
            reach = int(0.7 / (x.scale * scale))
            data = self.rng.integers(-reach, reach + 1, units)
            operands.append(self.tensor((units,), "i64" if wide else "i32", np.float32(x.scale) * scale, data=data))
        operands += [None] * 2
        operands.append(self.variable((batch, units), x.dtype, hidden_scale, hidden_zero_point))
        operands.append(self.variable((batch, units), "i16", cell_scale or 2.0**-power))
        operands += [None] * 4
        for i in drop:
            operands[i] = None
        for i, value in (extra or {}).items():
            operands[i] = value(self)
        options = fb.UnidirectionalSequenceLSTMOptionsT(ACTIVATION[activation], clip, 0.0, time_major)
        options.diagonalRecurrentTensors = diagonal
        scale, zero_point = output or (hidden_scale, hidden_zero_point)
        return self.op(
            "UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [(first, second, units)], options, x.dtype, scale, zero_point
        )


def with_variable(build, first=None, shape=(1, 6)):
    """`build(n, handle, x)` with a handle of one variable and an input; `first`: what CALL_ONCE assigns."""

    def construct(n):
        x = n.input(*shape)
        if first is not None:
            n.once([("v", first(n), x)])
        return build(n, n.handle(), x)

    return construct


def delay(n, v, x):
    old = n.read(v, x)
    n.assign(v, x)
    return old


def accumulate(n, v, x):
    total = n.op("ADD", [n.read(v, x), x], [x.shape], fb.AddOptionsT(), "i8", x.scale, x.zero_point)
    n.assign(v, total)
    return total


def like(n, x, shift):
    """Another value with the quantization of `x`."""
    other = n.constant(*x.shape, scale=x.scale, zero_point=x.zero_point + shift)
    return n.op("ADD", [x, other], [x.shape], fb.AddOptionsT(), "i8", x.scale, x.zero_point)


def assign_twice(n, v, x):
    n.assign(v, x)
    first = n.read(v, x)
    n.assign(v, like(n, first, 1))
    return [first, n.read(v, x)]


def old_used_later(n, v, x):
    old = n.read(v, x)
    n.assign(v, like(n, x, 2))
    return n.binary("SUB", old, x)


def old_assigned_back(n, v, x):
    old = n.read(v, x)
    n.assign(v, x)
    between = like(n, n.read(v, x), 1)
    n.assign(v, old)
    return [between, n.read(v, x)]


def swap(n):
    x = n.input(1, 5)
    a, b = n.handle("a"), n.handle("b")
    old_a, old_b = n.read(a, x), n.read(b, x)
    n.assign(a, like(n, old_b, 1))
    n.assign(b, like(n, x, 3))
    return [n.binary("ADD", old_a, old_b), n.read(a, x)]


def exchange(n):
    """Two variables change their values, and take in the input in turn."""
    x = n.input(1, 5)
    a, b = n.handle("a"), n.handle("b")
    old_a, old_b = n.read(a, x), n.read(b, x)
    n.assign(a, old_b)
    n.assign(b, old_a)
    n.assign(a, like(n, n.read(a, x), 2))
    return [old_a, old_b, like(n, x, 1)]


def value_used_after(n, v, x):
    new = like(n, n.read(v, x), 1)
    n.assign(v, new)
    return n.binary("ADD", new, x)


def value_is_output(n, v, x):
    new = like(n, x, 1)
    n.assign(v, new)
    return [new, n.unary("LOGISTIC", new, None, 1 / 256, -128)]


def assigned_to_both(n):
    x = n.input(1, 4)
    a, b = n.handle("a"), n.handle("b")
    old = n.binary("SUB", n.read(a, x), n.read(b, x))
    new = like(n, x, 1)
    n.assign(a, new)
    n.assign(b, like(n, new, 2))
    n.assign(b, new)
    return [old, n.binary("ADD", new, x)]


def one_name_two_handles(n, v, x):
    n.assign(v, like(n, x, 1))
    return n.read(n.handle(), x)


def reshaped(n, v, x):
    old = n.reshape(n.read(v, x), (2, 3))
    n.assign(v, n.reshape(like(n, n.reshape(x, (3, 2)), 1), (1, 6)))
    return n.binary("ADD", old, n.reshape(x, (2, 3)))


def constant_assigned(n, v, x):
    old = n.read(v, x)
    n.assign(v, n.constant(1, 6, scale=x.scale, zero_point=x.zero_point))
    return n.binary("ADD", old, x)


def stream(kernel, channels, once):
    """A causal convolution over the last frames, as streaming networks have them."""

    def construct(n):
        x = n.input(1, 1, 1, channels)
        past = Value(-1, (1, kernel - 1, 1, channels), "i8", x.scale, x.zero_point)
        if once:
            n.once([("past", x.zero_point, past)])
        v = n.handle("past")
        frames = n.concat([n.read(v, past), x], 1)
        begin = [0, 1, 0, 0]
        n.assign(v, n.strided_slice(frames, begin, [1, kernel, 1, channels], [1] * 4, past.shape))
        return n.conv(frames, 3, (kernel, 1), padding=VALID)

    return construct


def pulled_from_inside(n):
    """What is assigned was read before another assignment."""
    x = n.input(1, 4)
    a, b = n.handle("a"), n.handle("b")
    old = n.read(a, x)
    n.assign(a, x)
    n.assign(b, old)
    return [n.read(b, x), like(n, n.read(a, x), 1)]


case("var_delay", with_variable(delay))
case("var_delay_once", with_variable(delay, lambda n: 17))
case("var_delay_image", with_variable(delay, lambda n: n.rng.integers(-128, 128, (1, 6))))
case("var_accumulate", with_variable(accumulate))
case("var_accumulate_image", with_variable(accumulate, lambda n: np.arange(6)))
case("var_assign_twice", with_variable(assign_twice))
case("var_old_used_later", with_variable(old_used_later))
case("var_old_assigned_back", with_variable(old_assigned_back))
case("var_swap", swap)
case("var_exchange", exchange)
case("var_value_used_after", with_variable(value_used_after))
case("var_value_is_output", with_variable(value_is_output))
case("var_assigned_to_both", assigned_to_both)
case("var_one_name_two_handles", with_variable(one_name_two_handles))
case("var_reshaped", with_variable(reshaped))
case("var_constant_assigned", with_variable(constant_assigned))
case("var_pulled_from_inside", pulled_from_inside)
case("var_stream", stream(3, 4, False))
case("var_stream_once", stream(5, 3, True))


@lambda build: case("var_delay_i16", build)
def _(n):
    return delay(n, n.handle(), n.input(2, 3, dtype="i16", scale=0.001, zero_point=0))


@lambda build: case("var_read_only_in_next_run", build)
def _(n):
    x = n.input(1, 3)
    v = n.handle()
    n.assign(v, like(n, n.read(v, x), 2))
    return like(n, x, 1)


for rank, memory in ((1, 1), (1, 4), (2, 3), (3, 8)):
    case(f"svdf_rank{rank}_memory{memory}", lambda n, r=rank, m=memory: n.svdf(n.input(1, 7), 5, r, m))
    case(f"svdf_i8_rank{rank}_memory{memory}", lambda n, r=rank, m=memory: n.svdf(n.input(1, 7), 5, r, m, "i8"))
case("svdf_batch2", lambda n: n.svdf(n.input(2, 6), 3, 2, 4))
case("svdf_i8_batch2", lambda n: n.svdf(n.input(2, 6), 3, 2, 4, "i8"))
case("svdf_relu", lambda n: n.svdf(n.input(1, 6), 4, 2, 3, act="relu", zero_point=-128))
case("svdf_saturating", lambda n: n.svdf(n.input(1, 9, zero_point=-128), 4, 2, 6, gain=0.05))
case("svdf_extreme", lambda n: n.svdf(n.input(1, 9, zero_point=127), 4, 2, 6, extreme=True))
case("svdf_i8_extreme", lambda n: n.svdf(n.input(1, 9, zero_point=127), 4, 2, 6, "i8", extreme=True))
case("svdf_one_unit", lambda n: n.svdf(n.input(1, 1), 1, 1, 2))
case("svdf_net", lambda n: n.dense(n.svdf(n.svdf(n.input(1, 10), 6, 2, 5, act="relu", zero_point=-128), 4, 1, 3), 3))

for kind in ("i8", "i16"):
    source = {"dtype": kind, "scale": 0.05 if kind == "i8" else 0.0002, "zero_point": -3 if kind == "i8" else 0}
    hidden = {} if kind == "i8" else {"hidden_scale": 1 / 32768}
    name = "lstm" if kind == "i8" else "lstm_i16"

    def lstm(title, shape, units, s=source, h=hidden, name=name, **options):
        case(f"{name}_{title}", lambda n: n.lstm(n.input(*shape, **s), units, **{**h, **options}))

    lstm("one_step", (1, 1, 5), 4)
    lstm("five_steps", (1, 5, 3), 6)
    lstm("batch_major", (3, 4, 2), 3)
    lstm("time_major", (4, 3, 2), 3, time_major=True)
    lstm("one_unit", (1, 3, 1), 1)
    lstm("cell_of_15_bits", (1, 4, 3), 4, power=15)
    lstm("cell_of_13_bits", (1, 4, 3), 4, power=13)
    lstm("cell_of_12_bits", (1, 4, 3), 4, power=12)
    lstm("cell_of_9_bits", (1, 4, 3), 4, power=9)
    lstm("cell_of_0_bits", (1, 4, 3), 4, power=0)
    lstm("clip", (1, 6, 3), 4, clip=0.3)
    lstm("saturating", (1, 6, 3), 5, gain=9.0)
    lstm("extreme", (1, 6, 12), 10, gain=2.0, extreme=True)
    if kind == "i8":
        lstm("hidden_zero_point", (1, 4, 3), 4, hidden_scale=0.0061, hidden_zero_point=-17)
        case("lstm_net", lambda n: n.dense(n.lstm(n.lstm(n.input(1, 4, 6), 5), 3), 4))

# The forms that TFLM has no kernel for, or computes otherwise than the file says.
refuse_lstm = lambda name, **o: stateful_refused(f"lstm_{name}", lambda n: n.lstm(n.input(1, 2, 3), 4, **o))
vector = lambda n: n.tensor((4,), "i16", 0.001, data=np.ones(4))
refuse_lstm("peephole", extra={9: vector, 10: vector, 11: vector})
refuse_lstm("projection", extra={16: lambda n: n.matrix(4, 4, scale=0.01)})
refuse_lstm("layer_norm", extra={i: vector for i in range(20, 24)})
refuse_lstm("coupled_input_gate", drop=(1, 5, 12))
refuse_lstm("without_bias", drop=(14,))
refuse_lstm("sigmoid_cell", activation=None)
refuse_lstm("cell_scale", cell_scale=0.0004)
refuse_lstm("negative_clip", clip=-1.0)
refuse_lstm("rescaled_output", output=(0.02, 0))
refuse_lstm("diagonal", diagonal=True)
stateful_refused("svdf_relu_zero_point", lambda n: n.svdf(n.input(1, 6), 4, 2, 3, act="relu", zero_point=-100))
stateful_refused("svdf_without_bias", lambda n: n.svdf(n.input(1, 6), 4, 2, 3, bias=False))
# Up to 2026-10 TFLM adds the zero point after it has saturated, and wraps.
stateful_refused("svdf_state_zero_point_i8", lambda n: n.svdf(n.input(1, 6), 4, 1, 5, "i8", state_zero_point=-9))
stateful_refused("svdf_state_zero_point_i16", lambda n: n.svdf(n.input(1, 6), 4, 2, 3, state_zero_point=3))
stateful_refused("variable_elsewhere", lambda n: n.binary("ADD", n.input(1, 4), n.variable((1, 4), "i8", 0.05)))
stateful_refused("var_i32", lambda n: delay(n, n.handle(), n.input(1, 3, dtype="i32", scale=None)))


@lambda build: stateful_refused("var_rescaled", build)
def _(n):
    x, v = n.input(1, 3), n.handle()
    n.assign(v, n.input(1, 3, scale=0.07))
    return n.read(v, x)


@lambda build: stateful_refused("call_once_late", build)
def _(n):
    x = n.input(1, 3)
    old = delay(n, n.handle(), x)
    n.once([("v", 3, x)])
    return old


@lambda build: stateful_refused("call_once_computes", build)
def _(n):
    x = n.input(1, 3)
    n.once([("v", 3, x)], [lambda n: like(n, n.constant(1, 3), 1)])
    return delay(n, n.handle(), x)
