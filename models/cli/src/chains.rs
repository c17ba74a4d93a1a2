//! What each part of a model's plan takes: on an emulated core a step, on this machine a chain, whose steps' rows alternate too
//! fast for the clock.

use std::time::Instant;

use serde::Serialize;
use tanbo::Progress;
use tanbo_format::emit::Aligned;

use crate::error::CliError;
use crate::facts::{Facts, shortened};
use crate::output::{grouped, shape, table};
use crate::runner::{Runner, load, refused, with_engine};
use crate::source::Loaded;

/// A step or a chain, and what it takes.
#[derive(Clone, Debug, Serialize)]
pub struct ChainCost {
    /// Its first step.
    pub step: usize,
    /// How many steps it has.
    pub steps: usize,
    /// Names of the model's nodes, where the file has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Operators.
    pub operators: Vec<&'static str>,
    /// Output shape of its last step.
    pub output: Vec<usize>,
    /// Multiply-accumulates, padding taps counted.
    pub macs: u64,
    /// Exact, around the calls of the step only; null on this machine.
    pub instructions: Option<u64>,
    /// By the core's documented timings: an estimate; null where there are none.
    pub estimated_cycles: Option<u64>,
    /// By the chip's own counter; null where there is no chip.
    pub cycles: Option<u64>,
    /// Null where there are no multiply-accumulates.
    pub instructions_per_mac: Option<f64>,
    /// Least of many runs on this machine; null on an emulated core.
    pub nanoseconds: Option<u64>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub enum Measured {
    /// Exact instructions of each step, and estimated cycles where there are timings.
    Instructions { counts: Vec<u64>, cycles: Vec<u64> },
    /// Cycles of each step, by the chip's own counter.
    #[cfg(feature = "probe")]
    Cycles(Vec<u64>),
    /// Time of each chain, nanoseconds.
    Nanoseconds(Vec<u64>),
}

/// Returns what each part of the model takes.
///
/// # Errors
/// An artifact that the verifier refuses; another number of parts.
pub fn costs(loaded: &Loaded, facts: &Facts, measured: &Measured) -> Result<Vec<ChainCost>, CliError> {
    let model = loaded.model()?;
    let (values, estimates) = match measured {
        Measured::Instructions { counts, cycles } => (counts, Some(cycles)),
        #[cfg(feature = "probe")]
        Measured::Cycles(cycles) => (cycles, None),
        Measured::Nanoseconds(times) => (times, None),
    };
    let parts: Vec<_> = match measured {
        Measured::Nanoseconds(_) => (0..model.chain_count() as u16).filter_map(|number| model.chain(number)).collect(),
        _ => (0..model.step_count() as u16).map(|step| step..step + 1).collect(),
    };
    let timed = matches!(measured, Measured::Nanoseconds(_));
    if values.len() != parts.len() {
        let reason = format_args!("{} parts were measured, the plan has {}", values.len(), parts.len());
        return Err(CliError::new("bench", reason, "report this as a bug"));
    }
    Ok(parts
        .into_iter()
        .zip(values)
        .enumerate()
        .map(|(number, (steps, &value))| {
            let steps = usize::from(steps.start)..usize::from(steps.end);
            let of = facts.steps.get(steps.clone()).unwrap_or_default();
            let macs: u64 = of.iter().map(|step| step.macs).sum();
            let instructions = estimates.is_some().then_some(value);
            ChainCost {
                step: steps.start,
                steps: steps.len(),
                nodes: of.iter().filter_map(|step| step.name.clone()).collect(),
                operators: of.iter().map(|step| step.op).collect(),
                output: of.last().map(|step| step.output.shape.clone()).unwrap_or_default(),
                macs,
                instructions,
                estimated_cycles: estimates.and_then(|cycles| cycles.get(number)).copied(),
                cycles: (!timed && instructions.is_none()).then_some(value),
                instructions_per_mac: instructions.filter(|_| macs > 0).map(|count| count as f64 / macs as f64),
                nanoseconds: timed.then_some(value),
            }
        })
        .collect())
}

/// Returns the least time of each chain over `runs` inferences on this machine, nanoseconds. The clock's own time, some
/// tens of nanoseconds, is in it.
///
/// # Errors
/// An engine that refuses the artifact or an input.
pub fn times(runner: &Runner, artifact: &Aligned, inputs: &[Vec<u8>], runs: usize) -> Result<Vec<u64>, CliError> {
    with_engine(artifact, runner.table(artifact)?, |engine, _| {
        let mut least = vec![u64::MAX; engine.model().chain_count()];
        for _ in 0..runs {
            load(engine, inputs)?;
            engine.restart();
            for least in &mut least {
                let start = Instant::now();
                let progress = engine.step(u32::MAX);
                *least = (*least).min(start.elapsed().as_nanos() as u64);
                if progress.map_err(refused)? == Progress::Done {
                    break;
                }
            }
        }
        Ok(least)
    })
}

/// Returns the table for people. `total` is what the whole inference takes, in instructions or cycles: what lies outside the steps
/// is the engine's own loop, less what counting each call of a step adds.
pub fn text(chains: &[ChainCost], total: Option<u64>) -> String {
    let unit = match (total, chains.first()) {
        (Some(_), Some(ChainCost { cycles: Some(_), .. })) => "cycles",
        (Some(_), _) => "instructions",
        (None, _) => "ns (least)",
    };
    let estimated = chains.iter().any(|chain| chain.estimated_cycles.is_some());
    let mut heading = vec!["step", "operator", "output", "MACs", unit, "per MAC", "share", "node"];
    if estimated {
        heading.insert(7, "cycles (est.)");
    }
    let mut rows = vec![heading.into_iter().map(String::from).collect::<Vec<_>>()];
    let value = |chain: &ChainCost| chain.instructions.or(chain.cycles).or(chain.nanoseconds).unwrap_or_default();
    let sum: u64 = chains.iter().map(value).sum();
    for chain in chains {
        let last = chain.step + chain.steps.saturating_sub(1);
        let mut row = vec![
            if chain.steps == 1 { chain.step.to_string() } else { format!("{}-{last}", chain.step) },
            chain.operators.join("+"),
            shape(&chain.output),
            grouped(chain.macs),
            grouped(value(chain)),
            if chain.macs == 0 { String::new() } else { format!("{:.2}", value(chain) as f64 / chain.macs as f64) },
            format!("{:.1} %", value(chain) as f64 * 100.0 / sum.max(1) as f64),
            shortened(chain.nodes.last().map(String::as_str).unwrap_or_default()),
        ];
        if estimated {
            row.insert(7, chain.estimated_cycles.map(grouped).unwrap_or_default());
        }
        rows.push(row);
    }
    let mut text = table(&rows);
    if let Some(total) = total {
        let outside = total as i64 - sum as i64;
        text += &format!("steps {}, outside them {outside}, in all {}\n", grouped(sum), grouped(total));
    }
    text
}
