"""Writes float32 twins of some int8 models and what LiteRT, without delegates, makes of them.

The twin of a tensor is its real values: constants dequantized, everything else float32. For the translation of float
models to ONNX; see README.md.

python float_twins.py
"""

import pathlib
import sys

import flatbuffers
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro.runtime import schema_fb as fb

import judge
from cases import CASES
from generate import build

FOLDER = pathlib.Path(__file__).parent / "float"
# Every operator that is translated, with its paddings, steps, dilations, groups and activations.
NAMES = """
conv_1x1 conv_3x3_same conv_3x3_valid conv_3x3_same_stride2_even conv_3x3_same_stride2_odd conv_3x3_valid_stride3_leftover
conv_2x2_same conv_1x7_same conv_1x3_causal_dilation4 conv_dilation_2x3_valid conv_groups2 conv_batch2 conv_relu6 conv_relu_n1_to_1
""".split()
OPERATORS = "DEPTHWISE_CONV_2D FULLY_CONNECTED AVERAGE_POOL_2D MAX_POOL_2D MEAN ADD SUB MUL SOFTMAX RELU RELU6 LEAKY_RELU \
ELU HARD_SWISH LOGISTIC TANH RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE PAD CONCATENATION PACK".split()
PER_OPERATOR = 2
TYPES = fb.TensorType


def operators(model):
    graph = model.subgraphs[0]
    codes = {v: k for k, v in vars(fb.BuiltinOperator).items()}
    return [codes[max(model.operatorCodes[o.opcodeIndex].builtinCode, 0)] for o in graph.operators]


def twin(data):
    """The float32 twin of a model, or None if something in it has none."""
    model = fb.ModelT.InitFromPackedBuf(bytearray(data), 0)
    graph = model.subgraphs[0]
    index_operands = set()
    for operator, name in zip(graph.operators, operators(model)):
        if name in ("RESHAPE", "EXPAND_DIMS", "TRANSPOSE", "PAD", "MEAN"):
            index_operands |= set(operator.inputs[1:])
    for index, tensor in enumerate(graph.tensors):
        if index in index_operands:
            continue
        quantization, raw = tensor.quantization, model.buffers[tensor.buffer].data
        if raw is not None and len(raw):
            kind = {TYPES.INT8: np.int8, TYPES.INT32: np.int32}.get(tensor.type)
            if kind is None:
                return None
            values = np.frombuffer(bytes(raw), kind).reshape(tensor.shape).astype(np.float64)
            scale, zero = np.asarray(quantization.scale, np.float64), np.asarray(quantization.zeroPoint)
            if len(scale) > 1:
                along = [1] * values.ndim
                along[quantization.quantizedDimension or 0] = -1
                scale, zero = scale.reshape(along), zero.reshape(along)
            values = ((values - zero) * scale).astype(np.float32)
            model.buffers[tensor.buffer] = fb.BufferT(data=np.frombuffer(values.tobytes(), np.uint8))
        elif tensor.type not in (TYPES.INT8, TYPES.FLOAT32):
            return None
        tensor.type, tensor.quantization = TYPES.FLOAT32, None
    packer = flatbuffers.Builder(4096)
    packer.Finish(model.Pack(packer), b"TFL3")
    return bytes(packer.Output())


def golden(data):
    """The outputs of LiteRT on every stream, one after the other."""
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1
    )
    interpreter.allocate_tensors()
    result = b""
    ports = interpreter.get_input_details()
    for stream in judge.STREAMS:
        for port, array in zip(ports, judge.fill(ports, judge.STREAMS[stream]())):
            interpreter.set_tensor(port["index"], array)
        interpreter.invoke()
        for port in interpreter.get_output_details():
            result += interpreter.get_tensor(port["index"]).astype("<f4").tobytes()
    return result


def main():
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.iterdir():
        stale.unlink()
    taken = {operator: 0 for operator in OPERATORS}
    written = 0
    for name, construct in CASES.items():
        data = build(name, construct)
        ours = operators(fb.ModelT.InitFromPackedBuf(bytearray(data), 0))
        wanted = [o for o in ours if taken.get(o, PER_OPERATOR) < PER_OPERATOR]
        if not (name in NAMES or wanted) or any(o not in taken and o != "CONV_2D" for o in ours):
            continue
        model = twin(data)
        # LiteRT runs no convolution without a bias.
        if model is None or "no_bias" in name:
            continue
        for operator in set(ours) & set(taken):
            taken[operator] += 1
        (FOLDER / f"{name}.tflite").write_bytes(model)
        (FOLDER / f"{name}.golden").write_bytes(golden(model))
        written += 1
    missing = [operator for operator, count in taken.items() if count == 0]
    print(f"{written} float models; without a model: {missing}")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
