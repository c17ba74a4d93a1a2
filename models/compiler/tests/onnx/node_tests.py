#!/usr/bin/env python3
"""Gathers the node tests that PyPI onnx ships (onnx/backend/test/data/node), for the operators the importer reads.

    node_tests.py OUT.onnx LEFT_OUT.tsv

OUT is an ONNX graph of nothing but initializers: per case the bytes of its model, named <case>/model, and its tensors,
named <case>/input/<name> and <case>/output/<name>. LEFT_OUT lists the cases that are not in it with the reason. The
operators are those of src/import/onnx/operators.rs. Needs PyPI numpy, onnx 1.19.1.

A node test gives weights, scales, axes and shapes as inputs. Here they are initializers, as in every model that a
converter writes: integers of 32 and 64 bits and booleans always, and the operands named in CONSTANTS. Of the operators in
FIRST_RESULT only the first result is kept.

Licence of the node tests: Apache-2.0, Copyright (c) ONNX Project Contributors.
"""

import pathlib
import re
import sys
from collections import defaultdict

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
CASES = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"
OPERATORS = HERE.parents[1] / "src/import/onnx/operators.rs"
# A larger case has a smaller sibling of the same operator.
MOST_BYTES = 16_000
OLDEST_OPSET, NEWEST_OPSET = 11, 24
INTEGERS = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL}
# Operands that are constants in a model, by position.
CONSTANTS = defaultdict(
    set,
    {
        "BatchNormalization": {1, 2, 3, 4},
        "Clip": {1, 2},
        "Conv": {1, 2},
        "ConvInteger": {1, 2, 3},
        "ConvTranspose": {1, 2},
        "DequantizeLinear": {1, 2},
        "GRU": {1, 2, 3},
        "Gemm": {1, 2},
        "LSTM": {1, 2, 3, 7},
        "LayerNormalization": {1, 2},
        "MatMulInteger": {1, 2, 3},
        "PRelu": {1},
        "Pad": {2},
        "Pow": {1},
        "QLinearConv": {1, 2, 3, 4, 5, 6, 7, 8},
        "QLinearMatMul": {1, 2, 4, 5, 6, 7},
        "QuantizeLinear": {1, 2},
        "RMSNormalization": {1},
        "RNN": {1, 2, 3},
        "Resize": {1, 2},
    },
)
# Operators whose further results (statistics) no converter asks for: they are not asked for here either.
FIRST_RESULT = {"LayerNormalization"}


def operators_read():
    source = OPERATORS.read_text()
    tables = source[source.index("const OPERATORS:") : source.index("const REFUSED:")]
    return set(re.findall(r'^ +\(?"([A-Z]\w+)",', tables, re.M))


def tensors(folder, prefix, infos):
    """The .pb files of a case's first data set, in the order of `infos`; None if one is no tensor."""
    found = []
    for i, info in enumerate(infos):
        if not info.type.HasField("tensor_type"):
            return None
        tensor = TensorProto()
        tensor.ParseFromString((folder / f"test_data_set_0/{prefix}_{i}.pb").read_bytes())
        tensor.name = info.name
        found.append(tensor)
    return found


def operator_set(model):
    """An operator set that is read and in which every operator means the same; None if there is none."""
    version = next((o.version for o in model.opset_import if o.domain == ""), None)
    if version is None:
        return None
    since = lambda node, v: defs.get_schema(node.op_type, v, node.domain).since_version
    for candidate in [version, OLDEST_OPSET, NEWEST_OPSET]:
        if OLDEST_OPSET <= candidate <= NEWEST_OPSET:
            if all(since(node, version) == since(node, candidate) for node in model.graph.node):
                return candidate
    return None


def bake(model, inputs):
    """Makes initializers of the inputs that are constants in a model; returns the inputs that are left."""
    constant = {tensor.name for tensor in inputs if tensor.data_type in INTEGERS}
    for node in model.graph.node:
        constant |= {name for i, name in enumerate(node.input) if i in CONSTANTS[node.op_type]}
    if inputs and all(tensor.name in constant for tensor in inputs):
        constant.remove(inputs[0].name)  # A model of integers: one of them is what it works on.
    left = [tensor for tensor in inputs if tensor.name not in constant]
    model.graph.initializer.extend(tensor for tensor in inputs if tensor.name in constant)
    kept = [info for info in model.graph.input if info.name not in constant]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return left


def gather(folder, read):
    """The tensors that hold a case, or the reason why it is left out."""
    model = onnx.load(folder / "model.onnx")
    foreign = sorted({node.op_type for node in model.graph.node} - read)
    if foreign:
        return f"operator {', '.join(foreign)} is not read"
    if any(node.domain for node in model.graph.node):
        return "operator of another domain"
    if (version := operator_set(model)) is None:
        return "operator set older than the oldest that is read, and the operator meant something else then"
    inputs = tensors(folder, "input", model.graph.input)
    outputs = tensors(folder, "output", model.graph.output)
    if inputs is None or outputs is None:
        return "sequences and optional values"
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = version
    left = bake(model, inputs)
    for node in model.graph.node:
        if node.op_type in FIRST_RESULT:
            dropped = set(node.output[1:])
            del node.output[1:]
            outputs = [tensor for tensor in outputs if tensor.name not in dropped]
            kept = [info for info in model.graph.output if info.name not in dropped]
            del model.graph.output[:]
            model.graph.output.extend(kept)
    for part in (model, model.graph, *model.graph.node):
        part.ClearField("doc_string")
    for prefix, group in (("input", left), ("output", outputs)):
        for tensor in group:
            tensor.name = f"{folder.name}/{prefix}/{tensor.name}"
    file = np.frombuffer(model.SerializeToString(deterministic=True), np.uint8)
    found = [numpy_helper.from_array(file, f"{folder.name}/model"), *left, *outputs]
    if sum(tensor.ByteSize() for tensor in found) > MOST_BYTES:
        return f"more than {MOST_BYTES} bytes"
    return found


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    read = operators_read()
    taken, left_out, count = [], [], 0
    for folder in sorted(CASES.iterdir()):
        found = gather(folder, read)
        if isinstance(found, str):
            left_out.append(f"{folder.name}\t{found}\n")
        else:
            taken += found
            count += 1
    onnx.save(helper.make_model(helper.make_graph([], "node tests", [], [], initializer=taken)), arguments[0])
    pathlib.Path(arguments[1]).write_text("".join(left_out))
    print(f"{count} cases taken, {len(left_out)} left out, {pathlib.Path(arguments[0]).stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
