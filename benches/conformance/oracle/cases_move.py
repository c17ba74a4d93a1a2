"""Cases of the operators that only move elements: pad, concat, slice, transpose."""

from itertools import permutations
from math import prod

from case import ROUNDINGS, Data, single_step

WIDE = ("uint8", "int16", "int32")


def pad():
    def build(name, x, before, after, value, type="int8"):
        shape = tuple(n + b + a for n, b, a in zip(x, before, after))
        attrs = {f"before{i}": before[i] if i < len(x) else 0 for i in range(6)} | {"value": value}
        return single_step(name, "pad", ROUNDINGS[len(x) % 2], [(x, Data(f"pad {name}").uniform(prod(x), type), type)],
                           shape, attrs, type=type)

    full = (2, 3, 1, 2, 2, 3)
    for rank in range(1, 7):
        x = full[:rank]
        yield "ranks", build(f"rank{rank}_nothing", x, (0,) * rank, (0,) * rank, 5)
        yield "ranks", build(f"rank{rank}_all_sides", x, (1,) * rank, (1,) * rank, -128) if rank < 6 else build(
            f"rank{rank}_all_sides", (1,) * 6, (1,) * 6, (1,) * 6, -128)
        for axis in range(rank):
            one = tuple(int(i == axis) for i in range(rank))
            yield "ranks", build(f"rank{rank}_before{axis}", x, tuple(2 * i for i in one), (0,) * rank, 127)
            yield "ranks", build(f"rank{rank}_after{axis}", x, (0,) * rank, tuple(3 * i for i in one), -1)
    for value in (-128, -1, 0, 127):
        yield "values", build(f"nhwc_{value}", (1, 3, 4, 2), (0, 1, 2, 0), (0, 2, 1, 0), value)
    for type, value in zip(WIDE, (255, -32768, -(1 << 31))):
        yield "types", build(type, (2, 3, 3), (1, 0, 2), (0, 1, 1), value, type)
    for n in range(1, 34):
        yield "lengths", build(f"length{n}", (2, n), (0, n % 3), (1, (n + 1) % 3), n)


def concat():
    def build(name, axis, shapes, type="int8"):
        inputs = [(s, Data(f"concat {name} {i}").uniform(prod(s), type), type) for i, s in enumerate(shapes)]
        shape = list(shapes[0])
        shape[axis] = sum(s[axis] for s in shapes)
        return single_step(name, "concat", ROUNDINGS[axis % 2], inputs, tuple(shape), {"axis": axis}, type=type)

    full = (2, 3, 2, 1, 3, 2)
    for rank in range(1, 7):
        for axis in range(rank):
            for parts in ((1, 2), (3, 1, 2)):
                shapes = [full[:axis] + (n,) + full[axis + 1:rank] for n in parts]
                yield "ranks", build(f"rank{rank}_axis{axis}_{len(parts)}", axis, shapes)
    yield "counts", build("one_input", 1, [(2, 3)])
    for count in (2, 4, 7, 10, 16):
        yield "counts", build(f"inputs{count}", 3, [(1, 2, 2, i % 3 + 1) for i in range(count)])
    for type in WIDE:
        yield "types", build(type, 1, [(2, 1, 3), (2, 4, 3)], type)
    for n in range(1, 34):
        yield "lengths", build(f"length{n}", 1, [(2, n), (2, 34 - n)])


