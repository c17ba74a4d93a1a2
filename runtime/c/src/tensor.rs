//! What C sees of a tensor.

use core::ffi::c_void;

use tanbo::{ElementType, Port, Tensor as Record};

/// Element type of a tensor.
#[repr(i32)]
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// `int8_t`.
    I8 = 0,
    /// `uint8_t`.
    U8 = 1,
    /// `int16_t`.
    I16 = 2,
    /// `int32_t`.
    I32 = 3,
}

/// An input or an output of a model: real value = scale * (integer - zero_point).
#[repr(C)]
pub struct Tensor {
    /// The values, in the order of `shape`, the last axis fastest; null for an input that comes row by row. Of an output, to be read only.
    /// They hold until the engine is made anew; a run overwrites inputs.
    pub data: *mut c_void,
    /// Length of `data`, bytes.
    pub bytes: usize,
    /// Number of values.
    pub elements: usize,
    /// Axes, `rank` of them: images are height by width by channels behind their batch. They lie in the artifact.
    pub shape: *const u32,
    /// Number of axes.
    pub rank: usize,
    /// Values of one row of an input that comes row by row, else 0.
    pub row_elements: usize,
    /// Element type.
    pub element_type: Type,
    /// Real distance between two neighbouring integers.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
}

impl Tensor {
    /// Describes a tensor whose values lie at `data`.
    pub fn of(port: &Port<'_>, record: &Record<'static>, data: *mut c_void) -> Self {
        let by_rows = port.ring_rows > 0;
        let elements = port.elements as usize;
        Self {
            data: if by_rows { core::ptr::null_mut() } else { data },
            bytes: if by_rows { 0 } else { elements * port.ty.bytes() },
            elements,
            shape: record.shape.as_ptr(),
            rank: record.shape.len(),
            row_elements: if by_rows { elements.checked_div(port.rows as usize).unwrap_or(0) } else { 0 },
            element_type: match port.ty {
                ElementType::I8 => Type::I8,
                ElementType::U8 => Type::U8,
                ElementType::I16 => Type::I16,
                ElementType::I32 => Type::I32,
            },
            scale: port.scale,
            zero_point: port.zero_point,
        }
    }
}
