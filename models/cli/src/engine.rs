//! What an engine on this machine needs: an arena.

use tanbo::Model;
use tanbo_format::record::ALIGN;

use crate::error::CliError;

/// Largest arena: 1 GiB. An artifact of some hundred bytes may ask for four.
const ARENA_LIMIT: usize = 1 << 30;

/// Zeroed bytes at a boundary that engines take.
pub struct Arena {
    bytes: Vec<u8>,
    length: usize,
}

impl Arena {
    /// Returns the arena of a model.
    ///
    /// # Errors
    /// A model that asks for more than a program here should give.
    pub fn of(model: &Model<'_>) -> Result<Self, CliError> {
        let length = model.arena_bytes();
        if length > ARENA_LIMIT {
            let reason = format_args!("it asks for {length} bytes, at most {ARENA_LIMIT} are given");
            return Err(CliError::new("arena", reason, "use a model with smaller activations"));
        }
        // Pages that nobody touches cost nothing.
        Ok(Self { bytes: vec![0; length + ALIGN], length })
    }

    /// Returns its bytes.
    pub fn get(&mut self) -> &mut [u8] {
        let start = self.bytes.as_ptr().align_offset(ALIGN);
        self.bytes.get_mut(start..start + self.length).unwrap_or_default()
    }
}
