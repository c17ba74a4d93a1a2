//! Sets that are made at run time for a kernel family: every case packed for it, and shapes of every length.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use arbitrary::Unstructured;
use fastrand::Rng;
use tanbo::pack::{PackedStep, PortableStep, pack_step, packings, repack_with};
use tanbo::{ElementType, Engine, Family, Model, OpSet, Reference};
use tanbo_format::Op;
use tanbo_format::emit::{Aligned, Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_quant::Rounding;

use crate::FULL;
use crate::draw::Draw;
use crate::pack::Pack;
use crate::pack_writer::{Entry, write};
use crate::suite::{run_bytes, set_inputs};
use crate::values::Values;

static REFERENCE: OpSet = OpSet::all::<Reference>();

/// Returns the full set with every step packed for `family` that can be.
///
/// # Errors
/// A case that cannot be packed, with its name.
pub fn packed(family: Family) -> Result<Vec<u8>, String> {
    let mut entries = Vec::new();
    for case in Pack::parse(FULL).map_err(|error| format!("{error}"))?.cases() {
        let case = case.map_err(|error| format!("{error}"))?;
        let (inputs, expected) = (case.inputs.to_vec(), case.expected.to_vec());
        let artifact = for_family(case.name, case.artifact, family, pack_step)?;
        entries.push(Entry { name: case.name.into(), artifact, inputs, expected });
    }
    write(&entries.iter().collect::<Vec<_>>()).ok_or_else(|| "more than 4 GiB of cases".into())
}

/// Returns convolutions, depthwise convolutions and matrix products of every number of channels, outputs and columns up to
/// a little more than twice any kernel's tile, extremes first, packed for `family`, and [`Values`] of every length. The reference
/// kernels say what is expected.
///
/// # Errors
/// A case that cannot be packed or run, with its name.
pub fn lengths(family: Family) -> Result<Vec<u8>, String> {
    let usual = layers();
    let mut entries = usual
        .iter()
        .enumerate()
        .map(|(number, layer)| layer.numbered(number as u64, family, pack_step))
        .collect::<Result<Vec<_>, _>>()?;
    for (number, layer) in square_windows().iter().enumerate() {
        entries.push(layer.numbered((usual.len() + number) as u64, family, last_packing)?);
    }
    for (number, step) in Values::all().iter().enumerate() {
        let mut random = Rng::with_seed(number as u64 + 1);
        let artifact = step.artifact(&mut random);
        entries.push(entry(step.name(), &artifact, step.inputs(&mut random), family, pack_step)?);
    }
    write(&entries.iter().collect::<Vec<_>>()).ok_or_else(|| "more than 4 GiB of cases".into())
}

/// The last packing that a family has for a step: one that is not taken unless it is asked for, if there is such a one.
fn last_packing(family: Family, step: PortableStep<'_>, x: &[u32], y: &[u32]) -> Option<PackedStep> {
    packings(family, step, x, y).pop()
}

/// How a step gets its packing.
type PackStep = fn(Family, PortableStep<'_>, &[u32], &[u32]) -> Option<PackedStep>;

/// A layer of any shape, with random weights, inputs and parameters, and what the reference kernels make of it.
#[derive(Clone, Debug)]
pub struct RandomCase {
    /// What to look at when it fails.
    pub name: String,
    /// In the portable packing.
    pub artifact: Vec<u8>,
    /// The input of one run after the other.
    pub inputs: Vec<u8>,
    /// The output of one run after the other.
    pub expected: Vec<u8>,
}

impl RandomCase {
    /// Returns the case with this number, the same everywhere.
    ///
    /// # Errors
    /// A case that the reference cannot run, with its name.
    pub fn new(number: u64) -> Result<Self, String> {
        let mut random = Rng::with_seed(number ^ 0x7461_6e62_6f00);
        if random.u32(0..5) == 0 {
            let step = Values::random(&mut random);
            let artifact = step.artifact(&mut random);
            return Self::portable(entry(
                step.name(),
                &artifact,
                step.inputs(&mut random),
                Family::Portable,
                pack_step,
            )?);
        }
        Self::of(&Layer::random(&mut random), number)
    }

    /// Returns the case that a fuzzer's bytes make, shape first, then parameters, weights and inputs; `None` for one that
    /// would take the reference too long.
    ///
    /// # Errors
    /// As [`RandomCase::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, String> {
        const MOST_MACS: u64 = 1 << 20;
        let mut source = Unstructured::new(bytes);
        if source.u32(0..5) == 4 {
            let step = Values::random(&mut source);
            let artifact = step.artifact(&mut source);
            let entry = entry(step.name(), &artifact, step.inputs(&mut source), Family::Portable, pack_step)?;
            return Self::portable(entry).map(Some);
        }
        let layer = Layer::random(&mut source);
        let outputs: u64 = layer.output.iter().map(|&length| u64::from(length)).product();
        if outputs * layer.terms() as u64 > MOST_MACS {
            return Ok(None);
        }
        let name = format!("{}/{layer:?}", layer.op.name());
        Self::portable(layer.entry(name, &mut source, Family::Portable, pack_step)?).map(Some)
    }

    /// Returns a case with millions of multiplications: what threads share.
    ///
    /// # Errors
    /// As [`RandomCase::new`].
    pub fn large(number: u64) -> Result<Self, String> {
        let mut random = Rng::with_seed(number ^ 0x6c61_7267_6500);
        let size = [random.u32(30..=70), random.u32(20..=60)];
        let stride = [random.i32(1..=2), random.i32(1..=2)];
        let taps = [1, 3, 5][random.index(3)];
        let (window, same) = (([taps, 3], stride), random.bool());
        let layer = if random.u32(0..4) == 0 {
            let channels = random.u32(200..=300);
            Layer::window(Op::DepthwiseConv2d, ([5, 5], [1, 1]), channels, channels, size, same, Fill::Random)
        } else {
            let channels = [random.u32(20..=40), random.u32(20..=70)];
            Layer::window(Op::Conv2d, window, channels[0], channels[1], size, same, Fill::Random)
        };
        Self::of(&layer, number)
    }

    fn of(layer: &Layer, number: u64) -> Result<Self, String> {
        Self::portable(layer.numbered(number, Family::Portable, pack_step)?)
    }

    fn portable(Entry { name, artifact, inputs, expected }: Entry) -> Result<Self, String> {
        Ok(Self { name, artifact, inputs, expected })
    }
}

fn for_family(name: &str, artifact: &[u8], family: Family, pack: PackStep) -> Result<Vec<u8>, String> {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).map_err(|error| format!("{name}: {error}"))?;
    repack_with(&model, family, pack).map_err(|error| format!("{name}: packed for {}: {error}", family.name()))
}

