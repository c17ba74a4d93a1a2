#!/usr/bin/env python3
"""Small quantized networks as PyTorch exports them, with ONNX Runtime's tensors.

    pytorch_cases.py OUT_DIR

Needs requirements-pytorch.txt. Weights are random and only calibrated: what counts is the form of the export.
"""

import logging
import pathlib
import sys
import tempfile
import warnings

import onnx
import torch
from torch import nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from torch.ao.quantization import QConfig, QConfigMapping, disable_observer, fuse_modules_qat, prepare_qat
from torch.ao.quantization import DeQuantStub, QuantStub
from torch.ao.quantization.quantize_fx import prepare_qat_fx
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
    X86InductorQuantizer,
    get_default_x86_inductor_quantization_config,
)
from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

from ort_compare import write_tensors


class Residual(nn.Module):
    """Convolutions with batch normalization, a residual sum, a concatenation, a classifier."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU6())
        self.branch = nn.Conv2d(8, 8, 1)
        self.other = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Hardswish())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(12, 5)

    def forward(self, x):
        x = self.first(x)
        x = self.depthwise(x)
        x = x + self.branch(x)
        x = torch.cat([x, self.other(x)], 1)
        return self.classify(torch.flatten(self.pool(x), 1))


class Chain(nn.Module):
    """A chain between the stubs that eager mode asks for."""

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.conv, self.norm, self.relu = nn.Conv1d(2, 6, 5, 2, 2, bias=False), nn.BatchNorm1d(6), nn.ReLU()
        self.mix, self.mix_norm, self.mix_relu = nn.Conv1d(6, 6, 3, groups=3), nn.BatchNorm1d(6), nn.ReLU()
        self.pool = nn.MaxPool1d(2)
        self.dense = nn.Linear(6 * 7, 4)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(self.quant(x))))
        x = self.pool(self.mix_relu(self.mix_norm(self.mix(x))))
        return self.dequant(self.dense(torch.flatten(x, 1)))


def qconfig():
    activation = FakeQuantize.with_args(
        observer=MovingAverageMinMaxObserver,
        quant_min=0,
        quant_max=255,
        dtype=torch.quint8,
        qscheme=torch.per_tensor_affine,
    )
    weight = FakeQuantize.with_args(
        observer=MovingAveragePerChannelMinMaxObserver,
        quant_min=-128,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    )
    return QConfig(activation=activation, weight=weight)


def trained(model, shape):
    """Gives batch normalization statistics and factors of both signs; in place of training."""
    model.train()
    for _ in range(4):
        model(torch.randn(8, *shape))
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            with torch.no_grad():
                module.weight.copy_(torch.linspace(-1.3, 1.2, module.weight.numel()))
                module.bias.normal_(0, 0.3)
    return model


def fake_quantized(model, shape):
    """Calibrates fake quantization and exports through TorchScript."""
    for _ in range(4):
        model(torch.randn(8, *shape))
    model.eval()
    model.apply(disable_observer)
    return model


def qat_eager(shape):
    model = trained(Chain(), shape).train()
    model.qconfig = qconfig()
    fuse_modules_qat(model, [["conv", "norm", "relu"], ["mix", "mix_norm", "mix_relu"]], inplace=True)
    return fake_quantized(prepare_qat(model), shape)


def qat_fx(shape):
    mapping = QConfigMapping().set_global(qconfig())
    model = trained(Residual(), shape).train()
    return fake_quantized(prepare_qat_fx(model, mapping, (torch.randn(1, *shape),)), shape)


def pt2e(model, shape, quantizer):
    model = trained(model, shape).eval()
    exported = torch.export.export(model, (torch.randn(1, *shape),)).module()
    prepared = prepare_pt2e(exported, quantizer)
    for _ in range(8):
        prepared(torch.randn(1, *shape))
    return convert_pt2e(prepared)


def xnnpack(shape):
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    return pt2e(Residual(), shape, quantizer)


class Features(nn.Module):
    """A classifier for the quantizer for x86, which leaves what follows the last product in float: it is refused."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU6(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 5),
        )  # fmt: skip

    def forward(self, x):
        return torch.sigmoid(self.body(x))


def x86(shape):
    quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())
    return pt2e(Features(), shape, quantizer)


CASES = {
    "pytorch_qat_eager": (qat_eager, (2, 32), {"dynamo": False, "opset_version": 13}),
    "pytorch_qat_fx": (qat_fx, (3, 16, 12), {"dynamo": False, "opset_version": 17}),
    "pytorch_pt2e_xnnpack": (xnnpack, (3, 16, 12), {"dynamo": True, "opset_version": 20}),
    "pytorch_pt2e_x86": (x86, (3, 16, 12), {"dynamo": True, "opset_version": 18}),
}


def without_traces(model):
    """Drops what names the machine it was exported on."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    return model


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    directory = pathlib.Path(arguments[0])
    for i, (name, (build, shape, how)) in enumerate(CASES.items()):
        torch.manual_seed(20240609 + i)
        model = build(shape)
        with tempfile.TemporaryDirectory() as temporary:
            path = f"{temporary}/model.onnx"
            torch.onnx.export(model, (torch.randn(1, *shape),), path, external_data=False, **how)
            exported = without_traces(onnx.load(path))
        onnx.checker.check_model(exported)
        onnx.save(exported, directory / f"{name}.onnx")
        if build is not x86:
            write_tensors(directory / f"{name}.onnx", directory / f"{name}.tensors.onnx", 8, i)
        print(name, (directory / f"{name}.onnx").stat().st_size, "bytes")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    main(sys.argv[1:])
