//! The one operator list: number, name, operands, constants and attributes of each.
//!
//! Everything that needs to know which operators exist iterates [`Op::ALL`]. What each operator
//! computes is stated in FORMAT.md and in `kernels/src/reference/<name>.rs`.

/// Highest tensor rank an artifact can hold.
pub const MAX_RANK: usize = 6;

/// What one of a step's constants is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstType {
    /// Signed bytes.
    I8,
    /// Little-endian 16-bit integers, 2-byte aligned.
    I16,
    /// Little-endian 32-bit words, 4-byte aligned.
    I32,
    /// Little-endian 64-bit integers, 8-byte aligned.
    I64,
}

impl ConstType {
    /// Returns the size and the alignment of an element in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

/// One constant that a step of an operator carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstSpec {
    /// Name, as in FORMAT.md.
    pub name: &'static str,
    /// Element type.
    pub ty: ConstType,
}

macro_rules! op_list {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal,
        inputs $inputs:literal $(states $states:literal)?, rows $rows:literal,
        consts [$($const_name:ident: $const_ty:ident),*],
        attrs [$($attr:literal),*];)*) => {
        /// An operator: meaning in the graph. Its number is part of the file format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $variant = $code,)* }

        impl Op {
            /// Every operator, in the order of their numbers.
            pub const ALL: &'static [Op] = &[$(Op::$variant,)*];

            /// Returns the operator with this number.
            pub const fn from_code(code: u8) -> Option<Op> {
                match code { $($code => Some(Op::$variant),)* _ => None }
            }

            /// Returns the name used in files, documents and test vectors.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$variant => $name,)* }
            }

            /// Returns the number of activation inputs; 0 stands for one or more.
            pub const fn inputs(self) -> u8 {
                match self { $(Op::$variant => $inputs,)* }
            }

            /// Returns the number of state operands, which are read and written in place.
            pub const fn states(self) -> u8 {
                match self { $(Op::$variant => 0 $(+ $states)?,)* }
            }

            /// Returns whether output row `r` needs only a window of input rows, so that the
            /// operator can stand in a chain with rings of rows.
            pub const fn is_row_wise(self) -> bool {
                match self { $(Op::$variant => $rows,)* }
            }

            /// Returns whether the operator goes value by value, so that its output may lie where an input of the same form
            /// does.
            pub const fn is_in_place(self) -> bool {
                matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Lut | Self::LutI16 | Self::Requantize)
            }

            /// Returns the element types of a step's constants, in order.
            pub const fn const_types(self) -> &'static [ConstType] {
                match self { $(Op::$variant => &[$(ConstType::$const_ty),*],)* }
            }

            /// Returns the constants of a step with their names, in order: for tools and documents.
            pub const fn consts(self) -> &'static [ConstSpec] {
                match self { $(Op::$variant => &[$(ConstSpec {
                    name: stringify!($const_name), ty: ConstType::$const_ty },)*],)* }
            }

            /// Returns the names of a step's attribute words, in order.
            pub const fn attrs(self) -> &'static [&'static str] {
                match self { $(Op::$variant => &[$($attr),*],)* }
            }

            /// Returns the number of attribute words of a step.
            pub const fn attr_count(self) -> usize {
                match self { $(Op::$variant => { const NAMES: &[&str] = &[$($attr),*]; NAMES.len() })* }
            }
        }
    };
}

