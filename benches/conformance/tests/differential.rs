//! Random layers: every table of this machine against the reference, in every bit. With TANBO_SOAK set a hundred times as many.

use tanbo::{Engine, Family, Model};
use tanbo_conformance::differential::{bytes, compare};
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
            let is_packed = compare(&case, family, 1 + number as u32 % 3);
            *packed += u32::from(is_packed.unwrap_or_else(|message| panic!("case {number}: {message}")));
        }
    }
    for (family, packed) in families.iter().zip(packed) {
        println!("table={} cases={cases} packed={packed}", family.name());
        assert!(u64::from(packed) > cases / 2, "{}: hardly anything is packed", family.name());
    }
}

/// What `cargo fuzz` runs (`benches/fuzz`), on bytes of every kind.
#[test]
fn every_table_equals_the_reference_on_layers_from_bytes() {
    let cases = if std::env::var_os("TANBO_SOAK").is_some() { 20_000 } else { 400 };
    let mut random = fastrand::Rng::with_seed(4);
    let mut layers = 0;
    for number in 0..cases {
        let length = [0, 24, 300, 3000][number % 4];
        let data: Vec<u8> = match number % 3 {
            0 => (0..length).map(|_| random.u8(..)).collect(),
            1 => (0..length).map(|at| if at < 24 { random.u8(..) } else { 0xff }).collect(),
            _ => {
                (0..length).map(|at| if at < 24 { random.u8(..) } else { [0, 0x80, 0xff][random.usize(..3)] }).collect()
            }
        };
        layers += usize::from(bytes(&data).unwrap_or_else(|message| panic!("case {number}: {message}")));
    }
    assert!(layers > cases / 2, "hardly any bytes make a layer: {layers}");
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
