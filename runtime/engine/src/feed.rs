//! Inferences whose first input lies whole outside the arena.

use crate::engine::{Engine, Progress};
use crate::error::EngineError;
use crate::plan::Plan;

impl<'m, P: Plan<'m>> Engine<'m, '_, P> {
    /// Returns whether the first input comes row by row: [`Engine::input_row`] or [`Engine::run_with`].
    pub fn takes_rows(&self) -> bool {
        self.plan().input(0).is_some_and(|first| first.ring_rows > 0)
    }

    /// As [`Engine::run`], of an artifact that takes the first input row by row: the rows of `input`, its bytes, one after the other.
    ///
    /// # Errors
    /// Those of [`Engine::input_row`]; [`EngineError::RowLength`] of the whole input too.
    pub fn run_with(&mut self, input: &[u8]) -> Result<(), EngineError> {
        let first = self.plan().input(0).ok_or(EngineError::NoSuchTensor)?;
        let expected = first.elements as usize * first.ty.bytes();
        let row = expected.checked_div(first.rows as usize).filter(|&row| row > 0).ok_or(EngineError::NoSuchTensor)?;
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