op_list! {
    /// Convolution over height and width, with groups.
    Conv2d = 1, "conv2d", inputs 1, rows true,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high", "groups"];
    /// Convolution of each channel on its own, with a channel multiplier.
    DepthwiseConv2d = 2, "depthwise_conv2d", inputs 1, rows true,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high"];
    /// Matrix product with constant weights.
    FullyConnected = 3, "fully_connected", inputs 1, rows false,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["input_zero_point", "output_zero_point", "low", "high"];
    /// Mean over the taps of a window that lie inside the input.
    AveragePool2d = 4, "average_pool2d", inputs 1, rows true,
        consts [mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high"];
    /// Maximum over the taps of a window that lie inside the input.
    MaxPool2d = 5, "max_pool2d", inputs 1, rows true,
        consts [],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "low", "high"];
    /// Mean over a set of axes.
    Mean = 6, "mean", inputs 1, rows false,
        consts [],
        attrs ["axes", "input_zero_point", "output_zero_point", "mantissa", "shift", "low", "high"];
    /// Sum of two tensors, with broadcasting.
    Add = 7, "add", inputs 2, rows false,
        consts [],
        attrs ["input1_zero_point", "input2_zero_point", "output_zero_point", "left_shift", "mantissa1", "shift1",
            "mantissa2", "shift2", "mantissa", "shift", "low", "high"];
    /// Difference of two tensors, with broadcasting.
    Sub = 8, "sub", inputs 2, rows false,
        consts [],
        attrs ["input1_zero_point", "input2_zero_point", "output_zero_point", "left_shift", "mantissa1", "shift1",
            "mantissa2", "shift2", "mantissa", "shift", "low", "high"];
    /// Product of two tensors, with broadcasting.
    Mul = 9, "mul", inputs 2, rows false,
        consts [],
        attrs ["input1_zero_point", "input2_zero_point", "output_zero_point", "mantissa", "shift", "low", "high"];
    /// A function of one int8 value, as a table.
    Lut = 10, "lut", inputs 1, rows true,
        consts [table: I8],
        attrs [];
    /// Softmax over the last axis.
    Softmax = 11, "softmax", inputs 1, rows false,
        consts [exponentials: I32],
        attrs ["mantissa", "shift", "diff_min", "output_zero_point"];
    /// Constant border.
    Pad = 12, "pad", inputs 1, rows false,
        consts [],
        attrs ["before0", "before1", "before2", "before3", "before4", "before5", "value"];
    /// Joins tensors along one axis.
    Concat = 13, "concat", inputs 0, rows false,
        consts [],
        attrs ["axis"];
    /// Every `stride`-th element from `begin` on, per axis; a stride of 0 repeats, a negative one reverses.
    Slice = 14, "slice", inputs 1, rows false,
        consts [],
        attrs ["begin0", "begin1", "begin2", "begin3", "begin4", "begin5",
            "stride0", "stride1", "stride2", "stride3", "stride4", "stride5"];
    /// Permutes the axes.
    Transpose = 15, "transpose", inputs 1, rows false,
        consts [],
        attrs ["perm0", "perm1", "perm2", "perm3", "perm4", "perm5"];
    /// Moves values to another scale, zero point or integer type, and clamps.
    Requantize = 16, "requantize", inputs 1, rows true,
        consts [],
        attrs ["input_zero_point", "output_zero_point", "mantissa", "shift", "low", "high"];
    /// [`Op::Conv2d`] of int16 activations.
    Conv2dI16 = 17, "conv2d_i16", inputs 1, rows true,
        consts [weights: I8, bias: I64, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "low", "high", "groups", "accumulator_bits"];
    /// [`Op::DepthwiseConv2d`] of int16 activations.
    DepthwiseConv2dI16 = 18, "depthwise_conv2d_i16", inputs 1, rows true,
        consts [weights: I8, bias: I64, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "low", "high"];
    /// [`Op::FullyConnected`] of int16 activations.
    FullyConnectedI16 = 19, "fully_connected_i16", inputs 1, rows false,
        consts [weights: I8, bias: I64, mantissas: I32, shifts: I8],
        attrs ["low", "high"];
    /// [`Op::AveragePool2d`] of int16 activations.
    AveragePool2dI16 = 20, "average_pool2d_i16", inputs 1, rows true,
        consts [mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "low", "high"];
    /// [`Op::MaxPool2d`] of int16 activations.
    MaxPool2dI16 = 21, "max_pool2d_i16", inputs 1, rows true,
        consts [],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "low", "high"];
    /// [`Op::Mean`] of int16 activations.
    MeanI16 = 22, "mean_i16", inputs 1, rows false,
        consts [],
        attrs ["axes", "mantissa", "shift", "low", "high"];
    /// [`Op::Add`] of int16 activations.
    AddI16 = 23, "add_i16", inputs 2, rows false,
        consts [],
        attrs ["left_shift", "mantissa1", "shift1", "mantissa2", "shift2", "mantissa", "shift", "low", "high"];
    /// [`Op::Sub`] of int16 activations.
    SubI16 = 24, "sub_i16", inputs 2, rows false,
        consts [],
        attrs ["left_shift", "mantissa1", "shift1", "mantissa2", "shift2", "mantissa", "shift", "low", "high"];
    /// [`Op::Mul`] of int16 activations.
    MulI16 = 25, "mul_i16", inputs 2, rows false,
        consts [],
        attrs ["mantissa", "shift", "low", "high"];
    /// A function of one int16 value, as a table with lines between its entries.
    LutI16 = 26, "lut_i16", inputs 1, rows true,
        consts [table: I16],
        attrs ["interpolated_bits"];
    /// Logistic function or hyperbolic tangent of int16 activations, from one table of magnitudes.
    SigmoidI16 = 27, "sigmoid_i16", inputs 1, rows true,
        consts [table: I16],
        attrs ["tanh", "multiplier", "right_shift"];
    /// [`Op::Softmax`] of int16 activations.
    SoftmaxI16 = 28, "softmax_i16", inputs 1, rows false,
        consts [tables: I16, exponentials: I32],
        attrs ["mantissa", "shift"];
    /// Filters over the input and over time, with a state.
    Svdf = 29, "svdf", inputs 1 states 1, rows false,
        consts [feature_weights: I8, time_weights: I16, bias: I32],
        attrs ["rank", "input_zero_point", "state_zero_point", "output_zero_point", "feature_mantissa", "feature_shift",
            "mantissa", "shift"];
    /// Long short-term memory over a sequence; states: hidden, cell.
    Lstm = 30, "lstm", inputs 1 states 2, rows false,
        consts [input_weights: I8, recurrent_weights: I8, bias: I32, input_mantissas: I32, input_shifts: I8,
            recurrent_mantissas: I32, recurrent_shifts: I8],
        attrs ["time_major", "reverse", "keep", "input_zero_point", "hidden_zero_point", "forget_mantissa", "forget_shift",
            "update_mantissa", "update_shift", "hidden_mantissa", "hidden_shift", "cell_bits", "cell_clip"];
    /// Gated recurrent unit over a sequence; state: hidden.
    Gru = 31, "gru", inputs 1 states 1, rows false,
        consts [input_weights: I8, recurrent_weights: I8, bias: I32, recurrent_bias: I32, input_mantissas: I32,
            input_shifts: I8, recurrent_mantissas: I32, recurrent_shifts: I8],
        attrs ["time_major", "reverse", "keep", "linear_before_reset", "input_zero_point", "hidden_zero_point",
            "unit_mantissa", "unit_shift", "hidden_mantissa", "hidden_shift"];
    /// As [`Op::Lstm`], with activations of 16 bits.
    LstmI16 = 32, "lstm_i16", inputs 1 states 2, rows false,
        consts [input_weights: I8, recurrent_weights: I8, bias: I64, input_mantissas: I32, input_shifts: I8,
            recurrent_mantissas: I32, recurrent_shifts: I8],
        attrs ["time_major", "reverse", "keep", "input_zero_point", "hidden_zero_point", "forget_mantissa", "forget_shift",
            "update_mantissa", "update_shift", "hidden_mantissa", "hidden_shift", "cell_bits", "cell_clip"];
    /// As [`Op::Gru`], with activations of 16 bits.
    GruI16 = 33, "gru_i16", inputs 1 states 1, rows false,
        consts [input_weights: I8, recurrent_weights: I8, bias: I64, recurrent_bias: I64, input_mantissas: I32,
            input_shifts: I8, recurrent_mantissas: I32, recurrent_shifts: I8],
        attrs ["time_major", "reverse", "keep", "linear_before_reset", "input_zero_point", "hidden_zero_point",
            "unit_mantissa", "unit_shift", "hidden_mantissa", "hidden_shift"];
    /// As [`Op::Conv2d`], with weights of four bits.
    Conv2dI4 = 34, "conv2d_i4", inputs 1, rows true,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high", "groups"];
    /// As [`Op::DepthwiseConv2d`], with weights of four bits.
    DepthwiseConv2dI4 = 35, "depthwise_conv2d_i4", inputs 1, rows true,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high"];
    /// As [`Op::FullyConnected`], with weights of four bits.
    FullyConnectedI4 = 36, "fully_connected_i4", inputs 1, rows false,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["input_zero_point", "output_zero_point", "low", "high", "depth"];
    /// Convolution backwards: each input pixel is spread over the outputs under the kernel.
    TransposeConv2d = 37, "transpose_conv2d", inputs 1, rows true,
        consts [weights: I8, bias: I32, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "input_zero_point", "output_zero_point", "low", "high", "groups"];
    /// [`Op::TransposeConv2d`] of int16 activations.
    TransposeConv2dI16 = 38, "transpose_conv2d_i16", inputs 1, rows true,
        consts [weights: I8, bias: I64, mantissas: I32, shifts: I8],
        attrs ["kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
            "low", "high", "groups"];
    /// Products of two stacks of matrices.
    BatchMatmul = 39, "batch_matmul", inputs 2, rows false,
        consts [],
        attrs ["transpose1", "transpose2", "input1_zero_point", "input2_zero_point", "output_zero_point",
            "mantissa", "shift", "low", "high"];
    /// [`Op::BatchMatmul`] of int16 activations.
    BatchMatmulI16 = 40, "batch_matmul_i16", inputs 2, rows false,
        consts [],
        attrs ["transpose1", "transpose2", "mantissa", "shift", "low", "high"];
    /// Picks positions along one axis.
    Gather = 41, "gather", inputs 1, rows false,
        consts [indices: I32],
        attrs ["axis"];
    /// Bilinear interpolation over height and width.
    ResizeBilinear = 42, "resize_bilinear", inputs 1, rows false,
        consts [rows: I32, row_weights: I32, columns: I32, column_weights: I32],
        attrs ["row_unit", "column_unit", "input_zero_point", "output_zero_point", "mantissa", "shift", "low", "high"];
    /// The lesser of two values, with broadcasting.
    Minimum = 43, "minimum", inputs 2, rows false,
        consts [],
        attrs [];
    /// The greater of two values, with broadcasting.
    Maximum = 44, "maximum", inputs 2, rows false,
        consts [],
        attrs [];
    /// The greatest value over a set of axes.
    ReduceMax = 45, "reduce_max", inputs 1, rows false,
        consts [],
        attrs ["axes"];
    /// The least value over a set of axes.
    ReduceMin = 46, "reduce_min", inputs 1, rows false,
        consts [],
        attrs ["axes"];
    /// Square of the difference of two tensors, with broadcasting.
    SquaredDifference = 48, "squared_difference", inputs 2, rows false,
        consts [],
        attrs ["input1_zero_point", "input2_zero_point", "output_zero_point", "left_shift", "mantissa1", "shift1",
            "mantissa2", "shift2", "mantissa", "shift", "low", "high"];
    /// Normalization over the last values, with a factor and a term for each.
    LayerNorm = 49, "layer_norm", inputs 1, rows false,
        consts [gamma: I32, beta: I32],
        attrs ["center", "input_zero_point", "output_zero_point", "variance_shift", "epsilon_high", "epsilon_low",
            "beta_shift", "shift", "low", "high"];
    /// Division by the root of the sum of squares over the last axis.
    L2Norm = 50, "l2_norm", inputs 1, rows false,
        consts [],
        attrs ["input_zero_point", "output_zero_point", "low", "high"];
    /// Quotient of two tensors, with broadcasting.
    Div = 51, "div", inputs 2, rows false,
        consts [],
        attrs ["input1_zero_point", "input2_zero_point", "output_zero_point", "mantissa", "shift", "low", "high"];
}

