//! What is written reads back equal, and writes the same bytes again.

mod random;

use arbitrary::Unstructured;
use proptest::prelude::*;
use tanbo_format::emit::{Aligned, Artifact, content_hash};
use tanbo_format::{Model, Op};

fn config() -> ProptestConfig {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 100_000 } else { 1000 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn written_and_read_back(choices in proptest::collection::vec(any::<u8>(), 0..400)) {
        let artifact = random::artifact(&mut Unstructured::new(&choices)).unwrap();
        let bytes = Aligned::new(&artifact.emit().unwrap());
        let model = Model::parse(&bytes).unwrap();
        let read = Artifact::from_model(&model).unwrap();
        prop_assert_eq!(&read, &artifact);
        prop_assert_eq!(&read.emit().unwrap()[..], &bytes[..]);
        prop_assert_eq!(model.stated_hash(), &content_hash(&bytes));
    }
}

/// The property above means something only if the generator makes everything there is.
#[test]
fn the_generator_makes_every_operator_and_ring() {
    let (mut operators, mut rings, mut views, mut chained, mut states) = (0u64, 0, 0, 0, 0);
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..500 {
        let choices: Vec<u8> = (0..400).map(|_| rng.u8(..)).collect();
        let bytes = Aligned::new(&random::artifact(&mut Unstructured::new(&choices)).unwrap().emit().unwrap());
        let model = Model::parse(&bytes).unwrap();
        operators |= model.operators();
        let storages = (0..model.storage_count() as u16).filter_map(|s| model.storage(s));
        rings += storages.filter(|s| matches!(s, tanbo_format::Storage::Arena { ring_rows: 1.., .. })).count();
        states += (0..model.step_count() as u16)
            .filter_map(|step| model.tensor(model.step(step)?.output))
            .filter(|tensor| matches!(model.storage(tensor.storage), Some(tanbo_format::Storage::State { .. })))
            .count();
        views += (0..model.tensor_count() as u16).filter(|&t| model.tensor(t).unwrap().storage != t).count();
        chained += (0..model.chain_count() as u16).filter(|&c| model.chain(c).unwrap().len() > 1).count();
    }
    assert_eq!(operators, Op::ALL.iter().fold(0, |set, &op| set | 1 << op as u8));
    println!(
        "500 artifacts: {rings} rings, {views} views, {chained} chains of several steps, {states} writes to states"
    );
    assert!(rings > 200 && views > 50 && chained > 200 && states > 50);
}
