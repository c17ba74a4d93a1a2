//! Runs an artifact as often as it is told, for whoever compares its time with another runtime's.
//!
//! `tanbo-timed MODEL.tnb`: packs a portable artifact for the fastest kernels of this machine, and prints their table's name. Then, for each line
//! with a number N on standard input: N inferences, their input written before each and their outputs read after it, and a
//! line with the nanoseconds of all together.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;

use tanbo::pack::repack;
use tanbo::{Engine, Family, Model};
use tanbo_format::emit::Aligned;
use tanbo_host::{next_byte, serve};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("give an artifact: tanbo-timed MODEL.tnb")?;
    let bytes = Aligned::new(&fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
    let model = Model::parse(&bytes)?;
    let family = if model.family() == Family::Portable { tanbo::best_family() } else { model.family() };
    let packed = if family == model.family() { bytes } else { Aligned::new(&repack(&model, family)?) };
    let model = Model::parse(&packed)?;
    let table = tanbo::table_or_reference(family);
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, table, &mut arena)?;
    let mut lcg = 0x1234_5678_u32;
    let inputs: Vec<Vec<u8>> = (0..model.inputs().len())
        .map(|index| {
            let bytes = engine.input_bytes_mut(index)?.len();
            Ok((0..bytes).map(|_| next_byte(&mut lcg)).collect())
        })
        .collect::<Result<_, tanbo::EngineError>>()?;
    serve(table.table_name(), || {
        for (index, input) in inputs.iter().enumerate() {
            engine.input_bytes_mut(index)?.copy_from_slice(black_box(input));
        }
        engine.run()?;
        for index in 0..model.outputs().len() {
            black_box(engine.output_bytes(index)?);
        }
        Ok(())
    })
}
