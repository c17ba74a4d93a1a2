//! The engine: an artifact, an operator set, an arena, and how far the current inference has come.

use tanbo_format::record::{ALIGN, MAX_CHAIN_STEPS};
use tanbo_format::{ElementType, Model, Storage, Tensor};

use crate::error::EngineError;
use crate::op_set::OpSet;
use crate::ops::{self, Call};

/// Whether an inference is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The outputs are ready; the next call begins a new inference.
    Done,
    /// There is more to do.
    More,
}

/// Runs one model in one arena.
///
/// A model may keep states: tensors whose content one inference leaves to the next. They get their first content from
/// [`Engine::new`] and [`Engine::reset`], and only steps change them.
#[derive(Debug)]
pub struct Engine<'m, 'a> {
    model: Model<'m>,
    ops: &'static OpSet,
    arena: &'a mut [u8],
    /// Chain in work.
    chain: u16,
    /// Rows that each step of the chain in work has written.
    rows: [u32; MAX_CHAIN_STEPS],
}

impl<'m, 'a> Engine<'m, 'a> {
    /// Returns an engine that uses the first [`Model::arena_bytes`] bytes of `arena`.
    ///
    /// # Errors
    /// An arena too small or misaligned; an operator that `ops` lacks.
    pub fn new(model: &Model<'m>, ops: &'static OpSet, arena: &'a mut [u8]) -> Result<Self, EngineError> {
        let (needed, given) = (model.arena_bytes(), arena.len());
        let arena = arena.get_mut(..needed).ok_or(EngineError::ArenaTooSmall { needed, given })?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(EngineError::ArenaMisaligned);
        }
        ops.covers(model)?;
        let mut engine = Self { model: *model, ops, arena, chain: 0, rows: [0; MAX_CHAIN_STEPS] };
        engine.reset();
        Ok(engine)
    }

    /// Returns to the beginning of the first inference: every state holds its first content again.
    pub fn reset(&mut self) {
        for storage in 0..self.model.storage_count() as u16 {
            ops::start_state(&self.model, storage, self.arena);
        }
        self.restart();
    }

    /// Returns the model.
    pub fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Returns the name of the kernel table in use.
    pub fn table_name(&self) -> &'static str {
        self.ops.table_name()
    }

    /// Returns int8 input `index` to be written. Inputs must be written before every inference: the arena is reused.
    ///
    /// # Errors
    /// No such input, or one that is not int8.
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], EngineError> {
        let number = *self.model.inputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.int8(number)?;
        Ok(bytemuck::cast_slice_mut(self.tensor_bytes_mut(number)?))
    }

    /// Returns int8 output `index`.
    ///
    /// # Errors
    /// No such output, or one that is not int8.
    pub fn output(&self, index: usize) -> Result<&[i8], EngineError> {
        let number = *self.model.outputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.int8(number)?;
        Ok(bytemuck::cast_slice(self.tensor_bytes(number)?))
    }

    /// Returns the little-endian bytes of input `index`, of any element type, to be written.
    ///
    /// # Errors
    /// No such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], EngineError> {
        let number = *self.model.inputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.tensor_bytes_mut(number)
    }

    /// Returns the little-endian bytes of output `index`, of any element type.
    ///
    /// # Errors
    /// No such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], EngineError> {
        let number = *self.model.outputs().get(index).ok_or(EngineError::NoSuchTensor)?;
        self.tensor_bytes(number)
    }

    /// Returns the bytes of tensor `number` as they are now; later steps may reuse them. For a ring, the rows it holds.
    ///
    /// # Errors
    /// No such tensor.
    pub fn tensor_bytes(&self, number: u16) -> Result<&[u8], EngineError> {
        let tensor = self.model.tensor(number).ok_or(EngineError::NoSuchTensor)?;
        if let Some(bytes) = self.model.constant_tensor(&tensor) {
            return Ok(bytes);
        }
        self.arena.get(self.extent(&tensor)?).ok_or(EngineError::NoSuchTensor)
    }

    /// Returns the bytes of tensor `number` to be written: how a test injects an intermediate tensor.
    ///
    /// # Errors
    /// No such tensor in the arena.
    pub fn tensor_bytes_mut(&mut self, number: u16) -> Result<&mut [u8], EngineError> {
        let tensor = self.model.tensor(number).ok_or(EngineError::NoSuchTensor)?;
        let extent = self.extent(&tensor)?;
        self.arena.get_mut(extent).ok_or(EngineError::NoSuchTensor)
    }

    /// Runs one inference from the beginning, with the states as they are.
    ///
    /// # Errors
    /// [`EngineError::Step`], which an artifact that parsed does not give.
    pub fn run(&mut self) -> Result<(), EngineError> {
        self.restart();
        while self.step(u32::MAX)? == Progress::More {}
        Ok(())
    }

    /// Forgets how far [`Engine::step`] has come in the current inference. States stay as the steps that ran left them:
    /// whoever drops an inference of a model with states half-way calls [`Engine::reset`] instead.
    pub fn restart(&mut self) {
        self.chain = 0;
        self.rows = [0; MAX_CHAIN_STEPS];
    }

    /// Returns the chain that the next [`Engine::step`] works on.
    pub fn chain(&self) -> u16 {
        self.chain
    }

    /// Begins at chain `chain`, with the tensors and states as they are: how a test runs single chains. A chain that runs
    /// twice changes its states twice.
    ///
    /// # Errors
    /// No such chain.
    pub fn seek(&mut self, chain: u16) -> Result<(), EngineError> {
        if usize::from(chain) >= self.model.chain_count() {
            return Err(EngineError::NoSuchChain);
        }
        self.restart();
        self.chain = chain;
        Ok(())
    }

    /// Works on the current chain until it is finished or `budget` rows (at least one) are written.
    ///
    /// A row is a row of an image, or a whole tensor where an operator has no rows. When the last chain is finished it
    /// returns [`Progress::Done`], and the next call begins again.
    ///
    /// # Errors
    /// [`EngineError::Step`], which an artifact that parsed does not give.
    pub fn step(&mut self, budget: u32) -> Result<Progress, EngineError> {
        if let Some(steps) = self.model.chain(self.chain)
            && !self.advance(steps, budget.max(1))?
        {
            return Ok(Progress::More);
        }
        let next = self.chain.saturating_add(1);
        self.restart();
        if usize::from(next) < self.model.chain_count() {
            self.chain = next;
            return Ok(Progress::More);
        }
        Ok(Progress::Done)
    }

    /// Runs rows of the chain `steps`; returns whether the chain is finished.
    ///
    /// Always the last step whose input rows are there runs next. So a step writes a row only when no later one can use
    /// what is there, and a ring with the rows of one window never loses a row that is still needed.
    fn advance(&mut self, steps: core::ops::Range<u16>, mut budget: u32) -> Result<bool, EngineError> {
        let alone = steps.len() == 1;
        while budget > 0 {
            let mut ran = false;
            for (place, step) in steps.clone().enumerate().rev() {
                let done = self.rows_done(place);
                let total = ops::output_rows(&self.model, step)?;
                let ready = if place == 0 {
                    true
                } else {
                    done < total && ops::input_rows(&self.model, step, done)? <= self.rows_done(place - 1)
                };
                if done < total && ready {
                    let count = if alone { budget.min(total - done) } else { 1 };
                    self.run_rows(step, done, done + count)?;
                    if let Some(rows) = self.rows.get_mut(place) {
                        *rows = done + count;
                    }
                    budget -= count;
                    ran = true;
                    break;
                }
                if place + 1 == steps.len() && done == total {
                    return Ok(true);
                }
            }
            if !ran {
                return Err(EngineError::Step(steps.start));
            }
        }
        let last = steps.len() - 1;
        Ok(self.rows_done(last) == ops::output_rows(&self.model, steps.end - 1)?)
    }

    fn rows_done(&self, place: usize) -> u32 {
        self.rows.get(place).copied().unwrap_or(0)
    }

    fn run_rows(&mut self, number: u16, first: u32, end: u32) -> Result<(), EngineError> {
        let step = self.model.step(number).ok_or(EngineError::Step(number))?;
        let run = self.ops.get(&step).ok_or(EngineError::MissingOperator { op: step.op, step: number })?;
        let mut call = Call { model: &self.model, step, arena: self.arena, rows: first as usize..end as usize };
        run(&mut call).ok_or(EngineError::Step(number))
    }

    fn int8(&self, number: u16) -> Result<(), EngineError> {
        match self.model.tensor(number) {
            Some(Tensor { ty: ElementType::I8, .. }) => Ok(()),
            Some(_) => Err(EngineError::NotInt8),
            None => Err(EngineError::NoSuchTensor),
        }
    }

    fn extent(&self, tensor: &Tensor<'_>) -> Result<core::ops::Range<usize>, EngineError> {
        match self.model.storage(tensor.storage) {
            Some(Storage::Arena { offset, bytes, .. } | Storage::State { offset, bytes }) => {
                Ok(offset..offset + tensor.bytes().min(bytes))
            }
            _ => Err(EngineError::NoSuchTensor),
        }
    }
}
