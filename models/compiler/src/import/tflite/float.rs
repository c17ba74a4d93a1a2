//! TensorFlow Lite models in float32, written again as ONNX: what the quantizer takes and tract runs.
//!
//! Exact in real arithmetic, tensor names kept. Convolutions and pools stand between transposes to ONNX's channels-first
//! layout, which cancel when the model is quantized.
//!
//! Sources: the schema and the float reference kernels of github.com/tensorflow/tensorflow (`tensorflow/lite`), and
//! <https://onnx.ai/onnx/operators/>.

use std::collections::HashSet;

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

use super::schema::{
    Add, Concatenation, Conv2D, DepthwiseConv2D, FullyConnected, LeakyRelu, Mul, OptionsTable, Pack, Pool2D, Reducer,
    Softmax, Sub,
};
use super::source::{Source, SourceOperator, SourceTensor, Type};
use crate::error::{CompileError, CompileErrorKind};

/// Operator set of the model written.
const OPSET: i64 = 14;

/// Channels last to channels first, and back.
const TO_FIRST: [i64; 4] = [0, 3, 1, 2];
const TO_LAST: [i64; 4] = [0, 2, 3, 1];

type Res<T> = Result<T, CompileError>;

/// Returns whether a file is a TensorFlow Lite model whose inputs are float32 and which quantizes nothing.
pub fn is_float(bytes: &[u8]) -> bool {
    Source::parse(bytes, "").is_ok_and(|source| {
        let float = |&tensor: &usize| source.tensors.get(tensor).is_some_and(|t| t.ty == Type::F32);
        source.inputs.iter().all(float)
            && !source.operators.is_empty()
            && !source.operators.iter().any(|operator| operator.name == "QUANTIZE")
            && !source
                .operators
                .iter()
                .flat_map(|operator| &operator.outputs)
                .any(|t| source.tensors.get(*t).is_some_and(|t| matches!(t.ty, Type::I8 | Type::U8 | Type::I16)))
    })
}

/// Returns a float32 model as the bytes of an ONNX model with the same inputs, outputs and tensor names.
///
/// # Errors
/// A damaged file, or an operator, type or option without an exact counterpart: with its place and what to do.
pub fn to_onnx(bytes: &[u8], name: &str) -> Res<Vec<u8>> {
    let source = Source::parse(bytes, name)?;
    let mut writer = Writer::new(&source);
    for operator in &source.operators {
        writer.operator(operator)?;
    }
    let ports = |indices: &[usize]| indices.iter().map(|&i| writer.port(i)).collect::<Res<Vec<_>>>();
    let (input, output) = (ports(&source.inputs)?, ports(&source.outputs)?);
    let graph = GraphProto {
        name: name.into(),
        node: writer.nodes,
        initializer: writer.constants,
        input,
        output,
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: "tanbo".into(),
        graph: Some(graph),
        ..ModelProto::default()
    };
    Ok(model.encode_to_vec())
}

