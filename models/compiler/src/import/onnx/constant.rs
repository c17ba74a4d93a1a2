//! Constants in the source's layout and what can be folded over them.

use super::{MAX_ELEMENTS, elements};

/// Elements of a constant array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    F32(Vec<f32>),
    /// One number of four bits each.
    I4(Vec<i8>),
    /// One number of four bits each.
    U4(Vec<u8>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    /// `int64` and `bool`.
    I64(Vec<i64>),
    /// An element type that nothing here reads; the number is ONNX's.
    Other(i32),
}

impl Data {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::I4(v) | Self::I8(v) => v.len(),
            Self::U4(v) | Self::U8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Other(_) => 0,
        }
    }

    /// Name in messages.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::F32(_) => "float32".into(),
            Self::I4(_) => "int4".into(),
            Self::U4(_) => "uint4".into(),
            Self::I8(_) => "int8".into(),
            Self::U8(_) => "uint8".into(),
            Self::I16(_) => "int16".into(),
            Self::I32(_) => "int32".into(),
            Self::I64(_) => "int64".into(),
            Self::Other(code) => type_name(*code),
        }
    }

    /// Returns the elements at `indices`, or `None` if one is out of range.
    fn gather(&self, indices: &[usize]) -> Option<Self> {
        fn of<T: Copy>(v: &[T], indices: &[usize]) -> Option<Vec<T>> {
            indices.iter().map(|&i| v.get(i).copied()).collect()
        }
        Some(match self {
            Self::F32(v) => Self::F32(of(v, indices)?),
            Self::I4(v) => Self::I4(of(v, indices)?),
            Self::U4(v) => Self::U4(of(v, indices)?),
            Self::I8(v) => Self::I8(of(v, indices)?),
            Self::U8(v) => Self::U8(of(v, indices)?),
            Self::I16(v) => Self::I16(of(v, indices)?),
            Self::I32(v) => Self::I32(of(v, indices)?),
            Self::I64(v) => Self::I64(of(v, indices)?),
            Self::Other(_) => return None,
        })
    }
}

/// Returns the name of an element type by ONNX's number.
pub(crate) fn type_name(code: i32) -> String {
    const NAMES: [&str; 25] = [
        "undefined",
        "float32",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "float64",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
        "float8e4m3fn",
        "float8e4m3fnuz",
        "float8e5m2",
        "float8e5m2fnuz",
        "uint4",
        "int4",
        "float4e2m1",
        "float8e8m0",
    ];
    let name = usize::try_from(code).ok().and_then(|i| NAMES.get(i));
    name.map_or_else(|| format!("element type {code}"), |name| (*name).into())
}

/// A constant array of the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Constant {
    pub shape: Vec<usize>,
    pub data: Data,
}

