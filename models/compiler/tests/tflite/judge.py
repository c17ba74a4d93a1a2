"""TFLM's reference kernels, LiteRT's where TFLM has none, and the four input streams that every model is run on."""

import itertools

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

ARENA_BYTES = 1 << 22


def lcg():
    """High bytes of s = s * 1664525 + 1013904223 (mod 2^32), from s = 0x12345678."""
    s = 0x12345678
    while True:
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        yield s >> 24


STREAMS = {
    "lcg": lcg,
    "ramp": lambda: (7 * i & 255 for i in itertools.count()),
    "alt": lambda: itertools.cycle((0x7F, 0x80)),
    "zero": lambda: itertools.repeat(0),
}


def fill(details, source):
    """Arrays for the inputs in `details`, in model order, drawn from `source`, a run of a stream.

    An integer element takes its size in bytes, little-endian; an f32 element takes one byte b and is int8(b) / 16.
    """
    arrays = []
    for detail in details:
        dtype, shape = np.dtype(detail["dtype"]), tuple(detail["shape"])
        count = int(np.prod(shape))
        if dtype == np.float32:
            raw = np.array(list(itertools.islice(source, count)), np.uint8)
            arrays.append((raw.view(np.int8) / np.float32(16)).reshape(shape))
        else:
            raw = bytes(itertools.islice(source, count * dtype.itemsize))
            arrays.append(np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape))
    return arrays


def run_steps(model, stream, steps):
    """(inputs, outputs) of each of `steps` runs in a row of `model` (bytes) by TFLM on `stream`: arrays in model order."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    graph = runtime.schema_fb.Model.GetRootAsModel(model, 0).Subgraphs(0)
    details = [interpreter.get_input_details(i) for i in range(graph.InputsLength())]
    source = STREAMS[stream]()
    for _ in range(steps):
        inputs = fill(details, source)
        for i, array in enumerate(inputs):
            interpreter.set_input(array, i)
        interpreter.invoke()
        yield inputs, [interpreter.get_output(i) for i in range(graph.OutputsLength())]


def run(model, stream):
    """(inputs, outputs) of the first run of `model` (bytes) by TFLM on `stream`: arrays in model order."""
    return next(run_steps(model, stream, 1))


def run_litert(model, stream):
    """As `run`, by LiteRT's reference kernels."""
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    inputs = fill(details, STREAMS[stream]())
    for detail, array in zip(details, inputs):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return inputs, [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def golden(model, litert=False, steps=1):
    """The bytes of all outputs of `model` for all streams: stream by stream, run by run, output by output."""
    runs = (
        [run_litert(model, stream)] if litert else run_steps(model, stream, steps) for stream in STREAMS
    )
    return b"".join(array.tobytes() for stream in runs for _, outputs in stream for array in outputs)
