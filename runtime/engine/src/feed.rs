//! Inferences whose first input lies whole outside the arena.

use tanbo_format::Storage;

use crate::engine::{Engine, Progress};
use crate::error::EngineError;

impl Engine<'_, '_> {
    /// Returns whether the first input comes row by row: [`Engine::input_row`] or [`Engine::run_with`].
    pub fn takes_rows(&self) -> bool {
        let model = self.model();
        let first = model.inputs().first().and_then(|&number| model.tensor(number));
        let storage = first.and_then(|tensor| model.storage(tensor.storage));
        matches!(storage, Some(Storage::Arena { ring_rows: 1.., .. }))
    }

    /// As [`Engine::run`], of an artifact that takes the first input row by row: the rows of `input`, its bytes, one after the other.
    ///
    /// # Errors
    /// Those of [`Engine::input_row`]; [`EngineError::RowLength`] of the whole input too.
    pub fn run_with(&mut self, input: &[u8]) -> Result<(), EngineError> {
        let number = *self.model().inputs().first().ok_or(EngineError::NoSuchTensor)?;
        let tensor = self.model().tensor(number).ok_or(EngineError::NoSuchTensor)?;
        let (expected, rows) = (tensor.bytes(), tensor.rows() as usize);
        let row = expected.checked_div(rows).filter(|&row| row > 0).ok_or(EngineError::NoSuchTensor)?;
        if input.len() != expected {
            return Err(EngineError::RowLength { expected, given: input.len() });
        }
        self.restart();
        for row in input.chunks_exact(row) {
            if self.input_row(bytemuck::cast_slice(row))? == Progress::Done {
                break;
            }
        }
        Ok(())
    }
}
