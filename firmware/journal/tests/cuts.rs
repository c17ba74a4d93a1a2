//! Whenever the supply is cut, the inference ends with the bits of an uncut run, and so does the next: over models, plans and
//! memories.

#[path = "../../../runtime/format/tests/random/mod.rs"]
mod random;
mod simulated;

use arbitrary::Unstructured;
use simulated::{Node, cut_at_every_byte};
use tanbo::{Family, OpSet, Reference};
use tanbo_compiler::fuse::{Fusing, Tensors};
use tanbo_compiler::stream::Streaming;
use tanbo_compiler::testing;
use tanbo_compiler::{Options, compile};
use tanbo_format::emit::Aligned;

static OPS: OpSet = OpSet::all::<Reference>();
/// Bytes of a page: FRAM, then EEPROMs.
const PAGES: [u32; 4] = [1, 16, 32, 64];

/// How many models a test looks at.
fn models(count: usize) -> usize {
    if std::env::var_os("TANBO_SOAK").is_some() { 20 * count } else { count }
}

/// Cuts a model in a memory and with intervals of its own.
fn cut(artifact: &[u8], ops: &'static OpSet, rng: &mut fastrand::Rng) -> usize {
    let bytes = Aligned::new(artifact);
    let mut node = Node::new(&bytes, ops, 3, rng);
    (node.budget, node.every) = (rng.u32(1..4), rng.u32(1..4));
    let (page, room) = (PAGES[rng.usize(..PAGES.len())], rng.usize(..4) * 400);
    // At most about 200 points of a model.
    let written = node.journal_bytes(page);
    cut_at_every_byte(&node, page, room, written.div_ceil(200).max(1), rng)
}

#[test]
fn artifacts_with_rings_and_states_end_with_the_same_bits() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut cuts = 0;
    for number in 0..models(150) {
        let choices: Vec<u8> = (0..300).map(|_| rng.u8(..)).collect();
        let mut choices = Unstructured::new(&choices);
        let artifact = if number % 3 == 0 { random::row_chain(&mut choices) } else { random::artifact(&mut choices) };
        cuts += cut(&artifact.expect("choices").emit().expect("an artifact"), &OPS, &mut rng);
    }
    println!("{cuts} cuts");
    assert!(cuts >= 20_000, "{cuts} cuts");
}

/// Branches, sums in place, rows that are handed over, sums of pools, rows that kernels packed for the rows after.
#[test]
fn compiled_graphs_end_with_the_same_bits() {
    let mut rng = fastrand::Rng::with_seed(12);
    let rings = |input_by_rows| Tensors::Rings(Fusing { arena_bytes: Some(0), input_by_rows });
    let families: Vec<Family> = tanbo::families().collect();
    let (mut cuts, mut by_rows, mut packed) = (0, 0, 0);
    for number in 0..models(150) {
        let graph = testing::random(&mut rng);
        let tensors = [Tensors::Whole, rings(false), rings(true)][number % 3];
        let family = families[rng.usize(..families.len())];
        let Ok(artifact) = compile(&graph, &Options { family, tensors, ..Options::default() }) else { continue };
        let bytes = Aligned::new(&artifact);
        let model = tanbo::Model::parse(&bytes).expect("an artifact");
        packed += (0..model.step_count() as u16).filter(|&step| model.step(step).unwrap().variant != 0).count();
        by_rows += usize::from(tensors == rings(true));
        cuts += cut(&artifact, tanbo::table(family).expect("a table"), &mut rng);
    }
    println!("{cuts} cuts, {by_rows} models by rows, {packed} packed steps");
    assert!(cuts >= 20_000 && by_rows >= 10 && packed >= 50, "{cuts} cuts, {by_rows} by rows, {packed} packed steps");
}

#[test]
fn streamed_models_end_with_the_same_bits() {
    let mut rng = fastrand::Rng::with_seed(13);
    let (mut cuts, mut streamed) = (0, 0);
    for _ in 0..models(60) {
        let (graph, hop) = testing::temporal(&mut rng);
        let streaming = Some(Streaming { hop: Some(hop), axis: None });
        let Ok(artifact) = compile(&graph, &Options { streaming, ..Options::default() }) else { continue };
        streamed += 1;
        cuts += cut(&artifact, &OPS, &mut rng);
    }
    println!("{cuts} cuts of {streamed} streamed models");
    assert!(cuts >= 5_000, "{cuts} cuts of {streamed} streamed models");
}

/// The seismic network, every byte that it writes in one memory, some in the others.
#[test]
fn the_seismic_model_ends_with_the_same_bits() {
    let mut rng = fastrand::Rng::with_seed(14);
    let bytes = Aligned::new(tanbo_zoo::SEISMIC);
    let mut cuts = 0;
    for page in PAGES {
        let mut node = Node::new(&bytes, &OPS, 3, &mut rng);
        node.budget = 1;
        cuts += cut_at_every_byte(&node, page, 100, if page == 1 { 1 } else { 5 }, &mut rng);
    }
    println!("{cuts} cuts");
    assert!(cuts >= 500, "{cuts} cuts");
}
