//! Images as rows, whole or as rings of their last rows.

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

    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
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

    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
}
