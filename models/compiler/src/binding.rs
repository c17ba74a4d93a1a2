//! Inputs and outputs as the source model has them, converted to and from what the artifact holds.
//!
//! This is host work at the boundary: the inference path itself knows only integers.

use tanbo_format::{ElementType, Model};
use tanbo_quant::quantize;

use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{BoundaryRounding, Graph, Port, SourceType};

/// How one input or output of a source model maps to a tensor of the artifact.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Name in the source model.
    pub name: String,
    /// Shape in the source model.
    pub shape: Vec<usize>,
    /// Element type in the source model.
    pub ty: SourceType,
    /// Scale of the quantized tensor.
    pub scale: f32,
    /// Zero point in the source model's integer type (in the artifact's, where the source is float).
    pub zero_point: i32,
    artifact_ty: ElementType,
    artifact_zero_point: i32,
    perm: Option<Vec<usize>>,
    rounding: BoundaryRounding,
}

impl SourceType {
    /// Returns the size of an element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }

    /// Returns the name used on the command line: `float32`, `int8`, `uint8`, `int16`, `int32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::I32 => "int32",
        }
    }
}

/// Returns how far source integers lie above the artifact's.
fn lift(source: SourceType, artifact: ElementType) -> i32 {
    if source == SourceType::U8 && artifact == ElementType::I8 { 128 } else { 0 }
}

impl Binding {
    /// Returns the binding of a graph's port.
    ///
    /// # Errors
    /// A port whose tensor, shape or permutation does not fit.
    pub fn of_port(graph: &Graph, port: &Port) -> Result<Self, CompileError> {
        let inconsistent = |reason: &str| {
            CompileError::new(
                CompileErrorKind::Inconsistent,
                format!("input or output '{}'", port.name),
                reason,
                "export the model again",
            )
        };
        let tensor = graph.tensors.get(port.tensor).ok_or_else(|| inconsistent("no such tensor"))?;
        let elements = port.source_shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements != Some(tensor.elements()) {
            return Err(inconsistent("its shape does not fit its tensor"));
        }
        if let Some(perm) = &port.perm {
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..port.source_shape.len()) {
                return Err(inconsistent("its layout is not a permutation of its axes"));
            }
        }
        Ok(Self {
            name: port.name.clone(),
            shape: port.source_shape.clone(),
            ty: port.source_type,
            scale: tensor.scale,
            zero_point: tensor.zero_point + lift(port.source_type, tensor.ty),
            artifact_ty: tensor.ty,
            artifact_zero_point: tensor.zero_point,
            perm: port.perm.clone(),
            rounding: port.rounding,
        })
    }

    /// Returns the bindings of an artifact itself: its own shapes and types.
    pub fn of_model(model: &Model<'_>, tensors: &[u16]) -> Vec<Self> {
        tensors
            .iter()
            .filter_map(|&number| model.tensor(number))
            .map(|tensor| Self {
                name: tensor.name().to_string(),
                shape: tensor.shape.iter().map(|&d| d as usize).collect(),
                ty: match tensor.ty {
                    ElementType::I8 => SourceType::I8,
                    ElementType::U8 => SourceType::U8,
                    ElementType::I16 => SourceType::I16,
                    ElementType::I32 => SourceType::I32,
                },
                scale: tensor.scale,
                zero_point: tensor.zero_point,
                artifact_ty: tensor.ty,
                artifact_zero_point: tensor.zero_point,
                perm: None,
                rounding: BoundaryRounding::HalfEven,
            })
            .collect()
    }

    /// Returns the number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the number of bytes of the source array.
    pub fn source_bytes(&self) -> usize {
        self.elements() * self.ty.bytes()
    }

    /// Returns the artifact's bytes for a source array's little-endian bytes.
    ///
    /// # Errors
    /// A source array of another length.
    pub fn to_artifact(&self, source: &[u8]) -> Result<Vec<u8>, CompileError> {
        if source.len() != self.source_bytes() {
            return Err(self.wrong_length(source.len(), self.source_bytes()));
        }
        let (low, high) = self.artifact_ty.range();
        let mut bytes = Vec::with_capacity(self.elements() * self.artifact_ty.bytes());
        for index in self.source_order() {
            let element = &source[index * self.ty.bytes()..][..self.ty.bytes()];
            let value = match (self.ty, element) {
                (SourceType::F32, &[a, b, c, d]) => {
                    let real = f32::from_le_bytes([a, b, c, d]);
                    match self.rounding {
                        BoundaryRounding::HalfEven => quantize(real, self.scale, self.artifact_zero_point, low, high),
                        BoundaryRounding::HalfAway => {
                            let q = (real / self.scale).round() as i32;
                            q.saturating_add(self.artifact_zero_point).clamp(low, high)
                        }
                    }
                }
                _ => integer(self.ty, element) - lift(self.ty, self.artifact_ty),
            };
            bytes.extend_from_slice(&value.to_le_bytes()[..self.artifact_ty.bytes()]);
        }
        Ok(bytes)
    }

    /// Returns the source array's little-endian bytes for the artifact's.
    ///
    /// # Errors
    /// Artifact bytes of another length.
    pub fn to_source(&self, artifact: &[u8]) -> Result<Vec<u8>, CompileError> {
        let size = self.artifact_ty.bytes();
        if artifact.len() != self.elements() * size {
            return Err(self.wrong_length(artifact.len(), self.elements() * size));
        }
        let own = match self.artifact_ty {
            ElementType::I8 => SourceType::I8,
            ElementType::U8 => SourceType::U8,
            ElementType::I16 => SourceType::I16,
            ElementType::I32 => SourceType::I32,
        };
        let mut bytes = vec![0; self.source_bytes()];
        for (element, index) in artifact.chunks_exact(size).zip(self.source_order()) {
            let value = integer(own, element);
            let place = &mut bytes[index * self.ty.bytes()..][..self.ty.bytes()];
            if self.ty == SourceType::F32 {
                let real = self.scale * (value - self.artifact_zero_point) as f32;
                place.copy_from_slice(&real.to_le_bytes());
            } else {
                let value = value + lift(self.ty, self.artifact_ty);
                place.copy_from_slice(&value.to_le_bytes()[..self.ty.bytes()]);
            }
        }
        Ok(bytes)
    }

    /// Returns the source index of each element in the artifact's order.
    fn source_order(&self) -> Vec<usize> {
        let identity: Vec<usize> = (0..self.shape.len()).collect();
        let perm = self.perm.as_ref().unwrap_or(&identity);
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let mut order = vec![0];
        for &axis in perm {
            order = order
                .into_iter()
                .flat_map(|base| (0..self.shape[axis]).map(move |i| (base, i)))
                .map(|(base, i)| base + i * strides[axis])
                .collect();
        }
        order
    }

    fn wrong_length(&self, given: usize, needed: usize) -> CompileError {
        CompileError::new(
            CompileErrorKind::Inconsistent,
            format!("'{}'", self.name),
            format!("{given} bytes given, shape {:?} of {} needs {needed}", self.shape, self.ty.name()),
            "give an array of that shape and type",
        )
    }
}