/// Values that a case is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// Weights of 127 and inputs of 127.
    High,
    /// Weights of -127 and inputs of -128.
    Low,
    /// Weights of -128 and inputs of -128.
    Lowest,
    /// Signs alternate at full range.
    Alternating,
    /// Anything.
    Random,
}

/// One step to be tested.
#[derive(Clone, Copy, Debug)]
struct Layer {
    op: Op,
    kernel: [i32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    /// Top and left.
    pad: [i32; 2],
    /// Height, width, channels.
    input: [u32; 3],
    output: [u32; 3],
    fill: Fill,
}

/// Longest run of channels, outputs or columns that is tested, in steps of one.
const LONGEST: u32 = 35;
/// Kernels, with strides.
const WINDOWS: [([i32; 2], [i32; 2]); 9] = [
    ([3, 3], [1, 1]),
    ([3, 3], [2, 2]),
    ([1, 3], [1, 1]),
    ([3, 1], [1, 1]),
    ([5, 5], [1, 1]),
    ([2, 2], [2, 2]),
    ([10, 4], [2, 2]),
    ([1, 1], [2, 2]),
    ([4, 2], [1, 2]),
];

fn layers() -> Vec<Layer> {
    let mut random = Rng::with_seed(20_261_127);
    let mut layers = Vec::new();
    for fill in [Fill::High, Fill::Low, Fill::Lowest, Fill::Alternating] {
        for (channels, outputs) in [(1, 1), (3, 5), (8, 8), (17, 6), (64, 9)] {
            layers.push(Layer::dense(channels, outputs, 2, fill));
            layers.push(Layer::pointwise(channels, outputs, 2, 3, fill));
            layers.push(Layer::window(Op::Conv2d, WINDOWS[0], channels, outputs, [4, 5], true, fill));
            layers.push(Layer::window(Op::DepthwiseConv2d, WINDOWS[0], channels, channels, [5, 6], true, fill));
            layers.push(Layer::window(Op::DepthwiseConv2d, WINDOWS[0], channels, channels * 2, [5, 6], true, fill));
        }
        layers.push(Layer::window(Op::Conv2d, WINDOWS[0], 16, 16, [5, 6], true, fill));
    }
    // Whole registers of channels: tiles of 3x3 taps, of every size.
    for length in 1..=9u32 {
        let (channels, outputs) = (16 * (1 + length % 3), 16 * (1 + length % 2));
        let same = length.is_multiple_of(2) || length < 3;
        layers.push(Layer::window(
            Op::Conv2d,
            WINDOWS[0],
            channels,
            outputs,
            [length, 10 - length],
            same,
            Fill::Random,
        ));
    }
    for length in 1..=LONGEST {
        let other = 1 + length * 7 % 13;
        layers.push(Layer::dense(length, other, 1, Fill::Random));
        layers.push(Layer::dense(other * 3, length, 1 + length % 3, Fill::Random));
        layers.push(Layer::pointwise(length, other, 1, 1 + length % 5, Fill::Random));
        layers.push(Layer::pointwise(other, length, 2, 1 + length % 4, Fill::Random));
        layers.push(Layer::pointwise(1 + length % 9, 1 + length % 7, 1, length, Fill::Random));
        for (number, window) in WINDOWS.into_iter().enumerate() {
            let number = number as u32;
            let same = (length + number).is_multiple_of(2);
            let few = 1 + (length + number) % 9;
            if (length + number).is_multiple_of(3) {
                layers.push(Layer::window(Op::Conv2d, window, few, other, [11, 1 + length % 12], same, Fill::Random));
                layers.push(Layer::window(Op::Conv2d, window, other, few, [3, length], same, Fill::Random));
                layers.push(Layer::window(Op::DepthwiseConv2d, window, few, few, [4, length], same, Fill::Random));
            }
            if (length + number).is_multiple_of(2) {
                let (height, width) = (1 + number % 6, 1 + (length + number) % 8);
                let size = [height, width];
                layers.push(Layer::window(Op::DepthwiseConv2d, window, length, length, size, same, Fill::Random));
            }
        }
    }
    for _ in 0..120 {
        let op = if random.bool() { Op::Conv2d } else { Op::DepthwiseConv2d };
        let channels = random.u32(1..=40);
        let outputs = if op == Op::Conv2d { random.u32(1..=24) } else { channels * random.u32(1..=2) };
        let kernel = [random.i32(1..=5), random.i32(1..=5)];
        let stride = [random.i32(1..=3), random.i32(1..=3)];
        let size = [random.u32(1..=9), random.u32(1..=12)];
        let mut layer = Layer::window(op, (kernel, stride), channels, outputs, size, random.bool(), Fill::Random);
        if random.u32(0..6) == 0 {
            layer.dilation = [random.i32(1..=2), random.i32(1..=2)];
        }
        layers.push(layer);
    }
    layers
}

/// Windows of 3×3 without strides over whole groups of channels, as packings of transformed weights take them: every height and width
/// up to more than two tiles, extremes first.
fn square_windows() -> Vec<Layer> {
    let layer = |channels, outputs, size, same, fill| {
        Layer::window(Op::Conv2d, WINDOWS[0], channels, outputs, size, same, fill)
    };
    let mut layers = Vec::new();
    for fill in [Fill::High, Fill::Low, Fill::Lowest, Fill::Alternating] {
        layers
            .extend([(8, 4, true), (16, 8, false), (24, 12, true)].map(|(n, m, same)| layer(n, m, [5, 6], same, fill)));
    }
    for width in 1..=10 {
        let channels = 8 * (1 + width % 3);
        layers.push(layer(channels, 4 * (1 + width % 2), [1 + width % 5, width], width % 2 == 0, Fill::Random));
        layers.push(layer(8, 4, [3 + width % 4, width + 2], width % 2 == 1, Fill::Random));
    }
    layers.push(layer(40, 20, [4, 4], true, Fill::Random));
    layers
}

impl Layer {
    /// Any operator, shape and window; channels up to what the widest kernels take at a time.
    fn random<R: Draw>(random: &mut R) -> Self {
        let fill = match random.u32(0..8) {
            0 => Fill::High,
            1 => Fill::Low,
            2 => Fill::Lowest,
            3 => Fill::Alternating,
            _ => Fill::Random,
        };
        let many = |random: &mut R| {
            let most = [9, 20, 70, 200][random.index(4)];
            random.u32(1..=most)
        };
        let (channels, outputs) = (many(random), many(random));
        if random.u32(0..5) == 0 {
            return Self::dense(channels, outputs, random.u32(1..=9), fill);
        }
        if random.u32(0..5) == 0 {
            let (channels, outputs) = (16 * random.u32(1..=5), 16 * random.u32(1..=3));
            let size = [random.u32(1..=14), random.u32(1..=30)];
            let mut layer = Self::window(Op::Conv2d, WINDOWS[0], channels, outputs, size, random.bool(), fill);
            layer.pad = layer.pad.map(|pad| pad + random.i32(0..=1));
            return layer;
        }
        let (op, outputs) = match random.u32(0..4) {
            0 => (Op::DepthwiseConv2d, channels * random.u32(1..=3)),
            1 => (Op::DepthwiseConv2d, channels),
            _ => (Op::Conv2d, outputs),
        };
        let taps = |random: &mut R| [1, 1, 3, 3, 2, 5, 7][random.index(7)];
        let kernel = [taps(random), taps(random)];
        let stride = [random.i32(1..=3), random.i32(1..=2)];
        let size = [random.u32(1..=9), random.u32(1..=14)];
        let mut layer = Self::window(op, (kernel, stride), channels, outputs, size, random.bool(), fill);
        if random.u32(0..5) == 0 {
            layer.dilation = [random.i32(1..=3), random.i32(1..=3)];
        }
        layer
    }

