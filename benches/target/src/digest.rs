//! A digest over every intermediate tensor: two cores that agree in it agree in every value they computed.

use tanbo::{Engine, EngineError, Progress};

/// CRC-64/XZ (ECMA-182): catches every difference of up to 64 bits in a row, and any other but for one in 2^64.
const CRC: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_XZ);

/// Runs one inference; the CRC-64/XZ, big-endian, of all that it computes.
///
/// Covers, chain by chain, the output tensor of each step. A chain of several steps keeps only some rows of each, so there
/// the tensors are taken as they are after every row.
///
/// # Errors
/// Those of [`Engine::step`]; [`EngineError::InputByRows`], since a ring of rows is no tensor.
pub fn digest(engine: &mut Engine<'_, '_>) -> Result<[u8; 8], EngineError> {
    let mut digest = CRC.digest();
    engine.restart();
    loop {
        let steps = engine.model().chain(engine.chain()).unwrap_or_default();
        let budget = if steps.len() == 1 { u32::MAX } else { 1 };
        let progress = engine.step(budget)?;
        for number in steps {
            let output = engine.model().step(number).ok_or(EngineError::Step(number))?.output;
            digest.update(engine.tensor_bytes(output)?);
        }
        match progress {
            Progress::Done => return Ok(digest.finalize().to_be_bytes()),
            Progress::More => {}
            Progress::Input => return Err(EngineError::InputByRows),
        }
    }
}
