//! Frames on a byte stream: COBS, a zero byte after each.
//!
//! A receiver that starts in the middle, or loses bytes, is back at the next zero.

use crate::{Frame, MAX_FRAME};

/// Longest encoded frame with its closing zero, bytes.
pub const MAX_ENCODED: usize = cobs::max_encoding_length(MAX_FRAME) + 1;

/// Returns a frame's bytes for the stream, the closing zero included. Frames longer than [`MAX_FRAME`] are cut to it.
pub fn encode(frame: &[u8]) -> heapless::Vec<u8, MAX_ENCODED> {
    let mut encoded = heapless::Vec::new();
    // The capacity is that of MAX_FRAME bytes.
    let _ = encoded.resize(MAX_ENCODED, 0);
    let frame = frame.get(..MAX_FRAME).unwrap_or(frame);
    let len = cobs::try_encode(frame, &mut encoded).unwrap_or(0);
    // The rest is zero already.
    encoded.truncate(len + 1);
    encoded
}

/// Finds frames in a byte stream.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Bytes since the last zero.
    run: heapless::Vec<u8, { MAX_ENCODED - 1 }>,
    /// The run has outgrown every frame: nothing until the next zero.
    too_long: bool,
}

impl Decoder {
    /// Returns a decoder at the start of a stream.
    pub const fn new() -> Self {
        Self { run: heapless::Vec::new(), too_long: false }
    }

    /// Takes a byte of the stream; returns a frame where that byte ends one. What is no frame is passed over.
    pub fn push(&mut self, byte: u8) -> Option<Frame> {
        if byte != 0 {
            self.too_long |= self.run.push(byte).is_err();
            return None;
        }
        let mut frame = Frame::new();
        // Up to the capacity.
        let _ = frame.resize(MAX_FRAME, 0);
        let report = if self.too_long { None } else { cobs::decode(&self.run, &mut frame).ok() };
        self.run.clear();
        self.too_long = false;
        frame.truncate(report?.frame_size());
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, MAX_ENCODED, encode};
    use crate::MAX_FRAME;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new();
        stream.iter().filter_map(|byte| decoder.push(*byte)).map(|frame| frame.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn frames_return_whatever_lies_before_them(
            noise in proptest::collection::vec(any::<u8>(), 0..600),
            sent in proptest::collection::vec(proptest::collection::vec(0u8..4, 1..=MAX_FRAME), 1..4),
        ) {
            let mut stream = noise;
            stream.push(0);
            let before = frames(&stream).len();
            for frame in &sent {
                let encoded = encode(frame);
                prop_assert_eq!(encoded.iter().position(|byte| *byte == 0), Some(encoded.len() - 1));
                stream.extend(encoded);
            }
            let found = frames(&stream);
            prop_assert_eq!(found.get(before..).unwrap_or_default(), sent.as_slice());
        }
    }

    #[test]
    fn the_longest_frame_fits_and_a_longer_run_is_passed_over() {
        let frame = [7; MAX_FRAME];
        assert_eq!(encode(&frame).len(), MAX_ENCODED);
        assert_eq!(frames(&encode(&frame)), [frame.to_vec()]);
        let mut stream = std::vec![1; 10_000];
        stream.push(0);
        stream.extend(encode(&frame));
        assert_eq!(frames(&stream), [frame.to_vec()]);
        assert_eq!(frames(&[0, 0, 0]), [[0u8; 0]; 0]);
    }
}