impl Constant {
    pub(crate) fn from_i64(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], data: Data::I64(values) }
    }

    /// Returns the values as integers, if they are.
    pub(crate) fn integers(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::I64(v) => Some(v.clone()),
            Data::I32(v) => Some(v.iter().map(|&x| x.into()).collect()),
            _ => None,
        }
    }

    /// Returns the only element as a float, if it is one.
    pub(crate) fn scalar_f32(&self) -> Option<f32> {
        match self.data {
            Data::F32(ref v) => match v.as_slice() {
                [x] => Some(*x),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the constant with its elements picked in the order of `indices`.
    pub(crate) fn picked(&self, shape: Vec<usize>, indices: &[usize]) -> Option<Self> {
        Some(Self { data: self.data.gather(indices)?, shape })
    }

    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        (elements(&shape) == Some(self.data.len())).then(|| Self { shape, data: self.data.clone() })
    }
}

/// A constant behind a DequantizeLinear: real = scale · centered.
#[derive(Clone, Debug)]
pub(crate) struct Dequantized {
    pub shape: Vec<usize>,
    /// Integer less its zero point.
    pub centered: Vec<i32>,
    /// One scale, or one per index of `axis`.
    pub scales: Vec<f32>,
    pub axis: usize,
    /// The zero point in int8, if there is one for all.
    pub zero_point: i32,
    /// The source has four bits for each, and each fits four less its zero point.
    pub four_bits: bool,
}

impl Dequantized {
    /// Returns the scale of each element's channel, and the element: its real value as ONNX Runtime
    /// computes it.
    pub(crate) fn reals(&self) -> Vec<f32> {
        let inner = self.inner();
        self.centered.iter().enumerate().map(|(i, &c)| c as f32 * self.scale_at(i, inner)).collect()
    }

    /// Returns the real values without float32's rounding.
    pub(crate) fn exact_reals(&self) -> Vec<f64> {
        let inner = self.inner();
        self.centered.iter().enumerate().map(|(i, &c)| f64::from(c) * f64::from(self.scale_at(i, inner))).collect()
    }

    /// Returns the scale of each of `count` channels along `axis`, or `None` if the scales run along
    /// another axis.
    pub(crate) fn channel_scales(&self, axis: usize, count: usize) -> Option<Vec<f32>> {
        match self.scales.as_slice() {
            [one] => Some(vec![*one; count]),
            many if self.axis == axis && many.len() == count => Some(many.to_vec()),
            _ => None,
        }
    }

    /// Returns the only element's real value, if there is only one.
    pub(crate) fn scalar(&self) -> Option<f32> {
        match (self.centered.as_slice(), self.scales.as_slice()) {
            ([c], [s]) => Some(*c as f32 * s),
            _ => None,
        }
    }

    pub(crate) fn transposed(&self, perm: &[usize]) -> Option<Self> {
        let (shape, indices) = transposed_indices(&self.shape, perm)?;
        Some(Self {
            centered: pick(&self.centered, &indices)?,
            shape,
            scales: self.scales.clone(),
            axis: perm.iter().position(|&p| p == self.axis).unwrap_or(0),
            zero_point: self.zero_point,
            four_bits: self.four_bits,
        })
    }

    /// Returns the same elements in another shape, or `None` if the channels do not stay one axis.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        if elements(&shape)? != self.centered.len() {
            return None;
        }
        let mut axis = 0;
        if self.scales.len() > 1 {
            let outer: usize = self.shape.iter().take(self.axis).product();
            let find = |&a: &usize| {
                shape.iter().take(a).product::<usize>() == outer && shape.get(a) == Some(&self.scales.len())
            };
            axis = (0..shape.len()).find(find)?;
        }
        Some(Self { shape, axis, ..self.clone() })
    }

    fn inner(&self) -> usize {
        self.shape.iter().skip(self.axis + 1).product::<usize>().max(1)
    }

    fn scale_at(&self, i: usize, inner: usize) -> f32 {
        let channel = if self.scales.len() > 1 { i / inner % self.scales.len() } else { 0 };
        self.scales.get(channel).copied().unwrap_or(f32::NAN)
    }
}

fn pick<T: Copy>(values: &[T], indices: &[usize]) -> Option<Vec<T>> {
    indices.iter().map(|&i| values.get(i).copied()).collect()
}

/// Returns the row-major strides of a shape.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out: Vec<usize> = shape
        .iter()
        .rev()
        .scan(1usize, |step, &extent| {
            let here = *step;
            *step = step.saturating_mul(extent);
            Some(here)
        })
        .collect();
    out.reverse();
    out
}

/// Returns the linear index of each element of a walk: row-major over `counts`, axis `i` starting at
/// `begins[i]` and moving by `steps[i]` elements. The caller has checked the product of `counts`.
pub(crate) fn walk(counts: &[usize], begin: isize, steps: &[isize]) -> Option<Vec<usize>> {
    let total = elements(counts)?;
    let mut out = Vec::with_capacity(total);
    let mut index = vec![0usize; counts.len()];
    let mut at = begin;
    for _ in 0..total {
        out.push(usize::try_from(at).ok()?);
        for ((i, &count), &step) in index.iter_mut().zip(counts).zip(steps).rev() {
            *i += 1;
            at = at.checked_add(step)?;
            if *i < count {
                break;
            }
            at = at.checked_sub(step.checked_mul(isize::try_from(count).ok()?)?)?;
            *i = 0;
        }
    }
    Some(out)
}

/// Returns the shape and the source index of each element of a transposed array.
pub(crate) fn transposed_indices(shape: &[usize], perm: &[usize]) -> Option<(Vec<usize>, Vec<usize>)> {
    let steps = strides(shape);
    let out: Vec<usize> = perm.iter().map(|&p| shape.get(p).copied()).collect::<Option<_>>()?;
    let moved: Vec<isize> =
        perm.iter().map(|&p| steps.get(p).and_then(|&s| isize::try_from(s).ok())).collect::<Option<_>>()?;
    let indices = walk(&out, 0, &moved)?;
    Some((out, indices))
}

/// Returns the shape two arrays broadcast to, or `None` if they do not.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).and_then(|j| s.get(j).copied()).unwrap_or(1);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()
        .filter(|shape| elements(shape).is_some_and(|n| n <= MAX_ELEMENTS))
}