def slice_():
    def build(name, x, begin, stride, counts, type="int8"):
        attrs = {f"begin{i}": begin[i] if i < len(x) else 0 for i in range(6)}
        attrs |= {f"stride{i}": stride[i] if i < len(x) else 0 for i in range(6)}
        return single_step(name, "slice", ROUNDINGS[len(x) % 2], [(x, Data(f"slice {name}").uniform(prod(x), type), type)],
                           counts, attrs, type=type)

    full = (2, 3, 4, 2, 3, 2)
    for rank in range(1, 7):
        x = full[:rank]
        zero, one = (0,) * rank, (1,) * rank
        yield "ranks", build(f"rank{rank}_all", x, zero, one, x)
        yield "ranks", build(f"rank{rank}_reversed", x, tuple(n - 1 for n in x), (-1,) * rank, x)
        yield "ranks", build(f"rank{rank}_last", x, tuple(n - 1 for n in x), one, one)
        for axis in range(rank):
            def only(a, b):
                return tuple(a if i == axis else b[i] for i in range(rank))
            yield "ranks", build(f"rank{rank}_axis{axis}_tail", x, only(1, zero), one, only(x[axis] - 1, x))
            yield "ranks", build(f"rank{rank}_axis{axis}_back", x, only(x[axis] - 1, zero), only(-1, one), x)
    yield "strides", build("stride2", (1, 9, 8, 2), (0, 0, 1, 0), (1, 2, 3, 1), (1, 5, 3, 2))
    yield "strides", build("stride_minus_2", (1, 9, 8, 2), (0, 8, 7, 1), (1, -2, -3, -1), (1, 5, 3, 2))
    yield "strides", build("stride_large", (40,), (3,), (36,), (2,))
    yield "strides", build("repeat_scalar", (1,), (0,), (0,), (9,))
    yield "strides", build("repeat_rows", (3, 1, 2), (0, 0, 0), (1, 0, 1), (3, 4, 2))
    yield "strides", build("repeat_one_element", (5, 4), (3, 2), (0, 0), (3, 3))
    yield "strides", build("repeat_and_reverse", (3, 4), (1, 3), (0, -1), (2, 4))
    yield "strides", build("split_first", (1, 2, 3, 6), (0, 0, 0, 0), (1, 1, 1, 1), (1, 2, 3, 2))
    yield "strides", build("split_second", (1, 2, 3, 6), (0, 0, 0, 2), (1, 1, 1, 1), (1, 2, 3, 4))
    for type in WIDE:
        yield "types", build(type, (3, 5, 2), (2, 1, 0), (-1, 2, 0), (3, 2, 4), type)
    for n in range(1, 34):
        yield "lengths", build(f"length{n}", (35,), (n % 3,), (1,), (n,))


def transpose():
    def build(x, perm, type="int8"):
        name = "x".join(map(str, x)) + "_perm" + "".join(map(str, perm)) + ("" if type == "int8" else f"_{type}")
        attrs = {f"perm{i}": perm[i] if i < len(x) else 0 for i in range(6)}
        return single_step(name, "transpose", ROUNDINGS[len(x) % 2],
                           [(x, Data(f"transpose {name}").uniform(prod(x), type), type)],
                           tuple(x[p] for p in perm), attrs, type=type)

    for x in ((5,), (3, 4), (2, 3, 4), (2, 3, 1, 4)):
        for perm in permutations(range(len(x))):
            yield "ranks", build(x, perm)
    for perm in ((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (0, 2, 1, 4, 3), (1, 2, 3, 4, 0), (4, 0, 1, 2, 3)):
        yield "ranks", build((2, 3, 2, 1, 3), perm)
    for perm in ((0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (0, 3, 1, 4, 2, 5), (1, 2, 3, 4, 5, 0), (2, 0, 1, 5, 3, 4)):
        yield "ranks", build((2, 1, 3, 2, 2, 3), perm)
    yield "layouts", build((1, 3, 5, 7), (0, 3, 1, 2))
    yield "layouts", build((1, 7, 3, 5), (0, 2, 3, 1))
    yield "layouts", build((2, 3, 3, 2), (0, 3, 1, 2))
    for type in WIDE:
        yield "types", build((2, 3, 4), (2, 0, 1), type)
    for n in range(1, 34):
        yield "lengths", build((n, 3), (1, 0))


CASES = {"pad": pad, "concat": concat, "slice": slice_, "transpose": transpose}
