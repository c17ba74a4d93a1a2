//! Every runner of the table does jobs with hand-built artifacts: right outputs, counts, stacks, refusals.

use tanbo::{Aligned, Engine, Model, OpSet, Reference};
use tanbo_emulated::host::{Job, Report, Runner, RunnerError, run_job, run_jobs};
use tanbo_format::{
    ElementType, Family, Op,
    emit::{Artifact, ConstData, StepSpec, StorageSpec, TensorSpec},
};
use tanbo_quant::Rounding;

/// The byte stream `lcg`: s = 0x12345678; s = s·1664525 + 1013904223; byte = s >> 24.
fn lcg() -> impl Iterator<Item = u8> {
    let mut s = 0x1234_5678_u32;
    std::iter::repeat_with(move || {
        s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (s >> 24) as u8
    })
}

fn tensor(name: &str, shape: &[u32], storage: u16) -> TensorSpec {
    TensorSpec { name: name.into(), ty: ElementType::I8, shape: shape.into(), scale: 0.5, zero_point: 0, storage }
}

fn arena(offset: u32, bytes: u32, chains: (u16, u16)) -> StorageSpec {
    StorageSpec::Arena { offset, bytes, ring_rows: 0, chains }
}

/// One step that reverses bits: y = table[x].
fn reverser() -> Vec<u8> {
    Artifact {
        family: Family::Portable,
        source_macs: 0,
        hops: None,
        storages: vec![arena(0, 64, (0, 0)), arena(64, 64, (0, 0))],
        tensors: vec![tensor("x", &[1, 64], 0), tensor("y", &[1, 64], 1)],
        steps: vec![StepSpec {
            op: Op::Lut,
            variant: 0,
            rounding: Rounding::Single,
            inputs: vec![0],
            states: vec![],
            output: 1,
            consts: vec![ConstData::I8((0..=255_u8).map(|i| reversed(i.wrapping_sub(128)) as i8).collect())],
            attrs: vec![],
            scratch: None,
        }],
        chains: vec![1],
        inputs: vec![0],
        outputs: vec![1],
        front_end: vec![],
        card: String::new(),
        signature: vec![],
    }
    .emit()
    .expect("a valid artifact")
}

fn reversed(x: u8) -> u8 {
    x.reverse_bits()
}

/// A 3×3 convolution, a fully connected step and a requantize step, with random weights.
fn network() -> Vec<u8> {
    let mut weights = lcg().map(|b| (b as i8).max(-127));
    let mut take = |n: usize| ConstData::I8(weights.by_ref().take(n).collect());
    let conv = take(4 * 3 * 3 * 2);
    let dense = take(10 * 8 * 8 * 4);
    Artifact {
        family: Family::Portable,
        source_macs: 0,
        hops: None,
        storages: vec![arena(0, 128, (0, 0)), arena(128, 256, (0, 1)), arena(0, 10, (1, 2)), arena(12, 10, (2, 2))],
        tensors: vec![
            tensor("image", &[1, 8, 8, 2], 0),
            tensor("features", &[1, 8, 8, 4], 1),
            tensor("logits", &[1, 10], 2),
            tensor("scores", &[1, 10], 3),
        ],
        steps: vec![
            StepSpec {
                op: Op::Conv2d,
                variant: 0,
                rounding: Rounding::Single,
                inputs: vec![0],
                states: vec![],
                output: 1,
                consts: vec![
                    conv,
                    ConstData::I32(vec![-1000, 0, 1, 3000]),
                    ConstData::I32(vec![1 << 30, 0x5555_5555, 0x7fff_ffff, 0x4000_0001]),
                    ConstData::I8(vec![-7, -8, -8, -9]),
                ],
                attrs: vec![3, 3, 1, 1, 1, 1, 1, 1, -3, 5, -128, 127, 1],
                scratch: None,
            },
            StepSpec {
                op: Op::FullyConnected,
                variant: 0,
                rounding: Rounding::Tflite,
                inputs: vec![1],
                states: vec![],
                output: 2,
                consts: vec![
                    dense,
                    ConstData::I32((0..10).map(|i| i * 50).collect()),
                    ConstData::I32(vec![0x6000_0000]),
                    ConstData::I8(vec![-10]),
                ],
                attrs: vec![5, -1, -128, 127],
                scratch: None,
            },
            StepSpec {
                op: Op::Requantize,
                variant: 0,
                rounding: Rounding::Single,
                inputs: vec![2],
                states: vec![],
                output: 3,
                consts: vec![],
                attrs: vec![-1, 7, 0x7000_0000, 0, -100, 100],
                scratch: None,
            },
        ],
        chains: vec![1, 1, 1],
        inputs: vec![0],
        outputs: vec![3],
        front_end: vec![],
        card: String::new(),
        signature: vec![],
    }
    .emit()
    .expect("a valid artifact")
}

