//! What states hold at first, and the proof that a streamed graph gives the bits of the windowed one.

use std::collections::HashMap;
use std::ops::Range;

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_format::emit::{Aligned, StateStart};

use super::build::Kept;
use super::time::Time;
use super::{Streamed, inconsistent};
use crate::emit::{Options, Origin, emit, live_macs};
use crate::error::{CompileError, CompileErrorKind};
use crate::fuse::{Fusing, Tensors};
use crate::graph::{Graph, NodeOp, Tensor, TensorId};

static OPERATORS: OpSet = OpSet::all::<Reference>();

/// Hops of a proof beyond two windows.
const MORE_HOPS: usize = 16;
/// Multiply-accumulates of windows that a proof may take: beyond, not every hop is compared.
const MOST_MACS: u64 = 1 << 31;
/// Hops that are compared whatever they take.
const LEAST_COMPARED: u64 = 8;

/// Gives every state what the hops of a signal that was always at the input's zero point leave in it.
pub(super) fn start_states(
    windowed: &Graph,
    times: &[Option<Time>],
    kept: &[Kept],
    graph: &mut Graph,
) -> Result<(), CompileError> {
    let mut root: Vec<TensorId> = (0..windowed.tensors.len()).collect();
    for node in &windowed.nodes {
        if let (NodeOp::Reshape, &[from]) = (&node.op, node.inputs.as_slice()) {
            let of = root.get(from).copied().unwrap_or(from);
            if let Some(slot) = root.get_mut(node.output) {
                *slot = of;
            }
        }
    }
    let input = windowed.inputs.first().ok_or_else(|| inconsistent(windowed))?;
    let port = |tensor: TensorId| crate::graph::Port { tensor, ..input.clone() };
    let root_of = |kept: &Kept| root.get(kept.of).copied().unwrap_or(kept.of);
    let mut shown: Vec<TensorId> = kept.iter().map(root_of).filter(|&of| of != input.tensor).collect();
    shown.sort_unstable();
    shown.dedup();
    let silent = windowed.tensors.get(input.tensor).map(silence).unwrap_or_default();
    let mut values: HashMap<TensorId, Vec<u8>> = [(input.tensor, silent.clone())].into();
    if !shown.is_empty() {
        let all = Graph { outputs: shown.iter().map(|&tensor| port(tensor)).collect(), ..windowed.clone() };
        let artifact = Aligned::new(&emit(&all, &Options::default(), Origin::default())?.artifact);
        let outputs = with_engine(&artifact, |engine| step(engine, &silent))?.ok_or_else(|| inconsistent(windowed))?;
        values.extend(shown.into_iter().zip(outputs));
    }
    for one in kept {
        let image = values.get(&root_of(one)).and_then(|value| {
            let time = times.get(one.of).copied().flatten()?;
            Some(rows(value, windowed.tensors.get(one.of)?, &time, one.rows.clone()))
        });
        let image = image.ok_or_else(|| inconsistent(windowed))?;
        let state = graph.states.get_mut(one.state).ok_or_else(|| inconsistent(windowed))?;
        // Silence is the same in every row.
        let row = times.get(one.of).copied().flatten().zip(windowed.tensors.get(one.of));
        let row = row.and_then(|(time, tensor)| image.get(..row_bytes(tensor, &time))).unwrap_or(&image);
        let repeats = !row.is_empty() && image.chunks(row.len()).all(|other| other == row);
        state.start = match image.first() {
            Some(&first) if image.iter().all(|&byte| byte == first) => StateStart::Fill(first),
            _ if repeats => StateStart::Image(row.to_vec()),
            _ => StateStart::Image(image),
        };
    }
    Ok(())
}

/// Returns rows of a tensor's value.
fn rows(value: &[u8], tensor: &Tensor, time: &Time, rows: Range<usize>) -> Vec<u8> {
    let row = row_bytes(tensor, time);
    let windows = value.chunks_exact(row * time.rows);
    windows.flat_map(|window| window.get(rows.start * row..rows.end * row).unwrap_or_default()).copied().collect()
}

/// Returns the bytes of a row that lie together.
fn row_bytes(tensor: &Tensor, time: &Time) -> usize {
    let behind = tensor.shape.get(time.axis + 1..).unwrap_or_default();
    time.inner * behind.iter().product::<usize>() * tensor.ty.bytes()
}

/// Returns a tensor's zero point in every element, as bytes.
fn silence(tensor: &Tensor) -> Vec<u8> {
    let element = tensor.zero_point.to_le_bytes();
    element.get(..tensor.ty.bytes()).unwrap_or_default().repeat(tensor.elements())
}