    /// A matrix product of `rows` rows.
    fn dense(inputs: u32, outputs: u32, rows: u32, fill: Fill) -> Self {
        let one = [1, 1];
        let (input, output) = ([1, rows, inputs], [1, rows, outputs]);
        Self { op: Op::FullyConnected, kernel: one, stride: one, dilation: one, pad: [0, 0], input, output, fill }
    }

    fn pointwise(channels: u32, outputs: u32, height: u32, width: u32, fill: Fill) -> Self {
        Self::window(Op::Conv2d, ([1, 1], [1, 1]), channels, outputs, [height, width], false, fill)
    }

    /// A window over an image of `size`; padded so that it keeps its size (`same`), or as little as it can be.
    fn window(
        op: Op,
        (kernel, stride): ([i32; 2], [i32; 2]),
        channels: u32,
        outputs: u32,
        size: [u32; 2],
        same: bool,
        fill: Fill,
    ) -> Self {
        let (mut pad, mut output) = ([0; 2], [1; 2]);
        for axis in 0..2 {
            let (length, taps, step) = (size[axis] as i32, kernel[axis], stride[axis]);
            output[axis] = if same { (length + step - 1) / step } else { (length - taps).max(0) / step + 1 };
            pad[axis] = ((output[axis] - 1) * step + taps - length).max(0) / 2;
        }
        Self {
            op,
            kernel,
            stride,
            dilation: [1, 1],
            pad,
            input: [size[0], size[1], channels],
            output: [output[0] as u32, output[1] as u32, outputs],
            fill,
        }
    }