/// Output and digest of `artifact` on this machine.
fn on_this_machine(artifact: &[u8], input: &[u8]) -> (Vec<u8>, String) {
    static OPS: OpSet = OpSet::all::<Reference>();
    let bytes = tanbo_format::emit::Aligned::new(artifact);
    let model = Model::parse(&bytes).expect("a valid artifact");
    let mut arena = Aligned([0u8; 4096]);
    let mut engine = Engine::new(&model, &OPS, &mut arena.0).expect("an engine");
    engine.input_bytes_mut(0).expect("input").copy_from_slice(input);
    engine.run().expect("run");
    let output = engine.output_bytes(0).expect("output").to_vec();
    engine.input_bytes_mut(0).expect("input").copy_from_slice(input);
    let digest = tanbo_target::digest(&mut engine).expect("digest");
    (output, digest.iter().map(|b| format!("{b:02x}")).collect())
}

fn all_runners() -> Vec<Runner> {
    Runner::list().unwrap_or_else(|e| panic!("{e}"))
}

fn done(runner: &Runner, job: &Job) -> Report {
    run_job(runner, job).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_runner_reverses_bits() {
    let input: Vec<u8> = lcg().take(64).collect();
    let expected = [input.iter().map(|&x| reversed(x)).collect::<Vec<u8>>()];
    for runner in all_runners() {
        let report = done(&runner, &Job::new(reverser(), vec![input.clone()]));
        assert_eq!(report.outputs, expected, "{}", runner.name);
        assert_eq!(report.arena_bytes, 128, "{}", runner.name);
    }
}

#[test]
fn every_runner_computes_the_same_bits() {
    let input: Vec<u8> = lcg().take(128).collect();
    let (output, digest) = on_this_machine(&network(), &input);
    let expected = [output];
    for runner in all_runners() {
        let job = Job { runs: 3, steps: true, digest: true, ..Job::new(network(), vec![input.clone()]) };
        let report = done(&runner, &job);
        println!(
            "{} ({}, {}): {} instructions, {} bytes of stack, digest {}",
            runner.name,
            runner.target,
            report.table,
            report.instructions[1],
            report.stack_bytes,
            report.digest.as_deref().unwrap_or("none"),
        );
        assert_eq!(report.outputs, expected, "{}", runner.name);
        assert_eq!(report.digest.as_ref(), Some(&digest), "{}", runner.name);
        assert_eq!(report.arena_bytes, 384, "{}", runner.name);
        let [first, second, third] = report.instructions[..] else { panic!("{report:?}") };
        // The first run decodes the steps, and the later ones find them where the runner has room to keep them.
        assert!(first >= second && second == third, "{}: not deterministic: {:?}", runner.name, report.instructions);
        // 4,608 + 2,560 multiply-accumulates, each at least one instruction.
        assert!(second > 7168, "{}: {second} instructions", runner.name);
        let [conv, dense, requantize] = report.steps[..] else { panic!("{report:?}") };
        assert!(conv > 4608 && dense > 2560 && requantize > 10, "{}: {:?}", runner.name, report.steps);
        // What `run` does beside its three steps (it decodes chains and clears rows), less what counting each call adds.
        let outside = second as i64 - (conv + dense + requantize) as i64;
        println!("{}: {outside} instructions outside the steps", runner.name);
        assert!((-200..second as i64 / 20).contains(&outside), "{}: {outside} outside {:?}", runner.name, report.steps);
        assert!((200..16 << 10).contains(&report.stack_bytes), "{}: {} of stack", runner.name, report.stack_bytes);
    }
}

/// What is wrong with a job comes back as text, and the jobs after it are done.
#[test]
fn every_runner_refuses_with_a_reason_and_goes_on() {
    let input: Vec<u8> = lcg().take(64).collect();
    let good = Job::new(reverser(), vec![input.clone()]);
    let mut damaged = reverser();
    damaged[3] ^= 1;
    let jobs = [
        Job { steps: true, ..good.clone() },
        Job { artifact: damaged, ..good.clone() },
        Job { artifact: reverser()[..100].into(), ..good.clone() },
        Job { artifact: vec![], ..good.clone() },
        Job { inputs: vec![input[..63].into()], ..good.clone() },
        Job { inputs: vec![[&input[..], &[0]].concat()], ..good.clone() },
        Job { inputs: vec![], ..good.clone() },
        Job { artifact: vec![0; 80 << 20], ..good.clone() },
        good,
    ];
    let reasons = [
        None,
        Some("not a Tanbo artifact"),
        Some("length does not match"),
        Some("length does not match"),
        Some("input 0: 63 bytes, but the model takes 64"),
        Some("input 0: 65 bytes, but the model takes 64"),
        Some("0 inputs, but the model takes 1"),
        Some("7/artifact.tnb: 83886080 bytes, but"),
        None,
    ];
    let expected = [input.iter().map(|&x| reversed(x)).collect::<Vec<u8>>()];
    for runner in all_runners() {
        let reports = run_jobs(&runner, &jobs).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(reports.len(), jobs.len());
        for (n, (report, reason)) in reports.iter().zip(reasons).enumerate() {
            match (report, reason) {
                (Ok(report), None) => {
                    assert_eq!(report.outputs, expected, "{} job {n}", runner.name);
                    assert_eq!(report.instructions.len(), 2, "{} job {n}", runner.name);
                    assert_eq!(report.steps.len(), usize::from(n == 0), "{} job {n}", runner.name);
                }
                (Err(RunnerError::Refused { error, .. }), Some(reason)) => {
                    assert!(error.contains(reason), "{} job {n}: {error}", runner.name);
                }
                other => panic!("{} job {n}: {other:?}", runner.name),
            }
        }
    }
}

/// 16 KB of RAM: an artifact and its arena that do not fit are refused, by size.
#[test]
fn the_smallest_machine_says_what_does_not_fit() {
    let runner = Runner::by_name("microbit").unwrap_or_else(|e| panic!("{e}"));
    let mut big = network();
    big.resize(13 << 10, 0);
    let error = run_job(&runner, &Job::new(big, vec![vec![0; 128]])).expect_err("13 KB in 12 KB");
    assert!(error.to_string().contains("13312 bytes, but"), "{error}");
}

/// An image for one model holds that model's operators only.
#[test]
fn an_image_for_one_model_is_measured() {
    for name in ["m0", "m4", "rv32"] {
        let runner = Runner::by_name(name).unwrap_or_else(|e| panic!("{e}"));
        let family = Family::ALL.iter().find(|family| family.name() == runner.family).copied();
        let size = |artifact: &[u8]| {
            let size = runner.image_size(artifact).unwrap_or_else(|e| panic!("{e}")).expect("a bare machine");
            println!("{name}: {size:?}");
            size
        };
        let (small, large) = (size(&reverser()), size(&network()));
        assert!((512..large.flash_code_bytes).contains(&small.flash_code_bytes), "{name}: {small:?}, {large:?}");
        // The engine, start-up, and the kernels of four operators; without verifier and without records.
        assert!(large.flash_code_bytes < 8 << 10, "{name}: {large:?}");
        // The table of 256 bytes, and nothing else of the artifact; the constants of the network.
        assert_eq!(small.flash_artifact_bytes, 256, "{name}");
        assert!((2632..2784).contains(&large.flash_artifact_bytes), "{name}: {large:?}");

        // What the image computes is what the engine computes of the parsed artifact, with the core's packing too.
        let packed = {
            let bytes = tanbo_format::emit::Aligned::new(&network());
            let model = Model::parse(&bytes).expect("a valid artifact");
            tanbo::pack::repack(&model, family.expect("a family")).expect("a packing")
        };
        let (output, _) = on_this_machine(&network(), &[0; 128]);
        let expected = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&output);
        for artifact in [network(), packed] {
            let run = runner.image_run(&artifact).unwrap_or_else(|e| panic!("{e}"));
            let (stack, outputs) = run.expect("a bare machine");
            assert_eq!(outputs, expected, "{name}");
            assert!((200..1024).contains(&stack), "{name}: {stack} bytes of stack");
        }
    }
    let linux = Runner::by_name("a53").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(linux.image_size(&reverser()).unwrap_or_else(|e| panic!("{e}")), None);
}
