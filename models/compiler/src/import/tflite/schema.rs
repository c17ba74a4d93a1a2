//! The tables of a TensorFlow Lite file (schema version 3), as far as the importer reads them: number, name, type and
//! default of each field.

use super::flatbuffer::{Damaged, Reference, Table, Tables, Vector};

/// One of the tables that hold an operator's options.
pub trait OptionsTable<'a>: Reference<'a> {
    /// Number of the table in the union.
    const TAG: u8;
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident {
        $($number:literal $field:ident: $scalar:ty = $default:expr;)*
        $(ref $ref_number:literal $ref_field:ident: $reference:ty;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a>(Table<'a>);

        impl<'a> Reference<'a> for $name<'a> {
            fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged> {
                Table::read(file, at).map(Self)
            }
        }

        impl<'a> $name<'a> {
            $(
                /// Returns the field, or the schema's default where the file leaves it out.
                pub fn $field(self) -> Result<$scalar, Damaged> {
                    Ok(self.0.scalar($number)?.unwrap_or($default))
                }
            )*
            $(
                /// Returns the field, if the file has it.
                pub fn $ref_field(self) -> Result<Option<$reference>, Damaged> {
                    self.0.reference($ref_number)
                }
            )*
        }
    };
}

macro_rules! options {
    ($($tag:literal $name:ident { $($body:tt)* })*) => {
        $(
            table! {
                /// Options of the operator of this name.
                $name { $($body)* }
            }
            impl<'a> OptionsTable<'a> for $name<'a> {
                const TAG: u8 = $tag;
            }
        )*
    };
}

options! {
    1 Conv2D {
        0 padding: i8 = 0;
        1 stride_w: i32 = 0;
        2 stride_h: i32 = 0;
        3 activation: i8 = 0;
        4 dilation_w: i32 = 1;
        5 dilation_h: i32 = 1;
    }
    2 DepthwiseConv2D {
        0 padding: i8 = 0;
        1 stride_w: i32 = 0;
        2 stride_h: i32 = 0;
        3 depth_multiplier: i32 = 0;
        4 activation: i8 = 0;
        5 dilation_w: i32 = 1;
        6 dilation_h: i32 = 1;
    }
    5 Pool2D {
        0 padding: i8 = 0;
        1 stride_w: i32 = 0;
        2 stride_h: i32 = 0;
        3 kernel_w: i32 = 0;
        4 kernel_h: i32 = 0;
        5 activation: i8 = 0;
    }
    6 Svdf {
        0 rank: i32 = 0;
        1 activation: i8 = 0;
    }
    8 FullyConnected {
        0 activation: i8 = 0;
        1 weights_format: i8 = 0;
    }
    9 Softmax { 0 beta: f32 = 0.0; }
    10 Concatenation {
        0 axis: i32 = 0;
        1 activation: i8 = 0;
    }
    11 Add { 0 activation: i8 = 0; }
    12 L2Norm { 0 activation: i8 = 0; }
    15 ResizeBilinear {
        2 align_corners: bool = false;
        3 half_pixel_centers: bool = false;
    }
    19 SpaceToDepth { 0 block_size: i32 = 0; }
    21 Mul { 0 activation: i8 = 0; }
    23 Gather {
        0 axis: i32 = 0;
        1 batch_dims: i32 = 0;
    }
    27 Reducer { 0 keep_dims: bool = false; }
    28 Sub { 0 activation: i8 = 0; }
    30 Squeeze { ref 0 axes: Vector<'a, i32>; }
    32 StridedSlice {
        0 begin_mask: i32 = 0;
        1 end_mask: i32 = 0;
        2 ellipsis_mask: i32 = 0;
        3 new_axis_mask: i32 = 0;
        4 shrink_axis_mask: i32 = 0;
        5 end_is_length: bool = false;
    }
    49 TransposeConv {
        0 padding: i8 = 0;
        1 stride_w: i32 = 0;
        2 stride_h: i32 = 0;
        3 activation: i8 = 0;
    }
    59 Pack { 1 axis: i32 = 0; }
    64 Unpack { 1 axis: i32 = 0; }
    71 UnidirectionalSequenceLstm {
        0 activation: i8 = 0;
        1 cell_clip: f32 = 0.0;
        3 time_major: bool = false;
        5 diagonal_recurrent_tensors: bool = false;
    }
    74 ResizeNearestNeighbor {
        0 align_corners: bool = false;
        1 half_pixel_centers: bool = false;
    }
    75 LeakyRelu { 0 alpha: f32 = 0.0; }
    101 BatchMatMul {
        0 adj_x: bool = false;
        1 adj_y: bool = false;
    }
    116 Gelu { 0 approximate: bool = false; }
    77 MirrorPad { 0 mode: i8 = 0; }
    94 DepthToSpace { 0 block_size: i32 = 0; }
    103 CallOnce { 0 init_subgraph: i32 = 0; }
    111 VarHandle {
        ref 0 container: &'a str;
        ref 1 shared_name: &'a str;
    }
}

table! {
    /// One operation.
    Operator {
        0 opcode_index: u32 = 0;
        3 options_tag: u8 = 0;
        ref 1 inputs: Vector<'a, i32>;
        ref 2 outputs: Vector<'a, i32>;
    }
}

impl<'a> Operator<'a> {
    /// Returns the options, if the file has them and they are of this kind.
    pub fn options<T: OptionsTable<'a>>(self) -> Result<Option<T>, Damaged> {
        if self.options_tag()? == T::TAG { self.0.reference(4) } else { Ok(None) }
    }
}

