//! Texts in a buffer of the caller's.

use core::fmt::Write;

/// A buffer that is filled as far as it goes, and how long the whole text is.
pub struct Text<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

/// Writes `value` and a zero byte to `buffer`, as much as there is room for; returns the length of the whole text without the
/// zero byte, in bytes.
pub fn write(value: impl core::fmt::Display, buffer: &mut [u8]) -> usize {
    let mut text = Text { buffer, length: 0 };
    // A `Text` takes everything.
    let _ = write!(text, "{value}");
    let Text { buffer, length } = text;
    let end = length.min(buffer.len().saturating_sub(1));
    if let Some(end) = buffer.get_mut(end) {
        *end = 0;
    }
    length
}

impl Write for Text<'_> {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        let rest = self.buffer.get_mut(self.length..).unwrap_or_default();
        rest.iter_mut().zip(part.bytes()).for_each(|(place, byte)| *place = byte);
        self.length += part.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn a_text_is_cut_where_the_buffer_ends() {
        for room in 0..8 {
            let mut buffer = [b'-'; 8];
            let (inside, outside) = buffer.split_at_mut(room);
            assert_eq!(write(format_args!("{}{}", "step ", 12), inside), 7);
            let expected: Vec<u8> = match room {
                0 => Vec::new(),
                _ => b"step 12".iter().copied().take(room - 1).chain([0]).collect(),
            };
            assert_eq!((&*inside, &*outside), (&*expected, &*vec![b'-'; 8 - room]));
        }
    }
}