/// The ONNX graph being written.
struct Writer<'a> {
    source: &'a Source<'a>,
    /// Name of each tensor of the file; no two are equal.
    names: Vec<String>,
    taken: HashSet<String>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Names of the constants written so far.
    written: HashSet<String>,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        let mut taken = HashSet::new();
        let mut names = Vec::with_capacity(source.tensors.len());
        for (index, tensor) in source.tensors.iter().enumerate() {
            let mut name = if tensor.name.is_empty() { format!("tensor_{index}") } else { tensor.name.to_string() };
            if !taken.insert(name.clone()) {
                name = format!("{name}#{index}");
                taken.insert(name.clone());
            }
            names.push(name);
        }
        Self { source, names, taken, nodes: vec![], constants: vec![], written: HashSet::new() }
    }

    fn tensor(&self, index: usize) -> Res<&'a SourceTensor<'a>> {
        self.source.tensors.get(index).ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::Malformed,
                format!("tensor {index}"),
                "it is missing",
                "export the model again",
            )
        })
    }

    fn name_of(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// Returns a name that nothing has yet.
    fn fresh(&mut self, wish: &str) -> String {
        let mut name = wish.to_string();
        while !self.taken.insert(name.clone()) {
            name.push('\'');
        }
        name
    }

    fn port(&self, index: usize) -> Res<ValueInfoProto> {
        let tensor = self.tensor(index)?;
        if tensor.ty != Type::F32 || tensor.data.is_some() {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                &tensor.place,
                format!("this input or output is {}, not a computed float32 tensor", tensor.ty.name()),
                "convert the model with float32 inputs and outputs",
            ));
        }
        let dim = tensor
            .shape()?
            .into_iter()
            .map(|n| Dimension { value: Some(dimension::Value::DimValue(n as i64)), ..Dimension::default() })
            .collect();
        let tensor_type =
            type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
        Ok(ValueInfoProto {
            name: self.name_of(index),
            r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor_type)), ..TypeProto::default() }),
            ..ValueInfoProto::default()
        })
    }

    /// Writes a constant and returns its name.
    fn constant(&mut self, wish: &str, ty: DataType, dims: &[usize], raw: Vec<u8>) -> String {
        let name = self.fresh(wish);
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type: ty as i32,
            raw_data: raw,
            ..TensorProto::default()
        });
        name
    }

    fn integers(&mut self, wish: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(wish, DataType::Int64, &[values.len()], raw)
    }

    fn scalar(&mut self, wish: &str, value: f32) -> String {
        self.constant(wish, DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    fn node(&mut self, op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            op_type: op_type.into(),
            name: output.into(),
            input: inputs.iter().map(|&i| i.into()).collect(),
            output: vec![output.into()],
            attribute,
            ..NodeProto::default()
        });
    }

    fn operator(&mut self, operator: &'a SourceOperator<'a>) -> Res<()> {
        let mut op = Translation { source: operator, writer: self };
        match operator.name {
            "CONV_2D" => op.conv_2d(),
            "DEPTHWISE_CONV_2D" => op.depthwise_conv_2d(),
            "FULLY_CONNECTED" => op.fully_connected(),
            "AVERAGE_POOL_2D" => op.pool("AveragePool"),
            "MAX_POOL_2D" => op.pool("MaxPool"),
            "MEAN" => op.mean(),
            "ADD" => {
                let activation = op.options::<Add>()?.activation()?;
                op.binary("Add", activation)
            }
            "SUB" => {
                let activation = op.options::<Sub>()?.activation()?;
                op.binary("Sub", activation)
            }
            "MUL" => {
                let activation = op.options::<Mul>()?.activation()?;
                op.binary("Mul", activation)
            }
            "MINIMUM" => op.binary("Min", 0),
            "MAXIMUM" => op.binary("Max", 0),
            "SOFTMAX" => op.softmax(),
            "RELU" => op.unary("Relu", vec![]),
            "RELU6" => {
                let (x, y) = (op.operand(0)?, op.result()?);
                op.clip(&x, 0.0, 6.0, &y);
                Ok(())
            }
            "LEAKY_RELU" => {
                let alpha = op.options::<LeakyRelu>()?.alpha()?;
                op.unary("LeakyRelu", vec![float("alpha", alpha)])
            }
            "ELU" => op.unary("Elu", vec![]),
            "HARD_SWISH" => op.unary("HardSwish", vec![]),
            "LOGISTIC" => op.unary("Sigmoid", vec![]),
            "TANH" => op.unary("Tanh", vec![]),
            "EXP" => op.unary("Exp", vec![]),
            "ABS" => op.unary("Abs", vec![]),
            "NEG" => op.unary("Neg", vec![]),
            "SQRT" => op.unary("Sqrt", vec![]),
            "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => op.reshape(),
            "TRANSPOSE" => op.transpose(),
            "PAD" => op.pad(),
            "CONCATENATION" => op.concatenation(),
            "PACK" => op.pack(),
            _ => Err(op.unsupported(
                "this operator is not translated from float",
                "quantize the model to int8 with the TensorFlow Lite converter, or export it to ONNX (tf2onnx)",
            )),
        }
    }
}

