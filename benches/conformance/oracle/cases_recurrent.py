"""Cases of the operators with states: several runs in a row."""

from fractions import Fraction
from math import prod

from case import BYTES, ROUNDINGS, SMALL_CONST_BYTES, SMALL_TENSOR_BYTES, Data, multiplier, pack
from ops_recurrent import run

RUNS = 3
CONST_BYTES = {"time_weights": 2, "input_mantissas": 4, "recurrent_mantissas": 4}


def case(name, op, rounding, type, shape_x, shape_y, states, attrs, consts, data, kind, scratch=0):
    """One step on `RUNS` inputs in a row. `states`: (shape, type, start) each, start a byte or a list of values."""
    count = prod(shape_x)
    low, high = (-128, 127) if type == "int8" else (-32768, 32767)
    runs = [data.extreme(count, (low, high)) if kind == "extreme" else data.uniform(count, type) for _ in range(RUNS)]

    def values(shape, ty, start):
        if isinstance(start, list):
            return start
        return [int.from_bytes(bytes([start] * BYTES[ty]), "little", signed=True)] * prod(shape)

    starts = [values(*state) for state in states]
    outputs = run(op, runs, shape_x, starts, attrs, consts, rounding, shape_y, type, [s[1] for s in states])
    joined = lambda parts: pack([v for part in parts for v in part], type)
    written, const_bytes = {}, 0
    for key, numbers in consts.items():
        words = key in CONST_BYTES or "bias" in key
        written[key] = list(numbers) if words else pack(numbers, "int8")
        const_bytes += len(numbers) * (CONST_BYTES.get(key, 8 if type == "int16" else 4) if words else 1)
    size = (prod(shape_x) + prod(shape_y)) * BYTES[type] + sum(prod(s[0]) * BYTES[s[1]] for s in states) + scratch
    return {
        "name": name,
        "small": size <= SMALL_TENSOR_BYTES and const_bytes <= SMALL_CONST_BYTES,
        "runs": RUNS,
        "inputs": [{"shape": list(shape_x), "type": type, "data": joined(runs)}],
        "states": [
            {"shape": list(shape), "type": ty}
            | ({"image": pack(start, ty)} if isinstance(start, list) else {"fill": start})
            for shape, ty, start in states
        ],
        "steps": [
            {
                "op": op, "rounding": rounding, "attrs": attrs, "consts": written, "inputs": [0],
                "states": list(range(len(states))), "scratch": scratch,
                "output": {"shape": list(shape_y), "type": type, "data": joined(outputs)},
            }
        ],
    }


def pairs(prefix, real, data, count):
    """Multipliers around a real factor."""
    factors = [multiplier(Fraction(real) * Fraction(data.between(700, 1300), 1000)) for _ in range(count)]
    return {f"{prefix}_mantissas": [m for m, _ in factors], f"{prefix}_shifts": [s for _, s in factors]}


def words(name, real):
    mantissa, shift = multiplier(Fraction(real))
    return {f"{name}_mantissa": mantissa, f"{name}_shift": shift}