impl Op {
    /// Returns whether the first constant is weights and the second a bias per output channel.
    pub const fn has_weights(self) -> bool {
        matches!(
            self,
            Self::Conv2d
                | Self::DepthwiseConv2d
                | Self::FullyConnected
                | Self::Conv2dI4
                | Self::DepthwiseConv2dI4
                | Self::FullyConnectedI4
                | Self::TransposeConv2d
                | Self::TransposeConv2dI16
                | Self::Conv2dI16
                | Self::DepthwiseConv2dI16
                | Self::FullyConnectedI16
        )
    }
}

/// One more than the largest operator number: the length of a table indexed by it.
pub const OP_TABLE_LEN: usize = 56;

#[allow(clippy::indexing_slicing, reason = "const context")]
const _: () = {
    let mut i = 0;
    while i < Op::ALL.len() {
        assert!((Op::ALL[i] as usize) < OP_TABLE_LEN);
        i += 1;
    }
    assert!(OP_TABLE_LEN <= 64, "the header holds the operator set as 64 bits");
};

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ElementType {
    /// Signed byte: what activations and weights are made of.
    I8 = 0,
    /// Unsigned byte: only at a [`Op::Requantize`] and where bytes are moved.
    U8 = 1,
    /// 16-bit integer.
    I16 = 2,
    /// 32-bit integer.
    I32 = 3,
}

