"""From trained weights to the committed ONNX: float, then QDQ by ONNX Runtime."""

import logging

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

INPUT, OUTPUT = "features", "score"
INPUT_SCALE = 0.25  # real feature per step; fixed by the front end
SCALE = 0.125  # real score per step


def float_model(layers, batch=1):
    """Gemm and Relu, weights (outputs, inputs). `layers` is [(weight (inputs, outputs), bias)]."""
    nodes, constants, value = [], [], INPUT
    for index, (weight, bias) in enumerate(layers):
        last = index == len(layers) - 1
        name = f"dense{index + 1}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(weight.T.astype(np.float32)), f"{name}_weights"))
        constants.append(numpy_helper.from_array(bias.astype(np.float32), f"{name}_bias"))
        result = OUTPUT if last else f"{name}_sum"
        nodes.append(helper.make_node("Gemm", [value, f"{name}_weights", f"{name}_bias"], [result], name=name, transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [result], [f"{name}_relu"], name=f"{name}_relu"))
            value = f"{name}_relu"
    count = layers[0][0].shape[0]
    graph = helper.make_graph(
        nodes,
        "seismic",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, count])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tanbo-zoo")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


class _Rows(CalibrationDataReader):
    def __init__(self, features):
        self.rows = iter(features.astype(np.float32) * INPUT_SCALE)

    def get_next(self):
        row = next(self.rows, None)
        return None if row is None else {INPUT: row[None]}


def quantize(source, target, features):
    """Per-channel symmetric int8 weights, int8 activations by min-max over `features` (i8 rows)."""

    def fixed(scale):
        return [{"scale": np.array(scale, np.float32), "zero_point": np.array(0, np.int8)}]

    logging.getLogger().setLevel(logging.ERROR)  # it advises shape inference, which this graph does not need
    quantize_static(
        source,
        target,
        _Rows(features),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={
            "WeightSymmetric": True,
            "ActivationSymmetric": False,
            "TensorQuantOverrides": {INPUT: fixed(INPUT_SCALE), OUTPUT: fixed(SCALE)},
        },
    )


def with_batch(model, batch):
    """A copy for another batch size; the committed model has 1."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = batch
    del copy.graph.value_info[:]
    return copy


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def scores(model, features):
    """Real scores of i8 feature rows."""
    return session(with_batch(model, "n")).run(None, {INPUT: features.astype(np.float32) * INPUT_SCALE})[0][:, 0]


def frozen_ranges(model, float_sha256, samples):
    """The activation ranges of the quantized `model` in the form that `tanbo quantize --ranges` reads for the float one."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    lines = [
        "# Activation ranges of a float model, frozen by tanbo; quantizing with this file needs no data.",
        "version = 1",
        f'model_sha256 = "{float_sha256}"',
        f"samples = {samples}",
    ]
    rounded = {
        node.input[0].removesuffix("_QuantizeLinear_Input"): node.input[1:3]
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }
    for name, (scale, zero) in sorted(rounded.items()):
        scale, zero = float(constants[scale]), int(constants[zero])
        # The front end gives the features' scale, the decision that of the score.
        method = "min-max" if name.endswith("_relu") else "fixed"
        lines += ["", f"[tensor.{name}]", f"low = {(-128 - zero) * scale!r}", f"high = {(127 - zero) * scale!r}", f'method = "{method}"']
    return "\n".join(lines) + "\n"
