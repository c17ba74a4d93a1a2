//! Chains and rings change no bit: an artifact whose steps run row by row gives the outputs of the one with whole tensors,
//! in an arena that is never larger.

#[path = "../../../runtime/format/tests/random/mod.rs"]
mod random;

use arbitrary::Unstructured;
use tanbo::{ElementType, Engine, Family, Model, Op, Progress};
use tanbo_compiler::fuse::{Fusing, fuse, lay_out, write_in_place};
use tanbo_format::emit::{Aligned, Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_quant::Rounding;

fn model_inputs(artifact: &Artifact, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let bytes = |&input: &u16| {
        let tensor = &artifact.tensors[usize::from(input)];
        tensor.shape.iter().product::<u32>() as usize * tensor.ty.bytes()
    };
    artifact.inputs.iter().map(|input| (0..bytes(input)).map(|_| rng.u8(..)).collect()).collect()
}

/// Returns the outputs of two inferences, in portions of `budget` rows; the first input row by row where it is asked for so.
fn outputs(artifact: &Artifact, inputs: &[Vec<u8>], budget: u32) -> (usize, Vec<Vec<u8>>) {
    let bytes = Aligned::new(&artifact.emit().expect("the planner made an artifact"));
    let model = Model::parse(&bytes).expect("it was parsed when it was made");
    let mut arena = Aligned::new(&vec![0xa5; model.arena_bytes()]);
    let mut engine = Engine::new(&model, tanbo::table_or_reference(Family::Portable), &mut arena).expect("an arena");
    let by_rows = model.inputs().first().and_then(|&input| model.tensor(input)).filter(|tensor| {
        let storage = &artifact.storages[usize::from(tensor.storage)];
        matches!(storage, StorageSpec::Arena { ring_rows: 1.., .. })
    });
    let mut outputs = Vec::new();
    for _ in 0..2 {
        for (index, input) in inputs.iter().enumerate().skip(usize::from(by_rows.is_some())) {
            engine.input_bytes_mut(index).expect("an input").copy_from_slice(input);
        }
        match &by_rows {
            Some(tensor) => {
                let rows = inputs[0].chunks_exact(inputs[0].len() / tensor.rows() as usize);
                for (row, values) in rows.enumerate() {
                    let progress = engine.input_row(bytemuck::cast_slice(values)).expect("a row");
                    let last = row + 1 == tensor.rows() as usize;
                    assert_eq!(progress, if last { Progress::Done } else { Progress::Input });
                }
            }
            None => while engine.step(budget).expect("it runs") == Progress::More {},
        }
        outputs.extend((0..model.outputs().len()).map(|index| engine.output_bytes(index).expect("an output").to_vec()));
    }
    (model.arena_bytes(), outputs)
}

#[test]
fn rows_give_the_bits_of_whole_tensors() {
    let soak = std::env::var_os("TANBO_SOAK").is_some();
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut fused, mut fed) = (0, 0);
    let mut overwriting = std::collections::BTreeMap::new();
    for round in 0..if soak { 50_000 } else { 1_500 } {
        let choices: Vec<u8> = (0..400).map(|_| rng.u8(..)).collect();
        let choices = &mut Unstructured::new(&choices);
        let made = if round % 2 == 0 { random::row_chain(choices) } else { random::artifact(choices) };
        let whole = random::whole(&made.expect("any choices make an artifact"));
        let inputs = model_inputs(&whole, round);
        let (whole_bytes, want) = outputs(&whole, &inputs, u32::MAX);
        let mut in_place = whole.clone();
        write_in_place(&mut in_place, true);
        lay_out(&mut in_place).expect("a small arena");
        for step in &in_place.steps {
            let storage = |tensor: &u16| in_place.tensors[usize::from(*tensor)].storage;
            if step.inputs.iter().any(|input| storage(input) == storage(&step.output)) {
                *overwriting.entry(step.op.name()).or_insert(0) += 1;
            }
        }
        assert_eq!(outputs(&in_place, &inputs, u32::MAX).1, want, "round {round}, in place");
        for arena_bytes in [None, Some(0), Some(300), Some(4096)] {
            let by_rows = fuse(whole.clone(), Fusing { arena_bytes, input_by_rows: false }).expect("a plan");
            fused += usize::from(by_rows.chains.iter().any(|&steps| steps > 1));
            let (bytes, got) = outputs(&by_rows, &inputs, [u32::MAX, 1, 3][round as usize % 3]);
            assert_eq!(got, want, "round {round}");
            assert!(
                bytes <= whole_bytes.max(arena_bytes.unwrap_or(0) as usize),
                "round {round}: {bytes} bytes, {whole_bytes} before"
            );
        }
        // Not every first input can be given by rows: then there is no plan, and an error says so.
        if let Ok(by_rows) = fuse(whole.clone(), Fusing { arena_bytes: Some(0), input_by_rows: true }) {
            fed += 1;
            assert_eq!(outputs(&by_rows, &inputs, u32::MAX).1, want, "round {round}, input by rows");
        }
    }
    println!("{fused} plans with chains, {fed} with the input by rows");
    println!("steps that write where they read: {overwriting:?}");
    assert!(fused > 500 && fed > 100, "{fused} {fed}");
    assert!(overwriting.len() >= 3 && overwriting.values().all(|&count| count > 10), "{overwriting:?}");
}