impl ElementType {
    /// Returns the type with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::I8),
            1 => Some(Self::U8),
            2 => Some(Self::I16),
            3 => Some(Self::I32),
            _ => None,
        }
    }

    /// Returns the size of an element in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 => 4,
        }
    }

    /// Returns the smallest and the largest value.
    pub const fn range(self) -> (i32, i32) {
        match self {
            Self::I8 => (-128, 127),
            Self::U8 => (0, 255),
            Self::I16 => (-32768, 32767),
            Self::I32 => (i32::MIN, i32::MAX),
        }
    }

    /// Returns the name used in files and documents: `int8`, `uint8`, `int16`, `int32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::I32 => "int32",
        }
    }
}

/// The kernel family an artifact's constants are packed for. An artifact packed for one runs on
/// that family's kernel table; [`Family::Portable`] runs on every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// No packing: the layout of the reference kernels.
    Portable = 0,
    /// Cortex-M0, M0+.
    M0 = 1,
    /// Cortex-M3.
    M3 = 2,
    /// Cortex-M4, M7, M33: the DSP extension.
    Dsp = 3,
    /// Cortex-M55, M85: MVE.
    Mve = 4,
    /// RISC-V, 32-bit, with multiplication.
    Rv32 = 5,
    /// ARMv7-A with NEON.
    Armv7 = 6,
    /// AArch64 with NEON.
    Neon = 7,
    /// AArch64 with the dot product extension.
    Dotprod = 8,
    /// x86-64 with AVX2.
    Avx2 = 9,
    /// x86-64 with AVX-512 VNNI.
    Vnni = 10,
}

impl Family {
    /// Every family, in the order of their numbers.
    pub const ALL: &'static [Family] = &[
        Self::Portable,
        Self::M0,
        Self::M3,
        Self::Dsp,
        Self::Mve,
        Self::Rv32,
        Self::Armv7,
        Self::Neon,
        Self::Dotprod,
        Self::Avx2,
        Self::Vnni,
    ];

    /// Returns the family with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns the name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::M0 => "m0",
            Self::M3 => "m3",
            Self::Dsp => "dsp",
            Self::Mve => "mve",
            Self::Rv32 => "rv32",
            Self::Armv7 => "armv7",
            Self::Neon => "neon",
            Self::Dotprod => "dotprod",
            Self::Avx2 => "avx2",
            Self::Vnni => "vnni",
        }
    }
}