fn integer(ty: SourceType, element: &[u8]) -> i32 {
    match (ty, element) {
        (SourceType::I8, &[a]) => i32::from(a as i8),
        (SourceType::U8, &[a]) => i32::from(a),
        (SourceType::I16, &[a, b]) => i32::from(i16::from_le_bytes([a, b])),
        (_, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(ty: SourceType, zero_point: i32) -> Binding {
        Binding {
            name: "x".into(),
            shape: vec![2, 3],
            ty,
            scale: 0.5,
            zero_point: zero_point + lift(ty, ElementType::I8),
            artifact_ty: ElementType::I8,
            artifact_zero_point: zero_point,
            perm: Some(vec![1, 0]),
            rounding: BoundaryRounding::HalfEven,
        }
    }

    #[test]
    fn layout_and_type_go_there_and_back() {
        let unsigned = binding(SourceType::U8, 0);
        let source = [0, 1, 2, 128, 254, 255];
        let artifact = unsigned.to_artifact(&source).unwrap();
        assert_eq!(artifact.iter().map(|&b| b as i8).collect::<Vec<_>>(), [-128, 0, -127, 126, -126, 127]);
        assert_eq!(unsigned.to_source(&artifact).unwrap(), source);
    }

    #[test]
    fn floats_are_quantized_half_even_and_saturate() {
        let float = binding(SourceType::F32, -1);
        let reals = [0.25f32, 0.75, -0.25, 1e9, -1e9, f32::NAN];
        let source: Vec<u8> = reals.iter().flat_map(|r| r.to_le_bytes()).collect();
        let artifact = float.to_artifact(&source).unwrap();
        // Order after transposition: 0.25, 1e9, 0.75, -1e9, -0.25, NaN.
        assert_eq!(artifact.iter().map(|&b| b as i8).collect::<Vec<_>>(), [-1, 127, 1, -128, -1, -1]);
    }

    #[test]
    fn a_wrong_length_is_told() {
        let error = binding(SourceType::I8, 0).to_artifact(&[0; 5]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "'x': 5 bytes given, shape [2, 3] of int8 needs 6; give an array of that shape and type"
        );
    }
}