/// One operator being written.
struct Translation<'w, 'a> {
    source: &'a SourceOperator<'a>,
    writer: &'w mut Writer<'a>,
}

/// Where a window lies: height first.
struct Window {
    kernel: [usize; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    padding: i8,
}

impl<'a> Translation<'_, 'a> {
    fn unsupported(&self, reason: impl Into<String>, remedy: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Unsupported, &self.source.place, reason, remedy)
    }

    fn inconsistent(&self, reason: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Inconsistent, &self.source.place, reason, "convert the model again")
    }

    fn options<T: OptionsTable<'a>>(&self) -> Res<T> {
        self.source.table.options()?.ok_or_else(|| self.inconsistent("its options are missing"))
    }

    fn index(&self, i: usize) -> Res<usize> {
        let index = self.source.inputs.get(i).copied().flatten();
        index.ok_or_else(|| self.inconsistent(format!("operand {i} is missing")))
    }

    fn shape(&self, i: usize) -> Res<Vec<usize>> {
        self.writer.tensor(self.index(i)?)?.shape()
    }

    /// Returns the float values of constant operand `i` with their shape.
    fn floats(&self, i: usize) -> Res<(Vec<usize>, Vec<f32>)> {
        let tensor = self.writer.tensor(self.index(i)?)?;
        let Some(bytes) = tensor.data.filter(|_| tensor.ty == Type::F32) else {
            return Err(self.unsupported(
                format!("{} is not a float32 constant", tensor.place),
                "convert the model with constant float32 weights (no dynamic-range or float16 quantization)",
            ));
        };
        let shape = tensor.shape()?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.len() != shape.iter().product::<usize>() || values.len() * 4 != bytes.len() {
            return Err(self.inconsistent(format!("{} has {} bytes for {shape:?}", tensor.place, bytes.len())));
        }
        Ok((shape, values))
    }

    /// Returns constant operand `i` as integers: axes, borders.
    fn words(&self, i: usize) -> Res<Vec<i64>> {
        let tensor = self.writer.tensor(self.index(i)?)?;
        match (tensor.data, tensor.ty) {
            (Some(bytes), Type::I32) => Ok(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()),
            (Some(bytes), Type::I64) => Ok(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            _ => Err(self.unsupported(
                format!("{} is not a constant of integers", tensor.place),
                "convert the model with fixed shapes",
            )),
        }
    }

    fn axis(&self, axis: i64, rank: usize) -> Res<i64> {
        let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        if (0..rank as i64).contains(&counted) {
            Ok(counted)
        } else {
            Err(self.inconsistent(format!("axis {axis} of {rank}")))
        }
    }

    /// Returns the name of operand `i`, an activation or a float constant, which is written if it was not yet.
    fn operand(&mut self, i: usize) -> Res<String> {
        let index = self.index(i)?;
        let tensor = self.writer.tensor(index)?;
        if tensor.ty != Type::F32 {
            return Err(self.unsupported(
                format!("{} is {}, not float32", tensor.place, tensor.ty.name()),
                "convert the model in float32 throughout",
            ));
        }
        let name = self.writer.name_of(index);
        if tensor.data.is_some() && self.writer.written.insert(name.clone()) {
            let (shape, values) = self.floats(i)?;
            self.writer.constants.push(TensorProto {
                name: name.clone(),
                dims: shape.iter().map(|&n| n as i64).collect(),
                data_type: DataType::Float as i32,
                raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                ..TensorProto::default()
            });
        }
        Ok(name)
    }

    fn result_index(&self) -> Res<usize> {
        match self.source.outputs.as_slice() {
            &[output] => Ok(output),
            outputs => Err(self.inconsistent(format!("it has {} results", outputs.len()))),
        }
    }

    fn result(&self) -> Res<String> {
        Ok(self.writer.name_of(self.result_index()?))
    }

    fn result_shape(&self) -> Res<Vec<usize>> {
        self.writer.tensor(self.result_index()?)?.shape()
    }

    fn unary(&mut self, op_type: &str, attribute: Vec<AttributeProto>) -> Res<()> {
        let (x, y) = (self.operand(0)?, self.result()?);
        self.writer.node(op_type, &[&x], &y, attribute);
        Ok(())
    }

    fn binary(&mut self, op_type: &str, activation: i8) -> Res<()> {
        let (a, b, y) = (self.operand(0)?, self.operand(1)?, self.result()?);
        let raw = self.before_activation(activation, &y)?;
        self.writer.node(op_type, &[&a, &b], &raw, vec![]);
        self.activation(activation, &raw, &y)
    }

    fn clip(&mut self, x: &str, low: f32, high: f32, y: &str) {
        let (low, high) =
            (self.writer.scalar(&format!("{y}/low"), low), self.writer.scalar(&format!("{y}/high"), high));
        self.writer.node("Clip", &[x, &low, &high], y, vec![]);
    }

    /// Returns where an operator writes what its fused activation then turns into `y`.
    fn before_activation(&mut self, activation: i8, y: &str) -> Res<String> {
        Ok(if activation == 0 { y.into() } else { self.writer.fresh(&format!("{y}/linear")) })
    }

    fn activation(&mut self, activation: i8, x: &str, y: &str) -> Res<()> {
        match activation {
            0 => {}
            1 => self.writer.node("Relu", &[x], y, vec![]),
            2 => self.clip(x, -1.0, 1.0, y),
            3 => self.clip(x, 0.0, 6.0, y),
            4 => self.writer.node("Tanh", &[x], y, vec![]),
            other => {
                return Err(self.unsupported(
                    format!("its fused activation is number {other}"),
                    "make the activation an operator of its own",
                ));
            }
        }
        Ok(())
    }

    /// Returns the bias in operand 2, or zeros.
    fn bias(&mut self, channels: usize, y: &str) -> Res<String> {
        let values = if self.source.inputs.get(2).copied().flatten().is_some() {
            let (_, values) = self.floats(2)?;
            if values.len() != channels {
                return Err(self.inconsistent(format!("its bias has {} values for {channels} channels", values.len())));
            }
            values
        } else {
            vec![0.0; channels]
        };
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Ok(self.writer.constant(&format!("{y}/bias"), DataType::Float, &[channels], raw))
    }

    /// Writes `op_type` with a window over operand 0 between transposes, and its activation.
    fn windowed(
        &mut self,
        op_type: &str,
        constants: &[&str],
        window: &Window,
        mut attribute: Vec<AttributeProto>,
        activation: i8,
    ) -> Res<()> {
        let (x, y) = (self.operand(0)?, self.result()?);
        let (&[_, h, w, _], &[_, out_h, out_w, _]) = (self.shape(0)?.as_slice(), self.result_shape()?.as_slice())
        else {
            return Err(self.inconsistent("its input or its result has not 4 axes"));
        };
        let (mut before, mut after) = ([0i64; 2], [0i64; 2]);
        for (axis, (size, out)) in [(h, out_h), (w, out_w)].into_iter().enumerate() {
            let get = |v: &[i32; 2]| v.get(axis).map_or(0, |&v| i64::from(v));
            let (stride, dilation) = (get(&window.stride), get(&window.dilation));
            let kernel = window.kernel.get(axis).map_or(0, |&k| k as i64);
            if stride < 1 || dilation < 1 || !(1..=1 << 28).contains(&kernel) {
                return Err(self.inconsistent(format!(
                    "its window is {:?} in steps of {:?}, dilated by {:?}",
                    window.kernel, window.stride, window.dilation
                )));
            }
            let span = (kernel - 1) * dilation + 1;
            let total = match window.padding {
                0 => ((size as i64 - 1) / stride * stride + span - size as i64).max(0),
                1 => 0,
                other => return Err(self.inconsistent(format!("its padding is number {other}"))),
            };
            // The shape of the result is the file's; ONNX computes its own.
            if (size as i64 + total - span).div_euclid(stride) + 1 != out as i64 {
                return Err(self.inconsistent(format!("its window of {span} over {size} does not give {out}")));
            }
            if let (Some(b), Some(a)) = (before.get_mut(axis), after.get_mut(axis)) {
                (*b, *a) = (total / 2, total - total / 2);
            }
        }
        let [kh, kw] = window.kernel.map(|k| k as i64);
        attribute.push(ints("kernel_shape", &[kh, kw]));
        attribute.push(ints("strides", &window.stride.map(i64::from)));
        if op_type == "Conv" {
            attribute.push(ints("dilations", &window.dilation.map(i64::from)));
        }
        attribute.push(ints("pads", &[before, after].concat()));
        let first = self.writer.fresh(&format!("{x}/channels_first"));
        self.writer.node("Transpose", &[&x], &first, vec![ints("perm", &TO_FIRST)]);
        let result = self.writer.fresh(&format!("{y}/channels_first"));
        let raw = self.before_activation(activation, &result)?;
        let inputs: Vec<&str> = [first.as_str()].into_iter().chain(constants.iter().copied()).collect();
        self.writer.node(op_type, &inputs, &raw, attribute);
        self.activation(activation, &raw, &result)?;
        self.writer.node("Transpose", &[&result], &y, vec![ints("perm", &TO_LAST)]);
        Ok(())
    }

    fn conv_2d(&mut self) -> Res<()> {
        let options: Conv2D = self.options()?;
        let (shape, values) = self.floats(1)?;
        let (&[out, kh, kw, depth], &[_, _, _, channels]) = (shape.as_slice(), self.shape(0)?.as_slice()) else {
            return Err(self.inconsistent("its filter or its input has not 4 axes"));
        };
        let groups = channels / depth;
        if groups == 0 || groups * depth != channels || out % groups != 0 {
            return Err(self.inconsistent(format!("its filter {shape:?} does not divide {channels} input channels")));
        }
        let y = self.result()?;
        let raw = permuted(&values, &shape, [0, 3, 1, 2]);
        let filter = self.writer.constant(&format!("{y}/weights"), DataType::Float, &[out, depth, kh, kw], raw);
        let bias = self.bias(out, &y)?;
        let window = Window {
            kernel: [kh, kw],
            stride: [options.stride_h()?, options.stride_w()?],
            dilation: [options.dilation_h()?, options.dilation_w()?],
            padding: options.padding()?,
        };
        self.windowed("Conv", &[&filter, &bias], &window, vec![int("group", groups as i64)], options.activation()?)
    }

    fn depthwise_conv_2d(&mut self) -> Res<()> {
        let options: DepthwiseConv2D = self.options()?;
        let (shape, values) = self.floats(1)?;
        let (&[1, kh, kw, out], &[_, _, _, channels]) = (shape.as_slice(), self.shape(0)?.as_slice()) else {
            return Err(self.inconsistent(format!("its filter has shape {shape:?}")));
        };
        if channels == 0 || out % channels != 0 {
            return Err(self.inconsistent(format!("{channels} channels do not become {out}")));
        }
        let y = self.result()?;
        let raw = permuted(&values, &shape, [3, 0, 1, 2]);
        let filter = self.writer.constant(&format!("{y}/weights"), DataType::Float, &[out, 1, kh, kw], raw);
        let bias = self.bias(out, &y)?;
        let window = Window {
            kernel: [kh, kw],
            stride: [options.stride_h()?, options.stride_w()?],
            dilation: [options.dilation_h()?, options.dilation_w()?],
            padding: options.padding()?,
        };
        self.windowed("Conv", &[&filter, &bias], &window, vec![int("group", channels as i64)], options.activation()?)
    }

    fn pool(&mut self, op_type: &str) -> Res<()> {
        let options: Pool2D = self.options()?;
        let kernel = [options.kernel_h()?, options.kernel_w()?];
        let window = Window {
            kernel: kernel.map(|k| usize::try_from(k).unwrap_or(0)),
            stride: [options.stride_h()?, options.stride_w()?],
            dilation: [1, 1],
            padding: options.padding()?,
        };
        // Taps outside the input count nowhere: ONNX's default.
        self.windowed(op_type, &[], &window, vec![], options.activation()?)
    }

    fn fully_connected(&mut self) -> Res<()> {
        let options: FullyConnected = self.options()?;
        if options.weights_format()? != 0 {
            return Err(self.unsupported("its weights are shuffled", "convert with weights in the default format"));
        }
        let (shape, values) = self.floats(1)?;
        let &[units, depth] = shape.as_slice() else { return Err(self.inconsistent("its filter has not 2 axes")) };
        let (x, y) = (self.operand(0)?, self.result()?);
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let filter = self.writer.constant(&format!("{y}/weights"), DataType::Float, &[units, depth], raw);
        let bias = self.bias(units, &y)?;
        let rows = if self.shape(0)?.len() == 2 {
            x
        } else {
            let rows = self.writer.fresh(&format!("{x}/rows"));
            let wish = self.writer.integers(&format!("{y}/rows"), &[-1, depth as i64]);
            self.writer.node("Reshape", &[&x, &wish], &rows, vec![]);
            rows
        };
        let result_shape = self.result_shape()?;
        let product = if result_shape.len() == 2 { y.clone() } else { self.writer.fresh(&format!("{y}/product")) };
        let activation = options.activation()?;
        let raw = self.before_activation(activation, &product)?;
        self.writer.node("Gemm", &[&rows, &filter, &bias], &raw, vec![int("transB", 1)]);
        self.activation(activation, &raw, &product)?;
        if product != y {
            self.reshaped(&product, &result_shape, &y);
        }
        Ok(())
    }

    fn mean(&mut self) -> Res<()> {
        let keep = self.options::<Reducer>()?.keep_dims()?;
        let rank = self.shape(0)?.len();
        let axes = self.words(1)?.into_iter().map(|axis| self.axis(axis, rank)).collect::<Res<Vec<_>>>()?;
        self.unary("ReduceMean", vec![ints("axes", &axes), int("keepdims", keep.into())])
    }

    fn softmax(&mut self) -> Res<()> {
        let beta = self.options::<Softmax>()?.beta()?;
        let (x, y) = (self.operand(0)?, self.result()?);
        let scaled = if beta == 1.0 {
            x
        } else {
            let factor = self.writer.scalar(&format!("{y}/beta"), beta);
            let scaled = self.writer.fresh(&format!("{y}/scaled"));
            self.writer.node("Mul", &[&x, &factor], &scaled, vec![]);
            scaled
        };
        self.writer.node("Softmax", &[&scaled], &y, vec![int("axis", -1)]);
        Ok(())
    }

    fn reshaped(&mut self, x: &str, shape: &[usize], y: &str) {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let wish = self.writer.integers(&format!("{y}/shape"), &shape);
        self.writer.node("Reshape", &[x, &wish], y, vec![]);
    }

    /// The kernels go by the shape of the result.
    fn reshape(&mut self) -> Res<()> {
        let (x, y) = (self.operand(0)?, self.result()?);
        let (from, to) = (self.shape(0)?, self.result_shape()?);
        if from.iter().product::<usize>() != to.iter().product::<usize>() {
            return Err(self.inconsistent(format!("{from:?} cannot become {to:?}")));
        }
        self.reshaped(&x, &to, &y);
        Ok(())
    }

    fn transpose(&mut self) -> Res<()> {
        let rank = self.shape(0)?.len();
        let perm = self.words(1)?.into_iter().map(|axis| self.axis(axis, rank)).collect::<Res<Vec<_>>>()?;
        if perm.len() != rank || perm.iter().collect::<HashSet<_>>().len() != rank {
            return Err(self.inconsistent(format!("{perm:?} is no permutation of {rank} axes")));
        }
        self.unary("Transpose", vec![ints("perm", &perm)])
    }

    fn pad(&mut self) -> Res<()> {
        let (x, y) = (self.operand(0)?, self.result()?);
        let words = self.words(1)?;
        let (pairs, []) = words.as_chunks::<2>() else {
            return Err(self.inconsistent("its list of borders is not made of pairs"));
        };
        if pairs.len() != self.shape(0)?.len() || words.iter().any(|w| !(0..1 << 28).contains(w)) {
            return Err(self.inconsistent(format!("its borders are {words:?}")));
        }
        let borders: Vec<i64> = pairs.iter().map(|p| p[0]).chain(pairs.iter().map(|p| p[1])).collect();
        let borders = self.writer.integers(&format!("{y}/borders"), &borders);
        self.writer.node("Pad", &[&x, &borders], &y, vec![]);
        Ok(())
    }

    fn operands(&mut self) -> Res<Vec<String>> {
        (0..self.source.inputs.len()).map(|i| self.operand(i)).collect()
    }

    fn concatenation(&mut self) -> Res<()> {
        let options: Concatenation = self.options()?;
        let axis = self.axis(options.axis()?.into(), self.shape(0)?.len())?;
        let (parts, y) = (self.operands()?, self.result()?);
        let activation = options.activation()?;
        let raw = self.before_activation(activation, &y)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.writer.node("Concat", &parts, &raw, vec![int("axis", axis)]);
        self.activation(activation, &raw, &y)
    }

    fn pack(&mut self) -> Res<()> {
        let options: Pack = self.options()?;
        let rank = self.shape(0)?.len() + 1;
        let axis = self.axis(options.axis()?.into(), rank)?;
        let (parts, y) = (self.operands()?, self.result()?);
        let mut shape = self.result_shape()?;
        if let Some(extent) = shape.get_mut(axis as usize) {
            *extent = 1;
        }
        let mut views = vec![];
        for part in &parts {
            let view = self.writer.fresh(&format!("{part}/part"));
            self.reshaped(part, &shape, &view);
            views.push(view);
        }
        let views: Vec<&str> = views.iter().map(String::as_str).collect();
        self.writer.node("Concat", &views, &y, vec![int("axis", axis)]);
        Ok(())
    }
}

/// Returns little-endian floats with their four axes permuted: axis `i` of the result is axis `perm[i]`.
fn permuted(values: &[f32], shape: &[usize], perm: [usize; 4]) -> Vec<u8> {
    let extent = |axis: usize| shape.get(axis).copied().unwrap_or(1);
    let stride = |axis: usize| shape.get(axis + 1..).unwrap_or_default().iter().product::<usize>();
    let [a, b, c, d] = perm;
    let mut out = Vec::with_capacity(values.len() * 4);
    for i in 0..extent(a) {
        for j in 0..extent(b) {
            for k in 0..extent(c) {
                for l in 0..extent(d) {
                    let at = i * stride(a) + j * stride(b) + k * stride(c) + l * stride(d);
                    out.extend(values.get(at).copied().unwrap_or_default().to_le_bytes());
                }
            }
        }
    }
    out
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let kind = AttributeType::Ints as i32;
    AttributeProto { name: name.into(), r#type: kind, ints: values.to_vec(), ..AttributeProto::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Float as i32, f, ..AttributeProto::default() }
}
