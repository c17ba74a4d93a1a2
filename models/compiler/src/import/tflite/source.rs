//! The file as the importer sees it: verified, with every index in range and every buffer resolved.

use super::flatbuffer::{Damaged, Scalar, Tables, Vector};
use super::schema::{self, ELEMENT_TYPES, OPERATORS};
use crate::error::{CompileError, CompileErrorKind};

/// Bytes of a file, at most.
const MAX_FILE_BYTES: usize = 1 << 28;
/// Elements of a tensor, at most.
const MAX_ELEMENTS: usize = 1 << 28;
/// Axes of a tensor, at most.
const MAX_SOURCE_RANK: usize = 16;
/// Inputs, and outputs, of a model, at most.
const MAX_PORTS: usize = 256;

/// Subgraphs that a file may have: the model, and functions that it calls once.
const MAX_SUBGRAPHS: usize = 16;

/// The main function of a model, and the functions that it calls.
pub struct Source<'a> {
    pub tensors: Vec<SourceTensor<'a>>,
    pub operators: Vec<SourceOperator<'a>>,
    /// Indices into `tensors`.
    pub inputs: Vec<usize>,
    /// Indices into `tensors`.
    pub outputs: Vec<usize>,
    /// The other subgraphs of the file: the first is number 1.
    pub functions: Vec<Function<'a>>,
}

/// A subgraph besides the main one.
pub struct Function<'a> {
    pub tensors: Vec<SourceTensor<'a>>,
    pub operators: Vec<SourceOperator<'a>>,
}

/// A tensor of the file.
pub struct SourceTensor<'a> {
    /// Its index, and its name in quotes if it has one.
    pub place: String,
    pub name: &'a str,
    pub ty: Type,
    /// Bytes of a constant.
    pub data: Option<&'a [u8]>,
    /// It keeps its content between runs.
    pub variable: bool,
    table: schema::Tensor<'a>,
}

/// An operator of the file.
pub struct SourceOperator<'a> {
    /// Its index and name.
    pub place: String,
    /// Its name in the schema.
    pub name: &'static str,
    /// Indices into the tensors; `None` for an operand that is left out.
    pub inputs: Vec<Option<usize>>,
    /// Indices into the tensors.
    pub outputs: Vec<usize>,
    pub table: schema::Operator<'a>,
}

/// Element types that some operator can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    F32,
    /// Two to a byte, the first in the low half: filters only.
    I4,
    I8,
    U8,
    I16,
    I32,
    I64,
    /// Any other, by its number.
    Other(i8),
}

impl Type {
    fn from_code(code: i8) -> Self {
        match code {
            0 => Self::F32,
            2 => Self::I32,
            3 => Self::U8,
            4 => Self::I64,
            7 => Self::I16,
            9 => Self::I8,
            17 => Self::I4,
            other => Self::Other(other),
        }
    }

    /// Returns the name in the schema.
    pub fn name(self) -> String {
        let code = match self {
            Self::F32 => 0,
            Self::I32 => 2,
            Self::U8 => 3,
            Self::I64 => 4,
            Self::I16 => 7,
            Self::I8 => 9,
            Self::I4 => 17,
            Self::Other(code) => code,
        };
        match usize::try_from(code).ok().and_then(|i| ELEMENT_TYPES.get(i)) {
            Some(name) => (*name).into(),
            None => format!("type {code}"),
        }
    }
}

impl SourceTensor<'_> {
    /// Returns the shape; a scalar's is empty.
    pub fn shape(&self) -> Result<Vec<usize>, CompileError> {
        let mut elements = 1usize;
        let extents = self.table.shape()?;
        if let Some(rank) = extents.map(Vector::len).filter(|&rank| rank > MAX_SOURCE_RANK) {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                &self.place,
                format!("it has {rank} axes, more than {MAX_SOURCE_RANK}"),
                "merge or drop axes in the source model",
            ));
        }
        list(extents)
            .into_iter()
            .map(|extent| {
                let extent = usize::try_from(extent).ok().filter(|&n| n > 0).ok_or_else(|| {
                    CompileError::new(
                        CompileErrorKind::Unsupported,
                        &self.place,
                        format!("an extent of its shape is {extent}"),
                        "convert the model with fixed shapes and a fixed batch size",
                    )
                })?;
                elements = elements.checked_mul(extent).filter(|&n| n <= MAX_ELEMENTS).ok_or_else(|| {
                    CompileError::new(
                        CompileErrorKind::TooLarge,
                        &self.place,
                        format!("it has more than {MAX_ELEMENTS} elements"),
                        "use a smaller model",
                    )
                })?;
                Ok(extent)
            })
            .collect()
    }

    /// Returns scales and zero points as the file has them: both empty without quantization.
    pub fn quantization(&self) -> Result<(Vec<f32>, Vec<i64>), CompileError> {
        let Some(table) = self.table.quantization()? else { return Ok((vec![], vec![])) };
        let error = |reason: String| {
            CompileError::new(CompileErrorKind::Inconsistent, &self.place, reason, "convert the model again")
        };
        if table.details_type()? != 0 {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                &self.place,
                "it is quantized by a custom scheme",
                "quantize with scales and zero points",
            ));
        }
        let scales: Vec<f32> = list(table.scales()?);
        let zero_points: Vec<i64> = list(table.zero_points()?);
        if let Some(scale) = scales.iter().find(|s| !s.is_finite() || **s < 0.0) {
            return Err(error(format!("its scale is {scale}")));
        }
        if !zero_points.is_empty() && zero_points.len() != 1 && zero_points.len() != scales.len() {
            return Err(error(format!("it has {} scales and {} zero points", scales.len(), zero_points.len())));
        }
        Ok((scales, zero_points))
    }
}

