//! The .npy format: one array with its type and shape (numpy.lib.format, versions 1 to 3).
//!
//! Our own reader because outside files must give errors: npyz 0.9, the kept crate, multiplies a header's axes and sizes
//! its buffers unchecked, and brings a Python grammar for three fixed keys.

use tanbo_compiler::graph::SourceType;

/// Type of the elements of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    F32,
    F64,
    I8,
    U8,
    I16,
    I32,
    I64,
}

impl Type {
    /// All types, with the code that a header has for them.
    const ALL: [(Self, &str); 7] = [
        (Self::F32, "f4"),
        (Self::F64, "f8"),
        (Self::I8, "i1"),
        (Self::U8, "u1"),
        (Self::I16, "i2"),
        (Self::I32, "i4"),
        (Self::I64, "i8"),
    ];

    /// Returns the size of an element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Returns numpy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
        }
    }
}

impl From<SourceType> for Type {
    fn from(ty: SourceType) -> Self {
        match ty {
            SourceType::F32 => Self::F32,
            SourceType::I8 => Self::I8,
            SourceType::U8 => Self::U8,
            SourceType::I16 => Self::I16,
            SourceType::I32 => Self::I32,
        }
    }
}

/// An array in C order, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Element type.
    pub ty: Type,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Elements, the last axis fastest.
    pub data: Vec<u8>,
}

/// Why bytes are not an array that models take: reason and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyError {
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

const MAGIC: &[u8; 6] = b"\x93NUMPY";
const SAVE_AGAIN: &str = "save it again with numpy.save";

fn malformed(reason: &str) -> NpyError {
    NpyError { reason: format!("not a .npy file: {reason}"), remedy: SAVE_AGAIN }
}

/// Returns the array in the bytes of a .npy file.
///
/// # Errors
/// Bytes that are not a .npy file, or hold elements that no model takes.
pub fn parse(bytes: &[u8]) -> Result<Array, NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("no magic number"))?;
    let cut = || malformed("its header is cut off");
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
        _ => return Err(malformed("unknown version")),
    }
    .ok_or_else(cut)?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| malformed("its header is not text"))?;
    let Header { descr, fortran_order, shape } =
        Header::parse(header).ok_or_else(|| malformed("its header makes no sense"))?;

    let (ty, big_endian) = element_type(&descr)?;
    let bytes_needed = shape.iter().try_fold(ty.bytes(), |n, &axis| n.checked_mul(axis));
    if bytes_needed != Some(data.len()) {
        let reason = format!("{} bytes of data do not fit shape {shape:?} of {}", data.len(), ty.name());
        return Err(NpyError { reason, remedy: SAVE_AGAIN });
    }
    let mut data = if fortran_order { c_order(data, &shape, ty.bytes()) } else { data.to_vec() };
    if big_endian {
        data.chunks_exact_mut(ty.bytes()).for_each(<[u8]>::reverse);
    }
    Ok(Array { ty, shape, data })
}

/// Returns the bytes of a .npy file.
pub fn emit(array: &Array) -> Vec<u8> {
    let code = Type::ALL.iter().find(|(ty, _)| *ty == array.ty).map_or("", |(_, code)| code);
    let order = if array.ty.bytes() == 1 { '|' } else { '<' };
    let axes: String = array.shape.iter().map(|axis| format!("{axis}, ")).collect();
    // A tuple of one needs its comma, others must not end with a blank.
    let axes = if array.shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({axes}), }}");
    let before = MAGIC.len() + 4;
    // The data begin at a multiple of 64 bytes, after a line end.
    let total = (before + header.len() + 1).next_multiple_of(64);
    header += &" ".repeat(total - before - header.len() - 1);
    header.push('\n');
    // At most 6 axes of 20 digits: the header stays far below 65,536 bytes.
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    [MAGIC.as_slice(), &[1, 0], &length.to_le_bytes(), header.as_bytes(), &array.data].concat()
}

