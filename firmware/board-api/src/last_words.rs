//! Last words of a simulated board, whose flash and capacitor are this.

use crate::{BrownoutError, LAST_WORDS_BYTES, ResetCause};

/// A few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    bytes: [u8; LAST_WORDS_BYTES],
    len: usize,
}

impl Words {
    const NONE: Self = Self { bytes: [0; LAST_WORDS_BYTES], len: 0 };

    fn new(words: &[u8]) -> Result<Self, BrownoutError> {
        let mut new = Self { len: words.len(), ..Self::NONE };
        let room = new.bytes.get_mut(..words.len()).ok_or(BrownoutError::TooLong { bytes: words.len() })?;
        room.copy_from_slice(words);
        Ok(new)
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What a falling supply would write, and what it wrote before this start.
#[derive(Clone, Debug)]
pub struct LastWords {
    /// Nothing has been set in this start before it is `Some`.
    staged: Option<Words>,
    written: Words,
    taken: bool,
}

impl LastWords {
    /// Those of a board whose supply never fell.
    pub const NONE: Self = Self { staged: None, written: Words::NONE, taken: false };

    /// Those of a start before which `words` were written.
    ///
    /// # Errors
    /// [`BrownoutError::TooLong`].
    pub fn after(words: &[u8]) -> Result<Self, BrownoutError> {
        Ok(Self { written: Words::new(words)?, ..Self::NONE })
    }

    /// Sets what a falling supply writes; what was written before this start is gone.
    ///
    /// # Errors
    /// [`BrownoutError::TooLong`]; what was set before stays.
    pub fn stage(&mut self, words: &[u8]) -> Result<(), BrownoutError> {
        self.staged = Some(Words::new(words)?);
        Ok(())
    }

    /// Returns what was written before this start, once.
    pub fn take(&mut self) -> &[u8] {
        if core::mem::replace(&mut self.taken, true) { &[] } else { self.written.get() }
    }

    /// Returns what lies in flash after a reset: a brown-out writes what is set.
    pub fn at_reset(&self, cause: ResetCause) -> &[u8] {
        match &self.staged {
            None => self.written.get(),
            Some(staged) if cause == ResetCause::BrownOut => staged.get(),
            Some(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brown_out_writes_what_is_set_and_the_next_start_takes_it_once() {
        let mut words = LastWords::NONE;
        assert_eq!(words.take(), b"");
        words.stage(b"an event").unwrap();
        let long = [1; LAST_WORDS_BYTES + 1];
        assert_eq!(words.stage(&long), Err(BrownoutError::TooLong { bytes: long.len() }));
        assert_eq!(
            (words.at_reset(ResetCause::BrownOut), words.at_reset(ResetCause::Watchdog)),
            (&b"an event"[..], &b""[..])
        );
        let mut next = LastWords::after(words.at_reset(ResetCause::BrownOut)).unwrap();
        assert_eq!(next.take(), b"an event");
        assert_eq!(next.take(), b"");
        // They stay until something is set.
        let causes = [ResetCause::Software, ResetCause::BrownOut];
        assert_eq!(causes.map(|cause| next.at_reset(cause)), [b"an event"; 2]);
        next.stage(b"").unwrap();
        assert_eq!(causes.map(|cause| next.at_reset(cause)), [b""; 2]);
        assert_eq!(LastWords::after(&long[1..]).unwrap().take(), &long[1..]);
    }
}