    fn terms(&self) -> usize {
        let taps = (self.kernel[0] * self.kernel[1]) as usize;
        if self.op == Op::DepthwiseConv2d { taps } else { taps * self.input[2] as usize }
    }

    /// The same case for every family and on every machine.
    fn numbered(&self, number: u64, family: Family, pack: PackStep) -> Result<Entry, String> {
        let name = format!("{}/{number}_{self:?}", self.op.name());
        self.entry(name, &mut Rng::with_seed(number + 1), family, pack)
    }

    fn entry(&self, name: String, random: &mut impl Draw, family: Family, pack: PackStep) -> Result<Entry, String> {
        let artifact = self.artifact(random);
        entry(name, &artifact, self.inputs(random), family, pack)
    }

    /// Two runs: one at the extremes or all random, one random.
    fn inputs<R: Draw>(&self, random: &mut R) -> Vec<u8> {
        let length = self.input.iter().product::<u32>() as usize;
        let first = |at: usize, random: &mut R| match self.fill {
            Fill::High => 127,
            Fill::Low | Fill::Lowest => -128,
            Fill::Alternating => [127, -128][at % 2],
            Fill::Random => random.i8(..),
        };
        let mut bytes: Vec<u8> = (0..length).map(|at| first(at, random) as u8).collect();
        bytes.extend((0..length).map(|_| random.i8(..) as u8));
        bytes
    }

