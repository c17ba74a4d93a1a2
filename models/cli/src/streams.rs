//! Input streams that anybody can reproduce: what models are measured and compared on.

use tanbo_compiler::binding::Binding;
use tanbo_compiler::graph::SourceType;
use tanbo_format::{ElementType, Model};

use crate::error::CliError;

/// A named stream of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Name.
    pub name: &'static str,
    byte: fn(usize, &mut u32) -> u8,
}

/// All streams; the first is the one that is measured.
pub const STREAMS: [Stream; 4] = [
    // The linear congruential generator of Numerical Recipes, its high byte.
    Stream {
        name: "lcg",
        byte: |_, state| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 24) as u8
        },
    },
    Stream { name: "ramp", byte: |index, _| (index.wrapping_mul(7) & 255) as u8 },
    Stream { name: "alt", byte: |index, _| if index % 2 == 0 { 0x7F } else { 0x80 } },
    Stream { name: "zero", byte: |_, _| 0 },
];

impl Stream {
    /// Returns the artifact's bytes of each input, filled one after the other from one run of the stream.
    ///
    /// The stream fills the elements in the model's own layout: its integers byte by byte, little-endian; where the model
    /// takes floats, the integers they are quantized to.
    ///
    /// # Errors
    /// An input whose layout does not fit, which an artifact that was made does not have.
    pub fn inputs(&self, model: &Model<'_>, bindings: &[Binding]) -> Result<Vec<Vec<u8>>, CliError> {
        let (mut index, mut state) = (0, 0x1234_5678);
        let mut inputs = Vec::new();
        for (binding, &number) in bindings.iter().zip(model.inputs()) {
            let mut binding = binding.clone();
            if let (SourceType::F32, Some(tensor)) = (binding.ty, model.tensor(number)) {
                binding.ty = match tensor.ty {
                    ElementType::I8 => SourceType::I8,
                    ElementType::U8 => SourceType::U8,
                    ElementType::I16 => SourceType::I16,
                    ElementType::I32 => SourceType::I32,
                };
            }
            let source: Vec<u8> = (0..binding.source_bytes())
                .map(|_| {
                    let byte = (self.byte)(index, &mut state);
                    index += 1;
                    byte
                })
                .collect();
            inputs.push(binding.to_artifact(&source).map_err(|e| CliError::new(e.place, e.reason, e.remedy))?);
        }
        Ok(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::STREAMS;

    #[test]
    fn streams_begin_as_published() {
        let begin = |stream: &super::Stream| {
            let mut state = 0x1234_5678;
            (0..4).map(|i| (stream.byte)(i, &mut state)).collect::<Vec<_>>()
        };
        assert_eq!(begin(&STREAMS[0]), [117, 205, 37, 75]);
        assert_eq!(begin(&STREAMS[1]), [0, 7, 14, 21]);
        assert_eq!(begin(&STREAMS[2]), [0x7F, 0x80, 0x7F, 0x80]);
        assert_eq!(begin(&STREAMS[3]), [0; 4]);
    }
}
