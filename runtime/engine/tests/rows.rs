//! The order of the work changes no bit: a chain by rows through rings equals its operators one by one on whole tensors,
//! `step` with any budget equals `run`, and nothing depends on what the arena held before.

#[path = "../../format/tests/random/mod.rs"]
mod random;

use arbitrary::Unstructured;
use proptest::prelude::*;
use tanbo::{Engine, Model, OpSet, Progress, Reference, Storage};
use tanbo_format::emit::{Aligned, Artifact};

static OPS: OpSet = OpSet::all::<Reference>();

/// How an inference is driven.
#[derive(Clone, Copy)]
enum Drive {
    Run,
    Step(u32),
}

/// Inferences in a row, so that states tell.
const RUNS: usize = 3;

/// Returns the bytes of all outputs of some inferences for inputs made from `seed`, in an arena that holds `garbage`; the
/// same again after a reset.
fn outputs(artifact: &Artifact, seed: u64, garbage: u8, drive: Drive) -> Vec<Vec<u8>> {
    let bytes = Aligned::new(&artifact.emit().unwrap());
    let model = Model::parse(&bytes).unwrap();
    let mut arena = Aligned::new(&vec![garbage; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
    let [first, again] = [0, 1].map(|_| {
        engine.reset();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut outputs = Vec::new();
        for _ in 0..RUNS {
            for index in 0..model.inputs().len() {
                rng.fill(engine.input_bytes_mut(index).unwrap());
            }
            match drive {
                Drive::Run => engine.run().unwrap(),
                Drive::Step(budget) => while engine.step(budget).unwrap() == Progress::More {},
            }
            outputs.extend((0..model.outputs().len()).map(|index| engine.output_bytes(index).unwrap().to_vec()));
        }
        outputs
    });
    assert_eq!(first, again, "a reset does not give the first states back");
    first
}

/// Returns how many tensors lie in rings that do not hold all their rows.
fn partial_rings(artifact: &Artifact) -> usize {
    let bytes = Aligned::new(&artifact.emit().unwrap());
    let model = Model::parse(&bytes).unwrap();
    let tensors = (0..model.tensor_count() as u16).filter_map(|index| model.tensor(index));
    let partial = tensors.filter(|tensor| match model.storage(tensor.storage) {
        Some(Storage::Arena { bytes, ring_rows: 1.., .. }) => bytes < tensor.bytes(),
        _ => false,
    });
    partial.count()
}

fn config(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 100 * cases } else { cases };
    // Failing choices are printed; no file is kept beside the test.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(5000))]

    #[test]
    fn rings_equal_whole_tensors(choices in proptest::collection::vec(any::<u8>(), 40..300), seed: u64) {
        let chain = random::row_chain(&mut Unstructured::new(&choices)).unwrap();
        let whole = random::whole(&chain);
        let want = outputs(&whole, seed, 0, Drive::Run);
        prop_assert_eq!(outputs(&chain, seed, 0xa5, Drive::Run), want.clone());
        for budget in [1, 2, 3, 7] {
            prop_assert_eq!(outputs(&chain, seed, 0x5a, Drive::Step(budget)), want.clone(), "budget {}", budget);
        }
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn step_equals_run_whatever_the_budget(choices in proptest::collection::vec(any::<u8>(), 0..400), seed: u64) {
        let artifact = random::artifact(&mut Unstructured::new(&choices)).unwrap();
        let want = outputs(&artifact, seed, 0, Drive::Run);
        for budget in [0, 1, 2, 3, 5, 8, 1000, u32::MAX] {
            prop_assert_eq!(outputs(&artifact, seed, 0xff, Drive::Step(budget)), want.clone(), "budget {}", budget);
        }
        prop_assert_eq!(outputs(&random::whole(&artifact), seed, 0x80, Drive::Run), want);
    }
}

/// The properties above mean something only if the outputs are not all the same and the rings are there.
#[test]
fn the_cases_say_something() {
    let (mut rings, mut varied) = (0, 0);
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..500 {
        let choices: Vec<u8> = (0..300).map(|_| rng.u8(..)).collect();
        let chain = random::row_chain(&mut Unstructured::new(&choices)).unwrap();
        rings += partial_rings(&chain);
        let y = outputs(&chain, rng.u64(..), 0, Drive::Run).concat();
        varied += usize::from(y.iter().any(|&v| v != y[0]));
    }
    println!("500 chains: {rings} rings that do not hold all rows, {varied} chains with varied outputs");
    assert!(rings > 250 && varied > 250);
}
