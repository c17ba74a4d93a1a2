//! Reads flatbuffers: tables whose fields are found through an index of offsets.
//!
//! Every access is checked against the file, so that a damaged one gives an error with its byte and nothing else. It is
//! written here because the `flatbuffers` and `planus` crates ask their users for `unsafe` code, hand-written or
//! generated. Source: flatbuffers.dev, "FlatBuffer internals".

use std::marker::PhantomData;

/// The byte at which a file contradicts itself.
#[derive(Clone, Copy, Debug)]
pub struct Damaged {
    pub at: usize,
}

fn array<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], Damaged> {
    file.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Damaged { at })
}

/// The position to which the offset at `at` points, forwards.
fn follow(file: &[u8], at: usize) -> Result<usize, Damaged> {
    at.checked_add(u32::from_le_bytes(array(file, at)?) as usize).ok_or(Damaged { at })
}

/// A table.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    file: &'a [u8],
    at: usize,
    /// Distance from `at` of each field, two bytes per field; 0 for one that is left out.
    index: &'a [u8],
}

impl<'a> Table<'a> {
    /// Returns the table that the file begins with.
    pub fn root(file: &'a [u8]) -> Result<Self, Damaged> {
        Self::read(file, follow(file, 0)?)
    }

    fn field(self, number: usize) -> Option<usize> {
        match self.index.as_chunks().0.get(number).map(|d| u16::from_le_bytes(*d)) {
            None | Some(0) => None,
            Some(distance) => Some(self.at + usize::from(distance)),
        }
    }

    /// Returns the scalar in field `number`, if it is there.
    pub fn scalar<T: Scalar>(self, number: usize) -> Result<Option<T>, Damaged> {
        self.field(number).map(|at| T::read(self.file, at)).transpose()
    }

    /// Returns what field `number` points to, if it is there.
    pub fn reference<T: Reference<'a>>(self, number: usize) -> Result<Option<T>, Damaged> {
        self.field(number).map(|at| T::read(self.file, follow(self.file, at)?)).transpose()
    }
}

/// What an offset can point to.
pub trait Reference<'a>: Sized {
    /// Returns the object at `at`.
    fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged>;
}

impl<'a> Reference<'a> for Table<'a> {
    fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged> {
        let back = i32::from_le_bytes(array(file, at)?);
        let index_at = usize::try_from(at as i64 - i64::from(back)).map_err(|_| Damaged { at })?;
        let length = usize::from(u16::from_le_bytes(array(file, index_at)?));
        // Its own length and the table's come first.
        let index = index_at.checked_add(length).and_then(|end| file.get(index_at + 4..end));
        Ok(Self { file, at, index: index.ok_or(Damaged { at: index_at })? })
    }
}

/// A number of fixed size.
pub trait Scalar: Copy {
    /// Size in bytes.
    const BYTES: usize;
    /// Returns the number at `at`.
    fn read(file: &[u8], at: usize) -> Result<Self, Damaged>;
}

macro_rules! scalars {
    ($($ty:ty),*) => {
        $(impl Scalar for $ty {
            const BYTES: usize = size_of::<Self>();
            fn read(file: &[u8], at: usize) -> Result<Self, Damaged> {
                array(file, at).map(Self::from_le_bytes)
            }
        })*
    };
}

scalars!(i8, u8, i32, u32, i64, u64, f32);

impl Scalar for bool {
    const BYTES: usize = 1;
    fn read(file: &[u8], at: usize) -> Result<Self, Damaged> {
        u8::read(file, at).map(|byte| byte != 0)
    }
}

/// The bytes of a vector of elements of `size` bytes.
fn elements(file: &[u8], at: usize, size: usize) -> Result<&[u8], Damaged> {
    let bytes = (u32::from_le_bytes(array(file, at)?) as usize).checked_mul(size);
    bytes.and_then(|n| file.get(at + 4..)?.get(..n)).ok_or(Damaged { at })
}

/// A vector of scalars.
#[derive(Clone, Copy)]
pub struct Vector<'a, T> {
    bytes: &'a [u8],
    element: PhantomData<T>,
}

impl<'a, T: Scalar> Vector<'a, T> {
    /// Returns the little-endian bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the number of elements.
    pub fn len(self) -> usize {
        self.bytes.len() / T::BYTES
    }

    /// Returns the elements in order.
    pub fn iter(self) -> impl Iterator<Item = T> + use<'a, T> {
        self.bytes.chunks_exact(T::BYTES).filter_map(|bytes| T::read(bytes, 0).ok())
    }
}

impl<'a, T: Scalar> Reference<'a> for Vector<'a, T> {
    fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged> {
        Ok(Self { bytes: elements(file, at, T::BYTES)?, element: PhantomData })
    }
}

impl<'a> Reference<'a> for &'a str {
    fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged> {
        str::from_utf8(elements(file, at, 1)?).map_err(|_| Damaged { at })
    }
}

/// A vector of tables.
#[derive(Clone, Copy)]
pub struct Tables<'a, T> {
    file: &'a [u8],
    /// Position of the first offset.
    at: usize,
    len: usize,
    element: PhantomData<T>,
}

impl<'a, T: Reference<'a> + Copy> Tables<'a, T> {
    /// Returns the number of tables.
    pub fn len(self) -> usize {
        self.len
    }

    /// Returns table `i`, if there are so many.
    pub fn get(self, i: usize) -> Result<Option<T>, Damaged> {
        (i < self.len).then(|| T::read(self.file, follow(self.file, self.at + 4 * i)?)).transpose()
    }

    /// Returns the tables in order.
    pub fn iter(self) -> impl Iterator<Item = Result<T, Damaged>> {
        (0..self.len).filter_map(move |i| self.get(i).transpose())
    }
}

impl<'a, T: Reference<'a>> Reference<'a> for Tables<'a, T> {
    fn read(file: &'a [u8], at: usize) -> Result<Self, Damaged> {
        let len = elements(file, at, 4)?.len() / 4;
        Ok(Self { file, at: at + 4, len, element: PhantomData })
    }
}