/// Runs the windowed and the streamed graph over the same signal, from the beginning on, until every row that a state holds
/// has gone through it twice; returns the number of hops that were compared: all, or, of a model of which a window takes long, some
/// evenly spread and the last.
///
/// # Errors
/// An output of which a bit differs.
pub(super) fn prove(
    windowed: &Graph,
    streamed: &Streamed,
    time: &Time,
    options: &Options,
) -> Result<usize, CompileError> {
    // As it will be planned, but for rows of the input, which both are given whole.
    let tensors = match options.tensors {
        Tensors::Rings(fusing) => Tensors::Rings(Fusing { input_by_rows: false, ..fusing }),
        other => other,
    };
    let portable = Options { tensors, passes: options.passes.clone(), ..Options::default() };
    let [whole, hops] = [windowed, &streamed.graph]
        .map(|graph| emit(graph, &portable, Origin::default()).map(|emitted| Aligned::new(&emitted.artifact)));
    let input = windowed.inputs.first().and_then(|port| windowed.tensors.get(port.tensor));
    let input = input.ok_or_else(|| inconsistent(windowed))?;
    let (row, mut window) = (row_bytes(input, time), silence(input));
    let per_window = streamed.window.div_ceil(streamed.hop);
    let count = 2 * per_window + MORE_HOPS;
    let affordable = (MOST_MACS / live_macs(windowed).max(1)).max(LEAST_COMPARED);
    let every = (count as u64).div_ceil(affordable).max(1) as usize;
    let mut compared = 0;
    let mut noise = Noise(0x1234_5678);
    let (whole, hops) = (whole?, hops?);
    let failed = with_engine(&whole, |whole| {
        with_engine(&hops, |streaming| {
            for hop in 0..count {
                let kind = noise.next();
                let mut given = Vec::new();
                for window in window.chunks_exact_mut(row * time.rows) {
                    window.rotate_left(row * streamed.hop);
                    let fresh = window.len() - row * streamed.hop;
                    let fresh = window.get_mut(fresh..).unwrap_or_default();
                    fresh.iter_mut().for_each(|byte| *byte = noise.byte(kind));
                    given.extend_from_slice(fresh);
                }
                let Some(got) = step(streaming, &given) else { return Some(hop) };
                if hop % every == 0 || hop + 1 == count {
                    if step(whole, &window) != Some(got) {
                        return Some(hop);
                    }
                    compared += 1;
                }
            }
            None
        })
    })??;
    match failed {
        None => Ok(compared),
        Some(hop) => Err(CompileError::new(
            CompileErrorKind::Inconsistent,
            format!("model '{}'", windowed.name),
            format!("streamed, its outputs differ from those of the whole window at hop {hop} of random input"),
            "leave --stream away, and report this model",
        )),
    }
}

/// Gives `work` an engine of the reference kernels.
fn with_engine<R>(artifact: &Aligned, work: impl FnOnce(&mut Engine<'_, '_>) -> R) -> Result<R, CompileError> {
    let refused = |error: &dyn std::fmt::Display| {
        let reason = format!("it cannot be run to prove that it may be streamed: {error}");
        CompileError::new(CompileErrorKind::Inconsistent, "model", reason, "leave --stream away")
    };
    let model = Model::parse(artifact).map_err(|error| refused(&error))?;
    let mut arena = Aligned::new(&vec![0x55; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPERATORS, &mut arena).map_err(|error| refused(&error))?;
    Ok(work(&mut engine))
}

/// Runs one inference and returns its outputs.
fn step(engine: &mut Engine<'_, '_>, input: &[u8]) -> Option<Vec<Vec<u8>>> {
    let place = engine.input_bytes_mut(0).ok()?;
    if place.len() != input.len() {
        return None;
    }
    place.copy_from_slice(input);
    engine.run().ok()?;
    (0..engine.model().outputs().len()).map(|output| engine.output_bytes(output).ok().map(<[u8]>::to_vec)).collect()
}

/// The linear congruential generator of Numerical Recipes.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }

    /// Mostly any byte; in some hops extremes, in some always the same.
    fn byte(&mut self, kind: u8) -> u8 {
        match kind {
            0..=31 => kind.wrapping_mul(8),
            32..=63 => {
                if self.next() < 128 {
                    0x80
                } else {
                    0x7f
                }
            }
            _ => self.next(),
        }
    }
}
