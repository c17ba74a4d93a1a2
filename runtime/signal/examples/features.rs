//! Features of recordings, for training: the very code that runs on the sensor node.
//!
//! `features FRONT_END.toml INPUT OUTPUT`
//!
//! INPUT, little-endian: per recording a header of 5 u32 (number of samples, rate numerator, rate denominator, hops to
//! skip, stride of the hops written), then the samples, 3 i32 each, mGal. OUTPUT: per recording a u32 count of hops
//! written, then per hop: u32 index of the last model-rate sample, u8 ready, u8 zero, i16 gate ratio (log2, Q8), and
//! the features, i8 each.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use tanbo_signal::front_end::MAX_FEATURES;
use tanbo_signal::{AXES, FeatureExtractor, FrontEnd, Rate, Resampler};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [front_end, input, output] = arguments.as_slice() else {
        return Err("usage: features FRONT_END.toml INPUT OUTPUT".into());
    };
    let front_end: FrontEnd = toml::from_str(&std::fs::read_to_string(front_end)?)?;
    let mut input = BufReader::with_capacity(1 << 20, File::open(input)?);
    let mut output = BufWriter::with_capacity(1 << 20, File::create(output)?);
    while let Some(header) = read_words::<5>(&mut input)? {
        let [count, numerator, denominator, skip, stride] = header.map(u32::from_le_bytes);
        let mut resampler = Resampler::new(Rate { numerator, denominator }, front_end.rate)?;
        let mut extractor = FeatureExtractor::new(front_end.clone())?;
        let (mut index, mut hops, mut written) = (0u32, 0u32, 0u32);
        let mut rows = Vec::new();
        for at in 0..count {
            let words = read_words::<AXES>(&mut input)?.ok_or(format!("input ends at sample {at} of {count}"))?;
            resampler.push(words.map(i32::from_le_bytes), |sample| {
                if let Some(hop) = extractor.push(sample) {
                    if hops >= skip && (hops - skip) % stride.max(1) == 0 {
                        let mut features = [0i8; MAX_FEATURES];
                        let used = extractor.features(&mut features);
                        let gate = hop.gate_q8.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                        rows.extend(index.to_le_bytes());
                        rows.extend([u8::from(hop.ready), 0]);
                        rows.extend(gate.to_le_bytes());
                        rows.extend(features.iter().take(used).map(|feature| *feature as u8));
                        written += 1;
                    }
                    hops += 1;
                }
                index += 1;
            });
        }
        output.write_all(&written.to_le_bytes())?;
        output.write_all(&rows)?;
    }
    output.flush()?;
    Ok(())
}

/// Reads N little-endian words; `None` at the end of the input.
fn read_words<const N: usize>(input: &mut impl Read) -> Result<Option<[[u8; 4]; N]>, Box<dyn Error>> {
    let mut words = [[0; 4]; N];
    for (at, word) in words.iter_mut().enumerate() {
        match input.read_exact(word) {
            Ok(()) => {}
            Err(error) if at == 0 && error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(words))
}
