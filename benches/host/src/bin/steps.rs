//! Time of each chain of an artifact in every kernel table of this machine: `tanbo-steps MODEL.tnb [FAMILY]`.
//!
//! Prints a line for each chain: family, number, operator of its last step, packing, output shape, nanoseconds. Times are the
//! least of many inferences on one thread; the clock's own 20 ns or so are in them.

use std::process::ExitCode;
use std::time::Instant;

use tanbo::pack::repack;
use tanbo::{Engine, Model};
use tanbo_format::emit::Aligned;

/// Inferences, of which the least time of each chain counts.
const RUNS: usize = 500;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: tanbo-steps MODEL.tnb [FAMILY]");
        return ExitCode::from(2);
    };
    let family = arguments.next();
    match measure(&path, family.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{path}: {message}");
            ExitCode::from(2)
        }
    }
}

fn measure(path: &str, wanted: Option<&str>) -> Result<(), String> {
    let artifact = Aligned::new(&std::fs::read(path).map_err(|error| error.to_string())?);
    let portable = Model::parse(&artifact).map_err(|error| error.to_string())?;
    for (family, ops) in tanbo_host::tables() {
        if wanted.is_some_and(|wanted| wanted != family.name()) {
            continue;
        }
        let packed = Aligned::new(&repack(&portable, family).map_err(|error| error.to_string())?);
        let model = ops.parse(&packed).map_err(|error| error.to_string())?;
        let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
        let mut engine = Engine::new(&model, ops, &mut arena).map_err(|error| error.to_string())?;
        let mut least = vec![u128::MAX; model.chain_count()];
        for _ in 0..RUNS {
            for input in 0..model.inputs().len() {
                let mut state = 0x1234_5678u32;
                for byte in engine.input_bytes_mut(input).map_err(|error| error.to_string())? {
                    *byte = tanbo_host::next_byte(&mut state);
                }
            }
            engine.restart();
            for least in &mut least {
                let start = Instant::now();
                engine.step(u32::MAX).map_err(|error| error.to_string())?;
                *least = start.elapsed().as_nanos().min(*least);
            }
        }
        for (chain, least) in least.iter().enumerate() {
            let last = model.chain(chain as u16).and_then(|steps| model.step(steps.end - 1)).ok_or("no such chain")?;
            let shape: Vec<_> =
                model.tensor(last.output).map(|y| y.shape.iter().map(u32::to_string).collect()).unwrap_or_default();
            println!(
                "{} {chain} {} packing={} {} {least} ns",
                family.name(),
                last.op.name(),
                last.variant,
                shape.join("x")
            );
        }
        println!("{} all {} ns", family.name(), least.iter().sum::<u128>());
    }
    Ok(())
}
