"""Writes quantized LSTM and GRU models into recurrent/, with inputs and what ONNX Runtime makes of them in float.

python recurrent.py

Each model is DequantizeLinear -> LSTM or GRU (weights behind DequantizeLinear) -> QuantizeLinear: ONNX Runtime computes the
layer in float and rounds its result alone, so that the difference to it is the error of the integer arithmetic inside.
`<name>.x`, `<name>.y`: the bytes of the inputs and of the results, eight samples one after the other.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "recurrent"
SAMPLES = 8


def model(name, op, steps, batch, inputs, units, direction="forward", linear=0, last=False, per_channel=True, gain=1.0,
          unsigned=False, initial=False, cell_range=None, bias=True, wide=False):
    rng = np.random.default_rng(len(name) * 1000 + steps * 100 + units)
    directions, gates = 2 if direction == "bidirectional" else 1, 4 if op == "LSTM" else 3
    rows = gates * units
    init, nodes = [], []

    def constant(key, array):
        init.append(numpy_helper.from_array(np.ascontiguousarray(array), key))
        return key

    def weights(key, width, reach):
        real = rng.normal(0, reach * gain / width**0.5, (directions, rows, width))
        most = np.abs(real).max(axis=(0, 2)) if per_channel else np.abs(real).max()
        scale = (most / 127).astype(np.float32)
        shaped = scale[None, :, None] if per_channel else scale
        q = np.clip(np.rint(real / shaped), -127, 127).astype(np.int8)
        constant(f"{key}_q", q), constant(f"{key}_scale", scale), constant(f"{key}_zero", np.zeros(scale.shape, np.int8))
        attrs = {"axis": 1} if per_channel else {}
        nodes.append(helper.make_node("DequantizeLinear", [f"{key}_q", f"{key}_scale", f"{key}_zero"], [key], **attrs))
        return key

    dtype = np.uint8 if unsigned else np.int8
    zero = 120 if unsigned else -9
    kind = TensorProto.UINT8 if unsigned else TensorProto.INT8
    if wide:
        # Graph inputs of int16 are refused: the model takes real numbers.
        kind = TensorProto.FLOAT
        constant("x_scale", np.float32(0.02 / 256)), constant("x_zero", np.int16(0))
        constant("y_scale", np.float32(1 / 32767)), constant("y_zero", np.int16(0))
        nodes.append(helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_integers"]))
    else:
        constant("x_scale", np.float32(0.02)), constant("x_zero", dtype(zero))
        constant("y_scale", np.float32(1 / 127)), constant("y_zero", np.int8(3))
    nodes.append(helper.make_node("DequantizeLinear", ["x_integers" if wide else "x", "x_scale", "x_zero"], ["x_real"]))
    names = ["x_real", weights("w", inputs, 1.2), weights("r", units, 0.9)]
    names.append(constant("b", rng.normal(0, 0.3, (directions, 2 * rows)).astype(np.float32)) if bias else "")
    if initial:
        states = rng.uniform(-0.8, 0.8, (1 + (op == "LSTM"), directions, batch, units)).astype(np.float32)
        names += ["", *(constant(f"initial{i}", state) for i, state in enumerate(states))]
    attrs = {"hidden_size": units, "direction": direction} | ({"linear_before_reset": linear} if op == "GRU" else {})
    outputs = ["", "h"] if last else ["y_real"]
    nodes.append(helper.make_node(op, names, outputs, name=name, **attrs))
    nodes.append(helper.make_node("QuantizeLinear", [outputs[-1], "y_scale", "y_zero"], ["y"]))
    shape = [directions, batch, units] if last else [steps, directions, batch, units]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("x", kind, [steps, batch, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.INT16 if wide else TensorProto.INT8, shape)], init,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21 if wide else 17)], ir_version=10 if wide else 8)
    if cell_range is not None:
        helper.set_model_props(made, {f"tanbo.cell_range.{name}": str(cell_range)})
    onnx.checker.check_model(made)
    if wide:
        return made, rng.uniform(-2.5, 2.5, (SAMPLES, steps, batch, inputs)).astype(np.float32)
    low, high = (0, 256) if unsigned else (-128, 128)
    return made, rng.integers(low, high, (SAMPLES, steps, batch, inputs)).astype(dtype)


CASES = {
    "lstm": dict(op="LSTM", steps=6, batch=1, inputs=5, units=8),
    "lstm_long": dict(op="LSTM", steps=40, batch=1, inputs=6, units=12, cell_range=4),
    "lstm_long_sound": dict(op="LSTM", steps=40, batch=1, inputs=6, units=12),
    "lstm_batch": dict(op="LSTM", steps=4, batch=3, inputs=3, units=5, per_channel=False),
    "lstm_reverse": dict(op="LSTM", steps=7, batch=2, inputs=4, units=6, direction="reverse"),
    "lstm_bidirectional": dict(op="LSTM", steps=7, batch=2, inputs=4, units=6, direction="bidirectional"),
    "lstm_last": dict(op="LSTM", steps=9, batch=2, inputs=4, units=6, last=True),
    "lstm_bidirectional_last": dict(op="LSTM", steps=5, batch=2, inputs=4, units=6, direction="bidirectional", last=True),
    "lstm_initial": dict(op="LSTM", steps=3, batch=2, inputs=4, units=6, initial=True, unsigned=True),
    "lstm_no_bias": dict(op="LSTM", steps=5, batch=1, inputs=4, units=7, bias=False),
    "lstm_saturated": dict(op="LSTM", steps=10, batch=1, inputs=8, units=8, gain=4.0),
    "lstm_int16": dict(op="LSTM", steps=12, batch=1, inputs=5, units=8, wide=True),
    "lstm_int16_long": dict(op="LSTM", steps=40, batch=1, inputs=6, units=12, cell_range=4, wide=True),
    "gru": dict(op="GRU", steps=6, batch=1, inputs=5, units=8),
    "gru_linear": dict(op="GRU", steps=6, batch=1, inputs=5, units=8, linear=1),
    "gru_long": dict(op="GRU", steps=40, batch=1, inputs=6, units=12),
    "gru_linear_long": dict(op="GRU", steps=40, batch=1, inputs=6, units=12, linear=1),
    "gru_batch": dict(op="GRU", steps=4, batch=3, inputs=3, units=5, per_channel=False),
    "gru_reverse": dict(op="GRU", steps=7, batch=2, inputs=4, units=6, direction="reverse", linear=1),
    "gru_bidirectional": dict(op="GRU", steps=7, batch=2, inputs=4, units=6, direction="bidirectional"),
    "gru_last": dict(op="GRU", steps=9, batch=2, inputs=4, units=6, last=True, linear=1),
    "gru_initial": dict(op="GRU", steps=3, batch=2, inputs=4, units=6, initial=True, unsigned=True),
    "gru_saturated": dict(op="GRU", steps=10, batch=1, inputs=8, units=8, gain=4.0),
    "gru_int16": dict(op="GRU", steps=12, batch=1, inputs=5, units=8, wide=True),
    "gru_int16_linear_long": dict(op="GRU", steps=40, batch=1, inputs=6, units=12, linear=1, wide=True),
}


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, options in CASES.items():
        made, x = model(name, **options)
        data = made.SerializeToString()
        (FOLDER / f"{name}.onnx").write_bytes(data)
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        y = np.stack([session.run(None, {"x": sample})[0] for sample in x])
        (FOLDER / f"{name}.x").write_bytes(x.tobytes())
        (FOLDER / f"{name}.y").write_bytes(y.tobytes())


if __name__ == "__main__":
    main()