def svdf():
    for i, (batch, inputs, units, rank, memory) in enumerate(
        [(1, 1, 1, 1, 1), (1, 5, 3, 1, 4), (1, 7, 2, 2, 3), (2, 4, 3, 2, 2), (1, 17, 4, 3, 5), (3, 2, 1, 1, 9)]
    ):
        for state in ("int8", "int16"):
            kind = "extreme" if i % 3 == 2 else "uniform"
            name = f"b{batch}_i{inputs}_u{units}_r{rank}_m{memory}_{state}"
            data = Data(f"svdf {name}")
            top = 127 if state == "int8" else 32767
            filters = units * rank
            attrs = {
                "rank": rank, "input_zero_point": (-128, 127, 3, -7)[i % 4],
                "state_zero_point": (0, -128, 127, 5)[i % 4] if state == "int8" else (0, 0, 700, -32768)[i % 4],
                "output_zero_point": (-128, 4, 127, 0)[i % 4],
                "feature_mantissa": multiplier(Fraction(top, 6000 * inputs))[0],
                "feature_shift": multiplier(Fraction(top, 6000 * inputs))[1],
            } | dict(zip(("mantissa", "shift"), multiplier(Fraction(200, top * top * max(1, rank * memory // 2)))))
            consts = {
                "feature_weights": data.extreme(filters * inputs) if kind == "extreme" else data.uniform(filters * inputs),
                "time_weights": [data.between(-top, top) for _ in range(filters * memory)],
                "bias": [data.between(-top * top // 4, top * top // 4) for _ in range(units)],
            }
            count = batch * filters * memory
            start = (data.uniform(count, state) if i % 2 else 0x80 if state == "int8" else 0)
            shape = (batch, filters * memory)
            yield "geometry", case(name, "svdf", ROUNDINGS[i % 2], "int8", (batch, inputs), (batch, units),
                                   [(shape, state, start)], attrs, consts, data, kind)


# steps, batch, inputs, units, time_major, reverse, keep
SIZES = [
    (1, 1, 1, 1, 0, 0, 1), (4, 1, 3, 2, 0, 0, 1), (3, 2, 2, 3, 1, 0, 1), (2, 3, 5, 2, 0, 1, 1), (5, 1, 4, 4, 1, 1, 0),
    (3, 1, 7, 5, 0, 0, 0), (6, 1, 2, 1, 1, 0, 1), (2, 2, 9, 3, 1, 0, 0),
]


def recurrent(op, wide):
    type, gates = ("int16", "int8")[not wide], 4 if op == "lstm" else 3
    name_of = op + ("_i16" if wide else "")
    top = 32767 if wide else 127
    for i, (steps, batch, inputs, units, time_major, reverse, keep) in enumerate(SIZES):
        linears = (0,) if op == "lstm" else (0, 1)
        for linear in linears:
            kind = "extreme" if i % 3 == 1 else "uniform"
            suffix = f"_linear{linear}" if op == "gru" else ""
            name = f"t{steps}_b{batch}_i{inputs}_u{units}_{time_major}{reverse}{keep}{suffix}"
            data = Data(f"{name_of} {name}")
            rounding = ROUNDINGS[(i + linear) % 2]
            zx, zh = (0, 0) if wide else ((-128, 127, 3, -7)[i % 4], (0, -9, 127, -128)[i % 4])
            attrs = {"time_major": time_major, "reverse": reverse, "keep": keep}
            hidden = Fraction(1, 32768) if wide else Fraction(1, (128, 140, 250, 90)[i % 4])
            if op == "lstm":
                bits = (11, 15, 12, 9, 13, 0, 10, 14)[i]
                attrs |= {"input_zero_point": zx, "hidden_zero_point": zh, "cell_bits": bits,
                          "cell_clip": (0, 0, 300, 0, 32767, 0, 1, 0)[i]}
                attrs |= words("forget", Fraction(1, 32768)) | words("update", Fraction(2) ** (bits - 30))
            else:
                attrs |= {"linear_before_reset": linear, "input_zero_point": zx, "hidden_zero_point": zh}
                attrs |= words("unit", hidden * 32768)
            attrs |= words("hidden", Fraction(1, 1 << 30) / hidden)
            rows = gates * units
            per_unit = i % 2 == 1
            spread = data.extreme if kind == "extreme" else data.uniform
            # Weighted sums of about 2 in Q3.12; the ends saturate.
            to_sum = Fraction(8192, top * 74 * (3 if i % 4 == 3 else 1)) / max(1, round(inputs**0.5))
            to_sum_h = Fraction(8192, top * 74) / max(1, round(units**0.5)) / 2
            consts = {
                "input_weights": spread(rows * inputs), "recurrent_weights": spread(rows * units),
                "bias": [data.between(-top * 60, top * 60) for _ in range(rows)],
            }
            if op == "gru":
                consts["recurrent_bias"] = [data.between(-top * 60, top * 60) for _ in range(units)] if linear else []
            consts |= pairs("input", to_sum, data, rows if per_unit else gates)
            consts |= pairs("recurrent", to_sum_h, data, rows if per_unit else gates)
            shape = (batch, units)
            states = [(shape, type, data.uniform(batch * units, type) if i % 2 else (zh & 0xFF) * (not wide))]
            if op == "lstm":
                states.append((shape, "int16", data.uniform(batch * units, "int16") if i % 3 == 2 else 0))
            axes = (steps, batch) if time_major else (batch, steps)
            scratch = 2 * units if op == "gru" and not linear else 0
            yield "geometry", case(name, name_of, rounding, type, (*axes, inputs), (*axes, units), states, attrs, consts,
                                   data, kind, scratch)


CASES = {
    "svdf": svdf,
    "lstm": lambda: recurrent("lstm", False),
    "gru": lambda: recurrent("gru", False),
    "lstm_i16": lambda: recurrent("lstm", True),
    "gru_i16": lambda: recurrent("gru", True),
}
