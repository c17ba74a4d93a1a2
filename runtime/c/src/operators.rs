//! The symbols that a C program names: one `static` per operator and kernel family, each in a section of its own, so that a linker
//! that is told `--gc-sections` keeps those named, with their checks and kernels, and drops the others.
#![allow(unsafe_code, reason = "names of symbols: two of one name could not be linked")]

use tanbo::{ByFamily, Family, Form, Op, Operator, TableOf};

/// The kernels of family `FAMILY`.
type Table<const FAMILY: u8> = <ByFamily<FAMILY> as TableOf>::Table;

macro_rules! symbol {
    ($family:ident, $op:ident, $form:ident, $symbol:expr) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            static OPERATOR: Operator = Operator::new::<Table<{ Family::$family as u8 }>>(Op::$op, Form::$form);
        };
    };
}

macro_rules! families {
    ({ $($family:ident = $name:literal $packings:tt)* } $operators:tt) => {
        $(family!($family $name $packings $operators);)*
    };
}

macro_rules! family {
    ($family:ident $name:literal { $($form:ident $suffix:literal $packed:tt)* } { $($op:ident = $op_name:literal,)* }) => {
        $(symbol!($family, $op, Portable, concat!("tanbo_", $name, "_", $op_name));)*
        $(packed!($family $name $form $suffix $packed);)*
    };
}

macro_rules! packed {
    ($family:ident $name:literal $form:ident $suffix:literal [$($op:ident = $op_name:literal),*]) => {
        $(symbol!($family, $op, $form, concat!("tanbo_", $name, "_", $op_name, $suffix));)*
    };
}

families! {
{
    Portable = "reference" {}
    Armv7 = "armv7" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Neon = "neon" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Dotprod = "dotprod" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    M0 = "m0" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    M3 = "m3" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Rv32 = "rv32" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Avx2 = "avx2" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Vnni = "vnni" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
    Dsp = "dsp" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"]
        Winograd "_winograd" [Conv2d = "conv2d"] }
    Mve = "mve" { Packed "_packed" [Conv2d = "conv2d", DepthwiseConv2d = "depthwise_conv2d", FullyConnected = "fully_connected"] }
}
{
    Conv2d = "conv2d",
    DepthwiseConv2d = "depthwise_conv2d",
    FullyConnected = "fully_connected",
    AveragePool2d = "average_pool2d",
    MaxPool2d = "max_pool2d",
    Mean = "mean",
    Add = "add",
    Sub = "sub",
    Mul = "mul",
    Lut = "lut",
    Softmax = "softmax",
    Pad = "pad",
    Concat = "concat",
    Slice = "slice",
    Transpose = "transpose",
    Requantize = "requantize",
    Conv2dI16 = "conv2d_i16",
    DepthwiseConv2dI16 = "depthwise_conv2d_i16",
    FullyConnectedI16 = "fully_connected_i16",
    AveragePool2dI16 = "average_pool2d_i16",
    MaxPool2dI16 = "max_pool2d_i16",
    MeanI16 = "mean_i16",
    AddI16 = "add_i16",
    SubI16 = "sub_i16",
    MulI16 = "mul_i16",
    LutI16 = "lut_i16",
    SigmoidI16 = "sigmoid_i16",
    SoftmaxI16 = "softmax_i16",
    Svdf = "svdf",
    Lstm = "lstm",
    Gru = "gru",
    LstmI16 = "lstm_i16",
    GruI16 = "gru_i16",
    Conv2dI4 = "conv2d_i4",
    DepthwiseConv2dI4 = "depthwise_conv2d_i4",
    FullyConnectedI4 = "fully_connected_i4",
    TransposeConv2d = "transpose_conv2d",
    TransposeConv2dI16 = "transpose_conv2d_i16",
    BatchMatmul = "batch_matmul",
    BatchMatmulI16 = "batch_matmul_i16",
    Gather = "gather",
    ResizeBilinear = "resize_bilinear",
    Minimum = "minimum",
    Maximum = "maximum",
    ReduceMax = "reduce_max",
    ReduceMin = "reduce_min",
    SquaredDifference = "squared_difference",
    LayerNorm = "layer_norm",
    L2Norm = "l2_norm",
    Div = "div",
}
}