    fn artifact<R: Draw>(&self, random: &mut R) -> Artifact {
        let (terms, outputs) = (self.terms(), self.output[2] as usize);
        let extreme = self.fill != Fill::Random;
        // Small weights now and then: what a packing does with them differs.
        let most = [127, 127, 40, 8][random.index(4)];
        let weights = (0..terms * outputs).map(|at| match self.fill {
            Fill::High => 127,
            Fill::Low => -127,
            Fill::Lowest => -128,
            Fill::Alternating => [127, -127][at % 2],
            Fill::Random => random.i8(-most..=most),
        });
        let weights: Vec<i8> = weights.collect();
        let zero_point = |random: &mut R| match random.u32(0..4) {
            0 => -128,
            1 => 127,
            _ => random.i32(-128..=127),
        };
        let zero_points = [zero_point(random), zero_point(random)];
        let (low, high) =
            if random.u32(0..4) == 0 { (zero_points[1], random.i32(zero_points[1]..=127)) } else { (-128, 127) };
        // A sum of random products is about this large: results spread over the int8 range.
        let spread = 74.0 * 0.6 * f64::from(most) * (terms as f64).sqrt() * if extreme { 3.0 } else { 1.0 };
        let channels = if random.u32(0..5) == 0 { 1 } else { outputs };
        let multipliers = (0..channels).map(|_| {
            let shift = (100.0 / spread).log2().ceil() as i32 + random.i32(-1..=1);
            (random.i32(1 << 30..=i32::MAX), shift.clamp(-31, 0))
        });
        let (mut mantissas, mut shifts): (Vec<i32>, Vec<i8>) = multipliers.map(|(m, s)| (m, s as i8)).unzip();
        // The ends of what a multiplier can be.
        if !extreme && random.u32(0..6) == 0 {
            mantissas[0] = [0, 1 << 30, i32::MAX][random.index(3)];
            shifts[0] = [-31, -24, -16, -8, -1, 0, 1, 3][random.index(8)];
        }
        let bias = (0..outputs).map(|_| random.i32(-(spread as i32)..=spread as i32)).collect();
        let mut attrs = Vec::new();
        if self.op != Op::FullyConnected {
            attrs.extend([self.kernel, self.stride, self.dilation, self.pad].concat());
        }
        attrs.extend([zero_points[0], zero_points[1], low, high]);
        if self.op == Op::Conv2d {
            attrs.push(1);
        }
        let bytes = |image: [u32; 3]| image.iter().product::<u32>();
        let storage = |offset, image| StorageSpec::Arena { offset, bytes: bytes(image), ring_rows: 0, chains: (0, 0) };
        let tensor = |storage, image: [u32; 3]| TensorSpec {
            name: String::new(),
            ty: ElementType::I8,
            shape: [&[1], &image[..]].concat(),
            scale: 1.0,
            zero_point: 0,
            storage,
        };
        let storages = vec![storage(0, self.input), storage(bytes(self.input).next_multiple_of(4), self.output)];
        let consts =
            vec![ConstData::I8(weights), ConstData::I32(bias), ConstData::I32(mantissas), ConstData::I8(shifts)];
        let rounding = if random.bool() { Rounding::Single } else { Rounding::Tflite };
        one_step(self.op, rounding, storages, vec![tensor(0, self.input), tensor(1, self.output)], consts, attrs)
    }
}

/// Returns the case of an artifact with the bytes of its inputs, run after run, packed for `family`. The reference kernels say what
/// is expected.
fn entry(name: String, artifact: &Artifact, inputs: Vec<u8>, family: Family, pack: PackStep) -> Result<Entry, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let artifact = artifact.emit().map_err(|error| fail(&error))?;
    let aligned = Aligned::new(&artifact);
    let model = Model::parse(&aligned).map_err(|error| fail(&error))?;
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &REFERENCE, &mut arena).map_err(|error| fail(&error))?;
    let mut expected = Vec::new();
    for run in inputs.chunks_exact(run_bytes(&model)) {
        set_inputs(&mut engine, run).map_err(|error| format!("{name}: {error:?}"))?;
        engine.run().map_err(|error| fail(&error))?;
        expected.extend_from_slice(engine.output_bytes(0).map_err(|error| fail(&error))?);
    }
    let artifact = for_family(&name, &artifact, family, pack)?;
    Ok(Entry { name, artifact, inputs, expected })
}

/// Returns an artifact of one step, which reads all tensors but the last, its output.
pub(crate) fn one_step(
    op: Op,
    rounding: Rounding,
    storages: Vec<StorageSpec>,
    tensors: Vec<TensorSpec>,
    consts: Vec<ConstData>,
    attrs: Vec<i32>,
) -> Artifact {
    let output = tensors.len().saturating_sub(1) as u16;
    let inputs: Vec<u16> = (0..output).collect();
    Artifact {
        family: Family::Portable,
        storages,
        tensors,
        steps: vec![StepSpec {
            op,
            variant: 0,
            rounding,
            inputs: inputs.clone(),
            states: Vec::new(),
            output,
            consts,
            attrs,
            scratch: None,
        }],
        chains: vec![1],
        inputs,
        outputs: vec![output],
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
    }
}