table! {
    /// real = scale · (q − zero_point), with one pair or one per channel.
    Quantization {
        4 details_type: u8 = 0;
        ref 2 scales: Vector<'a, f32>;
        ref 3 zero_points: Vector<'a, i64>;
    }
}

table! {
    /// An activation or a constant. Of `sparsity`, an offset to a table, only the presence matters.
    Tensor {
        1 element_type: i8 = 0;
        2 buffer: u32 = 0;
        5 is_variable: bool = false;
        6 sparsity: u32 = 0;
        10 external_buffer: u32 = 0;
        ref 0 shape: Vector<'a, i32>;
        ref 3 name: &'a str;
        ref 4 quantization: Quantization<'a>;
    }
}

table! {
    /// Which operation an [`Operator`] is.
    OperatorCode {
        0 short_code: i8 = 0;
        3 code: i32 = 0;
        ref 1 custom_name: &'a str;
    }
}

table! {
    /// A function: tensors, and operators in the order of execution.
    SubGraph {
        ref 0 tensors: Tables<'a, Tensor<'a>>;
        ref 1 inputs: Vector<'a, i32>;
        ref 2 outputs: Vector<'a, i32>;
        ref 3 operators: Tables<'a, Operator<'a>>;
    }
}

table! {
    /// The bytes of a constant.
    Buffer {
        1 offset: u64 = 0;
        ref 0 data: Vector<'a, u8>;
    }
}

table! {
    /// The root.
    Model {
        0 version: u32 = 0;
        ref 1 operator_codes: Tables<'a, OperatorCode<'a>>;
        ref 2 subgraphs: Tables<'a, SubGraph<'a>>;
        ref 4 buffers: Tables<'a, Buffer<'a>>;
    }
}

impl<'a> Model<'a> {
    /// Returns the root of a file.
    pub fn root(file: &'a [u8]) -> Result<Self, Damaged> {
        Table::root(file).map(Self)
    }
}

/// Element types, by their numbers.
#[rustfmt::skip]
pub const ELEMENT_TYPES: [&str; 21] = [
    "FLOAT32", "FLOAT16", "INT32", "UINT8", "INT64", "STRING", "BOOL", "INT16", "COMPLEX64", "INT8", "FLOAT64",
    "COMPLEX128", "UINT64", "RESOURCE", "VARIANT", "UINT32", "UINT16", "INT4", "BFLOAT16", "INT2", "UINT4",
];

/// Operators, by their numbers.
#[rustfmt::skip]
pub const OPERATORS: [&str; 210] = [
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP", "TOPK_V2",
    "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM", "ARG_MAX",
    "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN",
    "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT",
    "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT",
    "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL",
    "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS",
    "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU",
    "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D",
    "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL",
    "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL",
    "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE", "RELU_0_TO_1",
    "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2", "UNSORTED_SEGMENT_MIN", "SIGN",
    "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT", "STABLEHLO_LOGISTIC", "STABLEHLO_ADD", "STABLEHLO_DIVIDE",
    "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_RESHAPE", "STABLEHLO_CLAMP", "STABLEHLO_CONCATENATE",
    "STABLEHLO_BROADCAST_IN_DIM", "STABLEHLO_CONVOLUTION", "STABLEHLO_SLICE", "STABLEHLO_CUSTOM_CALL",
    "STABLEHLO_REDUCE", "STABLEHLO_ABS", "STABLEHLO_AND", "STABLEHLO_COSINE", "STABLEHLO_EXPONENTIAL",
    "STABLEHLO_FLOOR", "STABLEHLO_LOG", "STABLEHLO_MINIMUM", "STABLEHLO_NEGATE", "STABLEHLO_OR", "STABLEHLO_POWER",
    "STABLEHLO_REMAINDER", "STABLEHLO_RSQRT", "STABLEHLO_SELECT", "STABLEHLO_SUBTRACT", "STABLEHLO_TANH",
    "STABLEHLO_SCATTER", "STABLEHLO_COMPARE", "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE",
    "STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD", "STABLEHLO_IOTA", "STABLEHLO_DOT_GENERAL",
    "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SORT", "STABLEHLO_WHILE", "STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE",
    "DILATE", "STABLEHLO_RNG_BIT_GENERATOR", "REDUCE_WINDOW", "STABLEHLO_COMPOSITE", "STABLEHLO_SHIFT_LEFT",
    "STABLEHLO_CBRT", "STABLEHLO_CASE",
];
