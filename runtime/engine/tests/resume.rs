//! An inference that stops between two units of work goes on in another arena from what was told to count, and from nothing
//! else; positions that are none are refused.

#[path = "../../format/tests/random/mod.rs"]
mod random;

use arbitrary::Unstructured;
use proptest::prelude::*;
use tanbo::{Engine, EngineError, Lifetime, Lifetimes, Model, OpSet, Position, Progress, Reference};
use tanbo_format::emit::{Aligned, Artifact};

static OPS: OpSet = OpSet::all::<Reference>();

/// What counted at a position, of what was written since the one before.
struct Kept {
    position: Position,
    bytes: Vec<u8>,
}

fn lifetimes_of<R>(model: &Model<'_>, with: impl FnOnce(&Lifetimes<'_>) -> R) -> R {
    let mut storages = vec![Lifetime::EMPTY; model.storage_count()];
    let mut steps = vec![0; model.step_count()];
    with(&Lifetimes::of(model, &mut storages, &mut steps).expect("room for all"))
}

/// Keeps what counts now and was written since `since`.
fn keep(engine: &mut Engine<'_, '_>, lifetimes: &Lifetimes<'_>, since: Option<&Position>) -> Kept {
    let (mut places, mut kept) = (Vec::new(), Vec::new());
    let told = engine.changed(lifetimes, since, |bytes| {
        places.push(bytes.as_ptr_range());
        kept.extend_from_slice(bytes);
    });
    told.expect("an earlier position");
    places.sort_unstable_by_key(|place| place.start);
    assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start), "a byte is told twice: {places:?}");
    Kept { position: engine.position(), bytes: kept }
}

/// Puts back what was kept, in its order, and goes to the last position.
fn resume(engine: &mut Engine<'_, '_>, lifetimes: &Lifetimes<'_>, kept: &[&Kept]) {
    let mut since = None;
    for Kept { position, bytes } in kept {
        engine.resume(position).expect("a position of this model");
        let mut left = bytes.as_slice();
        let told = engine.changed(lifetimes, since, |place| {
            let (here, rest) = left.split_at(place.len());
            place.copy_from_slice(here);
            left = rest;
        });
        told.expect("an earlier position");
        assert!(left.is_empty());
        since = Some(position);
    }
}

fn outputs(engine: &Engine<'_, '_>) -> Vec<Vec<u8>> {
    (0..engine.model().outputs().len()).map(|index| engine.output_bytes(index).unwrap().to_vec()).collect()
}

fn fill_inputs(engine: &mut Engine<'_, '_>, rng: &mut fastrand::Rng) {
    for index in 0..engine.model().inputs().len() {
        rng.fill(engine.input_bytes_mut(index).unwrap());
    }
}

/// Cuts the second of three inferences after every unit of work, or after some, and returns how many times: each time the others
/// come to the outputs of the uncut run.
fn cut_everywhere(artifact: &[u8], ops: &'static OpSet, seed: u64, budget: u32) -> usize {
    let bytes = Aligned::new(artifact);
    let model = Model::parse(&bytes).unwrap();
    lifetimes_of(&model, |lifetimes| {
        let arena = |garbage: u8| Aligned::new(&vec![garbage; model.arena_bytes()]);
        let mut first = arena(0);
        let mut engine = Engine::new(&model, ops, &mut first).unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        fill_inputs(&mut engine, &mut rng);
        engine.run().unwrap();
        let end = engine.end();
        engine.resume(&end).unwrap();
        let before = keep(&mut engine, lifetimes, None);
        engine.restart();
        fill_inputs(&mut engine, &mut rng);
        let most = engine.most_live(lifetimes).unwrap();
        // The end of the inference before, then what is new at some positions; and the whole at all of them.
        let mut points = vec![before, keep(&mut engine, lifetimes, Some(&end))];
        let mut wholes = vec![keep(&mut engine, lifetimes, None)];
        let mut since = engine.position();
        while engine.step(budget).unwrap() == Progress::More {
            let is_kept = rng.u8(..4) > 0;
            let whole = keep(&mut engine, lifetimes, None);
            assert!(whole.bytes.len() <= most, "{} bytes count, {most} at most", whole.bytes.len());
            wholes.push(whole);
            if is_kept {
                points.push(keep(&mut engine, lifetimes, Some(&since)));
                since = engine.position();
            }
        }
        let wanted = outputs(&engine);
        let after = rng.clone();
        fill_inputs(&mut engine, &mut rng);
        engine.run().unwrap();
        let wanted = [wanted, outputs(&engine)];

        let logs = (2..=points.len()).map(|count| points[..count].iter().collect::<Vec<_>>());
        let mut count = 0;
        for kept in logs.chain(wholes.iter().map(|whole| vec![whole])) {
            let mut second = arena(rng.u8(..));
            let mut engine = Engine::new(&model, ops, &mut second).unwrap();
            resume(&mut engine, lifetimes, &kept);
            while engine.step(rng.u32(1..5)).unwrap() == Progress::More {}
            let first = outputs(&engine);
            fill_inputs(&mut engine, &mut after.clone());
            engine.run().unwrap();
            assert_eq!([first, outputs(&engine)], wanted, "cut at {:?}", kept[kept.len() - 1].position);
            count += 1;
        }
        count
    })
}

fn emitted(artifact: &Artifact) -> Vec<u8> {
    artifact.emit().unwrap()
}

fn config(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 100 * cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn chains_by_rows_resume(choices in proptest::collection::vec(any::<u8>(), 40..300), seed: u64, budget in 1u32..6) {
        let chain = random::row_chain(&mut Unstructured::new(&choices)).unwrap();
        cut_everywhere(&emitted(&chain), &OPS, seed, budget);
        cut_everywhere(&emitted(&random::whole(&chain)), &OPS, seed, budget);
    }

    #[test]
    fn artifacts_with_states_resume(choices in proptest::collection::vec(any::<u8>(), 0..400), seed: u64, budget in 1u32..6) {
        let artifact = random::artifact(&mut Unstructured::new(&choices)).unwrap();
        cut_everywhere(&emitted(&artifact), &OPS, seed, budget);
    }

    /// Whatever words: an error, or a position from which the inference ends.
    #[test]
    fn a_position_is_refused_or_leads_to_the_end(
        choices in proptest::collection::vec(any::<u8>(), 40..300),
        words in proptest::collection::vec(prop_oneof![0u32..6, 0u32..20, any::<u32>()], 0..20),
        rows: bool,
    ) {
        let mut choices = Unstructured::new(&choices);
        let artifact = if rows { random::row_chain(&mut choices) } else { random::artifact(&mut choices) }.unwrap();
        let bytes = Aligned::new(&emitted(&artifact));
        let model = Model::parse(&bytes).unwrap();
        let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
        let mut engine = Engine::new(&model, &OPS, &mut arena).unwrap();
        let Some(position) = Position::from_words(&words) else { return Ok(()) };
        let (again, count) = position.to_words();
        prop_assert_eq!(Position::from_words(&again[..count]), Some(position));
        match engine.resume(&position) {
            Ok(()) => {
                prop_assert_eq!(engine.position(), position);
                lifetimes_of(&model, |lifetimes| {
                    keep(&mut engine, lifetimes, None);
                });
                while engine.step(1).unwrap() == Progress::More {}
            }
            Err(error) => {
                prop_assert_eq!(error, EngineError::Position);
                prop_assert_eq!(engine.position(), Position::START);
            }
        }
    }
}
