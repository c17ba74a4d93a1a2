//! What is in the memory may be of another model, of no journal at all, or spoiled: then less of it counts, and what counts is
//! right.

mod simulated;

use simulated::{Node, Simulated};
use tanbo::{OpSet, Reference};
use tanbo_compiler::fuse::{Fusing, Tensors};
use tanbo_compiler::stream::Streaming;
use tanbo_compiler::{Options, compile, testing};
use tanbo_format::emit::Aligned;
use tanbo_journal::{Found, JournalError};

static OPS: OpSet = OpSet::all::<Reference>();

/// Models of two convolutions and more, some streamed, so that they have states.
fn artifacts(count: usize, rng: &mut fastrand::Rng) -> Vec<Aligned> {
    let mut artifacts = Vec::new();
    while artifacts.len() < count {
        let (graph, hop) = testing::temporal(rng);
        let streaming = rng.bool().then_some(Streaming { hop: Some(hop), axis: None });
        let tensors = Tensors::Rings(Fusing::default());
        if let Ok(artifact) = compile(&graph, &Options { tensors, streaming, ..Options::default() }) {
            artifacts.push(Aligned::new(&artifact));
        }
    }
    artifacts
}

/// Returns `node`'s memory, cut in the second inference.
fn cut_half_way(node: &Node<'_>, page: u32, rng: &mut fastrand::Rng) -> Simulated {
    let memory = Simulated::new(page, node.journal_bytes(page) + rng.usize(..600));
    let first = node.power_up(memory, 0).expect("no cut");
    let written = node.power_up(first.clone(), 1).expect("no cut").written - first.written;
    let memory = Simulated { left: rng.u64(1..written), ..first };
    Simulated { left: u64::MAX, ..node.power_up(memory, 1).expect_err("a cut") }
}

#[test]
fn spoiled_bits_cost_work_and_never_a_bit_of_the_outputs() {
    let mut rng = fastrand::Rng::with_seed(21);
    let mut found = [0; 3];
    for artifact in artifacts(40, &mut rng) {
        let node = Node::new(&artifact, &OPS, 3, &mut rng);
        let whole = cut_half_way(&node, [1, 16, 64][rng.usize(..3)], &mut rng);
        for _ in 0..60 {
            let mut memory = whole.clone();
            let range = memory.range();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(range.start as usize..range.end as usize);
                memory.bytes[at] ^= 1 << rng.u8(..8);
            }
            let opened = node.with_page(memory, |journal, what| {
                match what {
                    // The engine is as new: so are its states.
                    Found::Nothing => {
                        found[0] += 1;
                        journal.begin(&node, 0)?;
                        journal.end(&node, 0)
                    }
                    Found::Unfinished { window } => {
                        found[1] += 1;
                        assert_eq!(window, 1);
                        journal.end(&node, 1)
                    }
                    Found::Finished { window } => {
                        found[2] += 1;
                        assert_eq!(journal.outputs(), node.wanted[window as usize]);
                        journal.begin(&node, window as usize + 1)?;
                        journal.end(&node, window as usize + 1)
                    }
                }
            });
            opened.map_err(|(error, _)| error).expect("a journal");
        }
    }
    println!("nothing, unfinished, finished: {found:?}");
    assert!(found.iter().all(|&count| count > 10), "{found:?}");
}

#[test]
fn another_models_journal_is_none() {
    let mut rng = fastrand::Rng::with_seed(22);
    let artifacts = artifacts(12, &mut rng);
    for (one, other) in artifacts.iter().zip(artifacts.iter().skip(1)) {
        let (node, other) = (Node::new(one, &OPS, 3, &mut rng), Node::new(other, &OPS, 3, &mut rng));
        let mut memory = cut_half_way(&node, 1, &mut rng);
        let room = other.journal_bytes(1);
        let len = memory.bytes.len().max(room + 200);
        // In a range of the same beginning and length, as after an update of the model.
        let behind = memory.bytes.split_off(memory.range().end as usize);
        memory.bytes.resize(len, 0xff);
        memory.bytes.extend(behind);
        let opened = other.with_page(memory, |journal, what| {
            assert_eq!(what, Found::Nothing);
            journal.begin(&other, 0)?;
            journal.end(&other, 0)
        });
        opened.map_err(|(error, _)| error).expect("a journal");
    }
}

#[test]
fn any_bytes_are_no_journal() {
    let mut rng = fastrand::Rng::with_seed(23);
    for artifact in artifacts(10, &mut rng) {
        let node = Node::new(&artifact, &OPS, 1, &mut rng);
        for number in 0..50 {
            let mut memory = Simulated::new(1, node.journal_bytes(1) + rng.usize(..100));
            let range = memory.range();
            let (start, end) = (range.start as usize, range.end as usize);
            rng.fill(&mut memory.bytes[start..end]);
            if number % 2 == 0 {
                memory.bytes[start..start + 4].copy_from_slice(b"TNJ1");
                // Few words and a short length: read to the end.
                memory.bytes[start + 8..start + 16].copy_from_slice(&[
                    rng.u8(..20),
                    0,
                    rng.u8(..2),
                    0,
                    rng.u8(..),
                    0,
                    0,
                    0,
                ]);
            }
            let opened = node.with_page(memory, |journal, what| {
                assert_eq!(what, Found::Nothing);
                journal.begin(&node, 0)?;
                journal.end(&node, 0)
            });
            opened.map_err(|(error, _)| error).expect("a journal");
        }
    }
}

#[test]
fn calls_out_of_order_are_refused() {
    let mut rng = fastrand::Rng::with_seed(24);
    let artifact = &artifacts(1, &mut rng)[0];
    let node = Node::new(artifact, &OPS, 3, &mut rng);
    let memory = Simulated::new(1, node.journal_bytes(1));
    let opened = node.with_page(memory.clone(), |journal, _| {
        assert_eq!(journal.end(&node, 0), Err(JournalError::NotBegun));
        journal.begin(&node, 0)?;
        assert_eq!(journal.begin(&node, 0), Err(JournalError::Unfinished));
        journal.end(&node, 0)?;
        assert_eq!(journal.end(&node, 0), Err(JournalError::NotBegun));
        Ok(())
    });
    opened.map_err(|(error, _)| error).expect("a journal");
    // One byte less than it says that it needs.
    let needed = node.journal_bytes(1);
    let short = node.with_page(Simulated::new(1, needed - 1), |_, _| Ok(()));
    let (error, _) = short.expect_err("too little");
    assert_eq!(error, JournalError::TooSmall { needed: needed as u32, given: needed as u32 - 1 });
}