/// A network of residual blocks under construction.
struct Residual {
    artifact: Artifact,
    rng: fastrand::Rng,
}

impl Residual {
    fn tensor(&mut self, shape: [u32; 4]) -> u16 {
        let bytes = shape.iter().product();
        self.artifact.storages.push(StorageSpec::Arena { offset: 0, bytes, ring_rows: 0, chains: (0, 0) });
        let number = self.artifact.tensors.len() as u16;
        self.artifact.tensors.push(TensorSpec {
            name: String::new(),
            ty: ElementType::I8,
            shape: shape.to_vec(),
            scale: 1.0,
            zero_point: 0,
            storage: number,
        });
        number
    }

    fn step(&mut self, op: Op, inputs: Vec<u16>, shape: [u32; 4], attrs: Vec<i32>, consts: Vec<ConstData>) -> u16 {
        let output = self.tensor(shape);
        let rounding = Rounding::Tflite;
        let (states, scratch) = (Vec::new(), None);
        self.artifact.steps.push(StepSpec { op, variant: 0, rounding, inputs, states, output, consts, attrs, scratch });
        self.artifact.chains.push(1);
        output
    }

    fn shape(&self, tensor: u16) -> [u32; 4] {
        self.artifact.tensors[usize::from(tensor)].shape.clone().try_into().expect("an image")
    }

    fn conv(&mut self, x: u16, kernel: i32, stride: i32, channels: u32) -> u16 {
        let [_, height, width, inputs] = self.shape(x);
        let (stride_rows, pad) = (stride as u32, kernel / 2);
        let attrs = vec![kernel, kernel, stride, stride, 1, 1, pad, pad, 3, -2, -128, 127, 1];
        let weights = (0..kernel as u32 * kernel as u32 * inputs * channels).map(|_| self.rng.i8(-40..40)).collect();
        let consts = vec![
            ConstData::I8(weights),
            ConstData::I32((0..channels).map(|_| self.rng.i32(-500..500)).collect()),
            ConstData::I32(vec![0x5000_0000]),
            ConstData::I8(vec![-6]),
        ];
        let shape = [1, height.div_ceil(stride_rows), width.div_ceil(stride_rows), channels];
        self.step(Op::Conv2d, vec![x], shape, attrs, consts)
    }

    fn add(&mut self, x1: u16, x2: u16) -> u16 {
        let half = [1 << 30, 0];
        let attrs = [vec![1, -1, 2, 18], [half, half, [1 << 30, -16]].concat(), vec![-128, 127]].concat();
        let shape = self.shape(x1);
        self.step(Op::Add, vec![x1, x2], shape, attrs, Vec::new())
    }
}

/// Returns blocks of convolutions whose input comes back by an addition, directly or through a convolution.
fn residual(seed: u64) -> Artifact {
    let artifact = Artifact {
        family: Family::Portable,
        storages: Vec::new(),
        tensors: Vec::new(),
        steps: Vec::new(),
        chains: Vec::new(),
        inputs: vec![0],
        outputs: Vec::new(),
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
    };
    let mut net = Residual { artifact, rng: fastrand::Rng::with_seed(seed) };
    let size = [net.rng.u32(3..20), net.rng.u32(1..9)];
    let mut x = net.tensor([1, size[0], size[1], 3]);
    for _ in 0..net.rng.u32(1..4) {
        let channels = net.rng.u32(1..6);
        let (stride, kernel) = (net.rng.i32(1..3), [1, 3, 5][net.rng.usize(0..3)]);
        x = net.conv(x, 3, 1, channels);
        let a = net.conv(x, kernel, stride, channels);
        let a = net.conv(a, 3, 1, channels);
        let b = if stride > 1 || net.rng.bool() { net.conv(x, 1, stride, channels) } else { x };
        x = if net.rng.bool() { net.add(a, b) } else { net.add(b, a) };
    }
    net.artifact.outputs = vec![x];
    lay_out(&mut net.artifact).expect("a few bytes");
    net.artifact
}

#[test]
fn branches_give_the_bits_of_whole_tensors() {
    let soak = std::env::var_os("TANBO_SOAK").is_some();
    let (mut in_place, mut saved) = (0, 0);
    for seed in 0..if soak { 20_000 } else { 300 } {
        let whole = residual(seed);
        let inputs = model_inputs(&whole, seed);
        let (whole_bytes, want) = outputs(&whole, &inputs, u32::MAX);
        let plans =
            [(None, false), (Some(0), false), (Some(400), false), (Some(2000), false), (None, true), (Some(0), true)];
        for (arena_bytes, input_by_rows) in plans {
            let Ok(fused) = fuse(whole.clone(), Fusing { arena_bytes, input_by_rows }) else { continue };
            let (bytes, got) = outputs(&fused, &inputs, [u32::MAX, 1, 2][seed as usize % 3]);
            assert_eq!(got, want, "seed {seed}, {arena_bytes:?} bytes");
            in_place += usize::from(fused.storages.len() < whole.storages.len());
            saved += whole_bytes.saturating_sub(bytes);
        }
    }
    println!("{in_place} plans with sums in place, {saved} bytes saved");
    assert!(in_place > 300 && saved > 100_000, "{in_place} {saved}");
}