impl From<Damaged> for CompileError {
    fn from(damaged: Damaged) -> Self {
        malformed(
            format!("byte {} of the model", damaged.at),
            "what should be there lies outside the file or is no text",
        )
    }
}

/// The elements of a vector that may be left out.
fn list<T: Scalar>(vector: Option<Vector<'_, T>>) -> Vec<T> {
    vector.into_iter().flat_map(Vector::iter).collect()
}

fn malformed(place: impl Into<String>, reason: impl Into<String>) -> CompileError {
    CompileError::new(CompileErrorKind::Malformed, place, reason, "export or download the model again")
}

fn tensor_index(index: i32, tensors: usize, place: &str) -> Result<usize, CompileError> {
    usize::try_from(index)
        .ok()
        .filter(|&i| i < tensors)
        .ok_or_else(|| malformed(place, format!("it names tensor {index} of {tensors}")))
}

impl<'a> Source<'a> {
    /// Verifies `bytes` and resolves what the tables refer to.
    pub fn parse(bytes: &'a [u8], name: &str) -> Result<Self, CompileError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(CompileError::new(
                CompileErrorKind::TooLarge,
                name,
                format!("the file has {} bytes, more than {MAX_FILE_BYTES}", bytes.len()),
                "use a smaller model",
            ));
        }
        if bytes.get(4..8) != Some(b"TFL3") {
            return Err(CompileError::new(
                CompileErrorKind::Malformed,
                name,
                "bytes 4 to 8 are not `TFL3`: this is no TensorFlow Lite model",
                "give a .tflite file of the TensorFlow Lite converter",
            ));
        }
        let model = schema::Model::root(bytes)?;
        let version = model.version()?;
        if version != 3 {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                name,
                format!("its schema version is {version}"),
                "convert the model with TensorFlow Lite's schema version 3",
            ));
        }
        let graphs = model.subgraphs()?;
        let few = graphs.filter(|g| g.len() <= MAX_SUBGRAPHS);
        let graph = match few.map(|g| g.get(0)).transpose()?.flatten() {
            Some(graph) => graph,
            None => {
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    name,
                    format!("it has {} subgraphs", graphs.map_or(0, |g| g.len())),
                    "convert one signature, without control flow",
                ));
            }
        };
        // Vectors and texts may be shared: this bounds the work that a small file can ask for.
        let mut budget = Budget(bytes.len().saturating_mul(16));
        let tensors = resolve_tensors(&model, &graph, "", &mut budget)?;
        let operators = resolve_operators(&model, &graph, tensors.len(), "", &mut budget)?;
        let mut functions = vec![];
        for (number, graph) in few.into_iter().flat_map(Tables::iter).enumerate().skip(1) {
            let (graph, place) = (graph?, format!("subgraph {number}, "));
            let tensors = resolve_tensors(&model, &graph, &place, &mut budget)?;
            let operators = resolve_operators(&model, &graph, tensors.len(), &place, &mut budget)?;
            functions.push(Function { tensors, operators });
        }
        let ports = |indices: Option<Vector<'a, i32>>, what: &str| {
            let place = format!("{name}, list of {what}");
            if let Some(number) = indices.map(Vector::len).filter(|&number| number > MAX_PORTS) {
                return Err(CompileError::new(
                    CompileErrorKind::TooLarge,
                    place,
                    format!("it has {number} entries, more than {MAX_PORTS}"),
                    "use fewer",
                ));
            }
            let ports: Result<Vec<usize>, CompileError> =
                list(indices).into_iter().map(|i| tensor_index(i, tensors.len(), &place)).collect();
            match ports {
                Ok(ports) if ports.is_empty() => Err(malformed(place, "it is empty")),
                ports => ports,
            }
        };
        let (inputs, outputs) = (ports(graph.inputs()?, "inputs")?, ports(graph.outputs()?, "outputs")?);
        Ok(Self { inputs, outputs, tensors, operators, functions })
    }
}

