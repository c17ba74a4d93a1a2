//! Images as rows, whole or as rings of their last rows.

/// Rows of an image to read. A row is width times channels int8 values.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    data: &'a [i8],
    row_len: usize,
    slots: usize,
}

impl<'a> Rows<'a> {
    /// Returns a view in which row `r` lies at `r mod slots`; a whole image has as many slots as rows.
    pub fn new(data: &'a [i8], row_len: usize, slots: usize) -> Option<Self> {
        (slots > 0 && row_len.checked_mul(slots)? <= data.len()).then_some(Self { data, row_len, slots })
    }

    /// Returns row `row`, which a ring must still hold.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [i8] {
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
pub struct RowsMut<'a> {
    data: &'a mut [i8],
    row_len: usize,
    slots: usize,
}

impl<'a> RowsMut<'a> {
    /// As [`Rows::new`].
    pub fn new(data: &'a mut [i8], row_len: usize, slots: usize) -> Option<Self> {
        (slots > 0 && row_len.checked_mul(slots)? <= data.len()).then_some(Self { data, row_len, slots })
    }

    /// Returns the place of row `row`.
    #[inline]
    pub fn row_mut(&mut self, row: usize) -> &mut [i8] {
        let start = row % self.slots * self.row_len;
        self.data.get_mut(start..start + self.row_len).unwrap_or_default()
    }

    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.row_len
    }
}
