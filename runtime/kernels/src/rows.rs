//! Images as rows, whole or as rings of their last rows.

use core::ops::Range;

/// Rows of an image to read. A row is width times channels values, int8 unless said.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T = i8> {
    data: &'a [T],
    row_len: usize,
    slots: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Returns a view in which row `r` lies at `r mod slots`; a whole image has as many slots as rows.
    pub fn new(data: &'a [T], row_len: usize, slots: usize) -> Option<Self> {
        (slots > 0 && row_len.checked_mul(slots)? <= data.len()).then_some(Self { data, row_len, slots })
    }

    /// Returns row `row`, which a ring must still hold.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [T] {
        let start = row % self.slots * self.row_len;
        self.data.get(start..start + self.row_len).unwrap_or_default()
    }

    /// Returns rows `rows` as one run of values, or `None` if they do not follow one another (a ring that wraps).
    pub fn contiguous(&self, rows: Range<usize>) -> Option<&'a [T]> {
        let run = run(rows, self.row_len, self.slots)?;
        self.data.get(run)
    }

    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
}

/// Returns where rows that follow one another lie.
fn run(rows: Range<usize>, row_len: usize, slots: usize) -> Option<Range<usize>> {
    let count = rows.len();
    let first = rows.start % slots;
    (count <= slots - first).then(|| first * row_len..(first + count) * row_len)
}

/// Rows of an image to write.
#[derive(Debug)]
pub struct RowsMut<'a, T = i8> {
    data: &'a mut [T],
    row_len: usize,
    slots: usize,
}

impl<'a, T> RowsMut<'a, T> {
    /// As [`Rows::new`].
    pub fn new(data: &'a mut [T], row_len: usize, slots: usize) -> Option<Self> {
        (slots > 0 && row_len.checked_mul(slots)? <= data.len()).then_some(Self { data, row_len, slots })
    }

    /// Returns the place of row `row`.
    #[inline]
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        let start = row % self.slots * self.row_len;
        self.data.get_mut(start..start + self.row_len).unwrap_or_default()
    }

    /// As [`Rows::contiguous`].
    pub fn contiguous_mut(&mut self, rows: Range<usize>) -> Option<&mut [T]> {
        let run = run(rows, self.row_len, self.slots)?;
        self.data.get_mut(run)
    }

    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
}
