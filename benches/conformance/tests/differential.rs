//! Random layers: every table of this machine against the reference, in every bit. With TANBO_SOAK set a hundred times as many.

use tanbo::{Engine, Family, Model};
use tanbo_conformance::generated::RandomCase;
use tanbo_format::emit::Aligned;

#[test]
fn every_table_equals_the_reference_on_random_layers() {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 60_000 } else { 600 };
    let families: Vec<Family> = tanbo::families().filter(|&family| family != Family::Portable).collect();
    let mut packed = vec![0u32; families.len()];
    for number in 0..cases {
        let case = RandomCase::new(number).unwrap_or_else(|message| panic!("case {number}: {message}"));
        for (&family, packed) in families.iter().zip(&mut packed) {
            *packed += run(&case, family, number);
        }
    }
    for (family, packed) in families.iter().zip(packed) {
        println!("table={} cases={cases} packed={packed}", family.name());
        assert!(u64::from(packed) > cases / 2, "{}: hardly anything is packed", family.name());
    }
}

/// Steps large enough to be shared: the same bits with any number of threads.
#[test]
fn threads_change_no_bit() {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 200 } else { 12 };
    for number in 0..cases {
        let case = RandomCase::large(number).unwrap_or_else(|message| panic!("case {number}: {message}"));
        for family in tanbo::families() {
            let artifact = Aligned::new(&case.artifact);
            let portable = Model::parse(&artifact).expect("it was just written");
            let artifact = Aligned::new(&tanbo::pack::repack(&portable, family).expect("it can be packed"));
            let ops = tanbo::table(family).expect("it is one of this machine's families");
            let model = ops.parse(&artifact).expect("it was just written");
            let mut arena = Aligned::new(&vec![0xa5; model.arena_bytes()]);
            let mut engine = Engine::new(&model, ops, &mut arena).expect("the arena is as large as it says");
            // The reference kernels take their time, and share nothing.
            let threads = if family == Family::Portable { 2..3 } else { 1..6 };
            for threads in threads {
                engine.set_threads(threads);
                let input = engine.input_bytes_mut(0).expect("it has an input");
                input.copy_from_slice(&case.inputs[..input.len()]);
                engine.run().unwrap_or_else(|error| panic!("{}: {error}", case.name));
                let output = engine.output_bytes(0).expect("it has an output");
                assert!(
                    output == &case.expected[..output.len()],
                    "{}: {} threads on {}",
                    case.name,
                    threads,
                    family.name()
                );
            }
        }
    }
}

/// Runs a case, whole and in portions of rows; returns how many steps of it are packed.
fn run(case: &RandomCase, family: Family, number: u64) -> u32 {
    let name = format!("case {number} on {}: {}", family.name(), case.name);
    let artifact = Aligned::new(&case.artifact);
    let portable = Model::parse(&artifact).unwrap_or_else(|error| panic!("{name}: {error}"));
    let artifact = tanbo::pack::repack(&portable, family).unwrap_or_else(|error| panic!("{name}: {error}"));
    let artifact = Aligned::new(&artifact);
    let ops = tanbo::table(family).expect("it is one of this machine's families");
    let model = ops.parse(&artifact).unwrap_or_else(|error| panic!("{name}: {error}"));
    // What lies in the arena before must not matter.
    let mut arena = Aligned::new(&vec![0xa5; model.arena_bytes()]);
    let mut engine = Engine::new(&model, ops, &mut arena).unwrap_or_else(|error| panic!("{name}: {error}"));
    for budget in [u32::MAX, 1 + number as u32 % 3] {
        let length = engine.input_bytes_mut(0).expect("it has an input").len();
        let mut wanted = case.expected.as_slice();
        for input in case.inputs.chunks_exact(length) {
            engine.restart();
            engine.input_bytes_mut(0).expect("it has an input").copy_from_slice(input);
            while engine.step(budget).unwrap_or_else(|error| panic!("{name}: {error}")) == tanbo::Progress::More {}
            let output = engine.output_bytes(0).expect("it has an output");
            let (now, rest) = wanted.split_at(output.len());
            if let Some(at) = now.iter().zip(output).position(|(a, b)| a != b) {
                panic!("{name}: budget {budget}: output {at} is {}, not {}", output[at] as i8, now[at] as i8);
            }
            wanted = rest;
        }
    }
    u32::from(model.step(0).expect("it has a step").variant != 0)
}