/// What may still be read, in bytes.
struct Budget(usize);

impl Budget {
    fn charge(&mut self, bytes: usize, place: &str) -> Result<(), CompileError> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            malformed(place, "names and lists that the tables share are 16 times as long as the file")
        })?;
        Ok(())
    }
}

fn resolve_tensors<'a>(
    model: &schema::Model<'a>,
    graph: &schema::SubGraph<'a>,
    within: &str,
    budget: &mut Budget,
) -> Result<Vec<SourceTensor<'a>>, CompileError> {
    let mut tensors = vec![];
    let buffers = model.buffers()?;
    for (index, table) in graph.tensors()?.into_iter().flat_map(Tables::iter).enumerate() {
        let table = table?;
        let name = table.name()?.unwrap_or_default();
        budget.charge(name.len(), &format!("tensor {index}"))?;
        let shown = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        let place = format!("{within}tensor {index}{shown}");
        let refuse =
            |reason: &str, remedy: &str| Err(CompileError::new(CompileErrorKind::Unsupported, &place, reason, remedy));
        if table.sparsity()? != 0 {
            return refuse("it is sparse", "convert the model without sparse weights");
        }
        if table.external_buffer()? != 0 {
            return refuse("its data lies in another file", "convert the model with its weights inside");
        }
        let mut data = None;
        // Buffer 0 stands for none.
        let number = table.buffer()?;
        if number != 0 {
            let buffer = buffers.map(|b| b.get(number as usize)).transpose()?.flatten();
            let buffer =
                buffer.ok_or_else(|| malformed(&place, format!("it names buffer {number}, which is missing")))?;
            if buffer.offset()? != 0 {
                return refuse("its data lies behind the flatbuffer", "convert the model to a file of less than 2 GB");
            }
            data = buffer.data()?.map(|d| d.bytes()).filter(|d| !d.is_empty());
        }
        let ty = Type::from_code(table.element_type()?);
        tensors.push(SourceTensor { place, name, ty, data, variable: table.is_variable()?, table });
    }
    Ok(tensors)
}

fn resolve_operators<'a>(
    model: &schema::Model<'a>,
    graph: &schema::SubGraph<'a>,
    tensors: usize,
    within: &str,
    budget: &mut Budget,
) -> Result<Vec<SourceOperator<'a>>, CompileError> {
    let mut operators = vec![];
    let codes = model.operator_codes()?;
    for (index, table) in graph.operators()?.into_iter().flat_map(Tables::iter).enumerate() {
        let table = table?;
        let place = format!("{within}operator {index}");
        let number = table.opcode_index()?;
        let code = codes.map(|c| c.get(number as usize)).transpose()?.flatten();
        let code =
            code.ok_or_else(|| malformed(&place, format!("it names operator code {number}, which is missing")))?;
        // Files older than the wide field have only the short one; newer ones have the larger of both in the wide one.
        let number = code.code()?.max(code.short_code()?.into());
        let name = usize::try_from(number).ok().and_then(|i| OPERATORS.get(i)).copied();
        let shown = match name {
            Some("CUSTOM") => format!("CUSTOM `{}`", code.custom_name()?.unwrap_or_default()),
            Some(name) => name.into(),
            None => format!("builtin operator {number}"),
        };
        let place = format!("{place} ({shown})");
        let Some(name) = name else {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                "it is newer than this compiler",
                "convert the model for an older TensorFlow Lite",
            ));
        };
        let (inputs, outputs) = (list(table.inputs()?), list(table.outputs()?));
        budget.charge(4 * (inputs.len() + outputs.len()) + place.len(), &place)?;
        let inputs =
            inputs.into_iter().map(|i| if i == -1 { Ok(None) } else { tensor_index(i, tensors, &place).map(Some) });
        let inputs = inputs.collect::<Result<_, _>>()?;
        let outputs = outputs.into_iter().map(|i| tensor_index(i, tensors, &place)).collect::<Result<_, _>>()?;
        operators.push(SourceOperator { place, name, inputs, outputs, table });
    }
    Ok(operators)
}
