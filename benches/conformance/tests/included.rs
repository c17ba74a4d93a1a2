//! Artifacts that are verified and decoded when a program is built compute what the same artifacts do when they are parsed:
//! every operator, in both roundings, with rings, states and inputs by rows.

use std::collections::BTreeSet;

use tanbo::included::Included;
use tanbo::{Engine, Model, Op, OpSet, Plan, Progress, Reference};
use tanbo_format::emit::Aligned;

include!(concat!(env!("OUT_DIR"), "/included.rs"));

static REFERENCE: OpSet = OpSet::all::<Reference>();

/// Runs one inference, or gives the first input row by row where it comes so; in portions of `budget` rows.
fn infer<'m, P: Plan<'m>>(engine: &mut Engine<'m, '_, P>, inputs: &[u8], budget: u32) {
    let first = engine.plan().input(0).expect("an input");
    if first.ring_rows > 0 {
        let row = (first.elements / first.rows) as usize;
        let values: Vec<i8> = inputs.iter().map(|&byte| byte as i8).collect();
        for (number, row) in values.chunks_exact(row).enumerate() {
            let last = number + 1 == first.rows as usize;
            assert_eq!(engine.input_row(row), Ok(if last { Progress::Done } else { Progress::Input }));
        }
        return;
    }
    let mut rest = inputs;
    let mut index = 0;
    while let Ok(input) = engine.input_bytes_mut(index) {
        let (own, after) = rest.split_at(input.len());
        input.copy_from_slice(own);
        (rest, index) = (after, index + 1);
    }
    assert!(rest.is_empty());
    engine.restart();
    while engine.step(budget).expect("a step") != Progress::Done {}
}

#[test]
fn included_artifacts_compute_what_parsed_ones_do() {
    let (mut operators, mut states, mut rings, mut by_rows) = (BTreeSet::new(), 0, 0, 0);
    for &(name, included, artifact, inputs) in CASES {
        let artifact = Aligned::new(artifact);
        let model = Model::parse(&artifact).unwrap_or_else(|error| panic!("{name}: {error}"));
        let needed = model.arena_bytes();
        assert_eq!(included.arena_bytes as usize, needed, "{name}");
        let (mut parsed_arena, mut included_arena) =
            (Aligned::new(&vec![0xAA; needed]), Aligned::new(&vec![0xAA; needed]));
        let mut parsed = Engine::new(&model, &REFERENCE, &mut parsed_arena).expect("the arena fits");
        let mut static_ = Engine::included(included, &mut included_arena).expect("the arena fits");
        assert_eq!(static_.table_name(), "reference", "{name}");
        let bytes: usize =
            model.inputs().iter().filter_map(|&input| model.tensor(input)).map(|tensor| tensor.bytes()).sum();
        for budget in [u32::MAX, 1, 3] {
            parsed.reset();
            static_.reset();
            for inputs in inputs.chunks_exact(bytes) {
                infer(&mut parsed, inputs, budget);
                infer(&mut static_, inputs, budget);
                for output in 0..model.outputs().len() {
                    assert!(static_.output_bytes(output) == parsed.output_bytes(output), "{name}, budget {budget}");
                }
            }
        }
        // States, rings and all that was in between.
        assert!(parsed_arena[..] == included_arena[..], "{name}");

        operators.extend((0..model.step_count() as u16).filter_map(|step| model.step(step)).map(|step| step.op.name()));
        states += usize::from(!included.states.is_empty());
        rings += usize::from(included.chains.iter().any(|chain| chain.schedule.is_some()));
        by_rows += usize::from(included.inputs.iter().any(|input| input.ring_rows > 0));
    }
    assert_eq!(operators, Op::ALL.iter().map(|op| op.name()).collect(), "an operator without a case");
    assert!(states > 3 && rings > 5 && by_rows > 2, "{} cases: {states} {rings} {by_rows}", CASES.len());
    println!("{} cases, {states} with states, {rings} with schedules, {by_rows} by rows", CASES.len());
}