/// Returns the element type and whether its bytes are in big-endian order.
fn element_type(descr: &str) -> Result<(Type, bool), NpyError> {
    let unsupported = || NpyError {
        reason: format!("elements of type '{descr}'"),
        remedy: "convert with .astype to the type that `tanbo inspect` shows",
    };
    let mut characters = descr.chars();
    let big_endian = match characters.next() {
        Some('<' | '|' | '=') => false,
        Some('>') => true,
        _ => return Err(unsupported()),
    };
    let code = characters.as_str();
    let (ty, _) = Type::ALL.into_iter().find(|(_, known)| *known == code).ok_or_else(unsupported)?;
    Ok((ty, big_endian))
}

/// Returns the elements in C order; given in Fortran order, the first axis fastest.
fn c_order(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    // Also keeps an axis of length 0 from hiding another one that is huge.
    if data.is_empty() {
        return Vec::new();
    }
    let mut source = vec![0];
    let mut stride = size;
    // Axis by axis, the last one innermost: offsets in C order.
    let strides: Vec<usize> = shape
        .iter()
        .map(|&axis| {
            let this = stride;
            stride *= axis;
            this
        })
        .collect();
    for (&axis, &stride) in shape.iter().zip(&strides) {
        source = source.iter().flat_map(|&base| (0..axis).map(move |i| base + i * stride)).collect();
    }
    source.iter().filter_map(|&at| data.get(at..at + size)).flatten().copied().collect()
}

/// The three values of a header.
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }`, keys in any order.
    fn parse(text: &str) -> Option<Self> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            let after = match key {
                "descr" => {
                    let (name, after) = quoted(value)?;
                    descr = Some(name.to_string());
                    after
                }
                "fortran_order" => {
                    let after = value.strip_prefix("True").or_else(|| value.strip_prefix("False"))?;
                    fortran_order = Some(value.starts_with("True"));
                    after
                }
                "shape" => {
                    let (axes, after) = value.strip_prefix('(')?.split_once(')')?;
                    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
                    // numpy of Python 2 wrote `3L`.
                    shape = Some(axes.map(|axis| axis.trim_end_matches('L').parse().ok()).collect::<Option<Vec<_>>>()?);
                    after
                }
                _ => return None,
            };
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Self { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// Returns what stands in quotation marks at the beginning, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text.get(1..)?.split_once(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [MAGIC.as_slice(), &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_round_trip() {
        for shape in [vec![], vec![3], vec![0], vec![1, 2, 3], vec![2, 1, 1, 1, 1, 4]] {
            for (ty, _) in Type::ALL {
                let bytes = shape.iter().product::<usize>() * ty.bytes();
                let array = Array { ty, shape: shape.clone(), data: (0..bytes).map(|i| i as u8).collect() };
                let file = emit(&array);
                assert_eq!((file.len() - bytes) % 64, 0);
                assert_eq!(parse(&file), Ok(array));
            }
        }
    }

    #[test]
    fn byte_order_and_axis_order_are_undone() {
        let array = parse(&file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", &[0, 1, 2, 3])).unwrap();
        assert_eq!((array.ty, array.data), (Type::I16, vec![1, 0, 3, 2]));
        // [[0, 1, 2], [3, 4, 5]], column by column.
        let array =
            parse(&file("{\"shape\": (2, 3), 'fortran_order':True,'descr': '|u1'}\n", &[0, 3, 1, 4, 2, 5])).unwrap();
        assert_eq!((array.shape, array.data), (vec![2, 3], vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let good = file("{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }", &[1, 2, 3, 4]);
        assert!(parse(&good).is_ok());
        for end in 0..good.len() {
            assert!(parse(&good[..end]).is_err(), "{end}");
        }
        for header in [
            "",
            "{}",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615), }",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (-4,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '|i1', 'fortran_order': True, 'shape': (1099511627776, 0, 1099511627776, 4), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
            "{'descr': '<c8', 'fortran_order': False, 'shape': (4,), }",
            "{'descr': 'é', 'fortran_order': False, 'shape': (4,), }",
            "{'descr': '|i1', 'fortran_order': Maybe, 'shape': (4,), }",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (4,), 'x': 1}",
        ] {
            assert!(parse(&file(header, &[1, 2, 3, 4])).is_err(), "{header}");
        }
        // A header length beyond the file must not be allocated.
        assert!(parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").is_err());
    }
}
