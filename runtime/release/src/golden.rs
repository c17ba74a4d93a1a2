//! The self-test: what a model computes of generated inputs, as a digest.
//!
//! Inputs are a seed, not bytes: an update goes over the air, and noise reaches every path of integer kernels as well as recordings do.

use sha2::{Digest as _, Sha256};
use tanbo::{ElementType, Engine, EngineError, Plan};

use crate::error::SelfTestError;

/// Longest row that a self-test gives to a model whose input comes by rows, bytes.
pub const MAX_ROW_BYTES: usize = 512;

/// Inputs and the outputs that belong to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Golden {
    /// Seed of the generator.
    pub seed: u32,
    /// Number of inferences, one after the other from the model's first state on; 1 or more.
    pub runs: u8,
    /// SHA-256 of the outputs' bytes, in the order of runs and outputs.
    pub digest: [u8; 32],
}

/// xorshift32 of Marsaglia (2003), shifts 13, 17, 5; a byte is the highest of each state.
struct Generator(u32);

impl Generator {
    fn new(seed: u32) -> Self {
        // Zero is the one state that it never leaves.
        Self(if seed == 0 { u32::MAX } else { seed })
    }

    fn byte(&mut self) -> i8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        ((self.0 >> 24) as u8).cast_signed()
    }

    fn word(&mut self) -> i16 {
        let low = self.byte();
        i16::from_le_bytes([low.cast_unsigned(), self.byte().cast_unsigned()])
    }
}

/// A level of its own for each inference and input, and noise about it that has fewer bits from one inference to the next: noise of all bits
/// alone drives a classifier into one corner.
#[derive(Clone, Copy)]
enum Series {
    Zeros,
    Bytes { level: i8, unsigned: bool, shift: u32 },
    Words { level: i16, shift: u32 },
}

impl Series {
    fn new(ty: ElementType, run: u8, generator: &mut Generator) -> Self {
        let shift = u32::from(run % 8);
        match ty {
            ElementType::I32 => Self::Zeros,
            ElementType::I16 => Self::Words { level: generator.word(), shift },
            ElementType::I8 | ElementType::U8 => {
                Self::Bytes { level: generator.byte(), unsigned: ty == ElementType::U8, shift }
            }
        }
    }

    fn fill(self, generator: &mut Generator, bytes: &mut [u8]) {
        match self {
            Self::Zeros => bytes.fill(0),
            Self::Bytes { level, unsigned, shift } => {
                for byte in bytes {
                    let value = level.saturating_add(generator.byte() >> shift).cast_unsigned();
                    *byte = if unsigned { value ^ 0x80 } else { value };
                }
            }
            Self::Words { level, shift } => {
                for word in bytes.chunks_exact_mut(2) {
                    word.copy_from_slice(&level.saturating_add(generator.word() >> shift).to_le_bytes());
                }
            }
        }
    }
}

impl Golden {
    /// Runs `runs` inferences of inputs from `seed`, and returns what came out; `each` sees every run's digest.
    ///
    /// FORMAT.md says what the inputs are. The engine's states are reset, before and after.
    ///
    /// # Errors
    /// [`SelfTestError::Engine`], [`SelfTestError::Row`].
    pub fn of<'m, P: Plan<'m>>(
        engine: &mut Engine<'m, '_, P>,
        seed: u32,
        runs: u8,
        mut each: impl FnMut([u8; 32]),
    ) -> Result<Self, SelfTestError> {
        let mut generator = Generator::new(seed);
        let mut all = Sha256::new();
        engine.reset();
        for run in 0..runs {
            infer(engine, run, &mut generator)?;
            let mut one = Sha256::new();
            for output in (0..).map_while(|index| engine.plan().output(index).map(|_| index)) {
                let bytes = engine.output_bytes(output)?;
                one.update(bytes);
                all.update(bytes);
            }
            each(one.finalize().into());
        }
        engine.reset();
        Ok(Self { seed, runs, digest: all.finalize().into() })
    }

    /// Returns whether the engine computes the outputs.
    ///
    /// # Errors
    /// [`SelfTestError`].
    pub fn test<'m, P: Plan<'m>>(&self, engine: &mut Engine<'m, '_, P>) -> Result<(), SelfTestError> {
        let found = Self::of(engine, self.seed, self.runs, |_| ())?;
        if found == *self { Ok(()) } else { Err(SelfTestError::Outputs) }
    }
}

fn infer<'m, P: Plan<'m>>(
    engine: &mut Engine<'m, '_, P>,
    run: u8,
    generator: &mut Generator,
) -> Result<(), SelfTestError> {
    let first_by_rows = engine.takes_rows();
    // The first input last where it comes by rows: with its last row the inference is done.
    for input in usize::from(first_by_rows).. {
        let Some(port) = engine.plan().input(input) else { break };
        let series = Series::new(port.ty, run, generator);
        series.fill(generator, engine.input_bytes_mut(input)?);
    }
    if !first_by_rows {
        return Ok(engine.run()?);
    }
    let port = engine.plan().input(0).ok_or(EngineError::NoSuchTensor)?;
    let bytes = port.elements.checked_div(port.rows).ok_or(EngineError::NoSuchTensor)? as usize;
    let mut room = [0; MAX_ROW_BYTES];
    let row = room.get_mut(..bytes).ok_or(SelfTestError::Row { bytes })?;
    let series = Series::new(port.ty, run, generator);
    for _ in 0..port.rows {
        series.fill(generator, row);
        engine.input_row(bytemuck::cast_slice(row))?;
    }
    Ok(())
}
