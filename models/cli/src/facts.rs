//! What can be told of an artifact: the document of `inspect` and `compile`.

use std::fmt::Write as _;
use std::mem::size_of;
use std::path::Path;

use serde::Serialize;
use tanbo_compiler::binding::Binding;
use tanbo_compiler::passes::{Report, Size};
use tanbo_compiler::stream::Streamed;
use tanbo_compiler::{packings, plan};
use tanbo_format::emit::content_hash;
use tanbo_format::record::{Extent, StepRecord};
use tanbo_format::{Constant, Family, Hops, Model, Op, Step, Storage, Tensor, attrs, packed_shape};
use tanbo_release::Release;

use crate::error::CliError;
use crate::memory::{self, StorageFacts};
use crate::output::{grouped, shape, table};
use crate::release::ReleaseFacts;
use crate::source::{Kind, Loaded};

/// Facts of one artifact.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// The file asked about.
    pub file: String,
    /// Its kind.
    pub kind: Kind,
    /// Kernel family that the constants are packed for.
    pub family: &'static str,
    /// SHA-256 that the artifact states.
    pub hash: String,
    /// Whether it is the hash of the bytes.
    pub hash_matches: bool,
    /// Multiply-accumulates that the plan executes, padding taps counted.
    pub macs: u64,
    /// The same in the source model, before passes.
    pub macs_source: u64,
    /// Of a streamed model, what it was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamed: Option<StreamFacts>,
    /// What each pass saved, of those that saved anything; not kept by an artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassFacts>,
    /// Weights and biases of convolutions and fully connected steps.
    pub weights_bytes: u64,
    /// The whole artifact.
    pub artifact_bytes: usize,
    /// Activations, rings and scratch, exactly.
    pub arena_bytes: usize,
    /// What is alive at once takes no less.
    pub arena_lower_bound: u32,
    /// No placement of what is alive has a smaller arena: proven, by the bound or by a search that came to its end.
    pub arena_is_least: bool,
    /// Of the arena, what is kept from one run to the next.
    pub state_bytes: usize,
    /// Inputs in model order.
    pub inputs: Vec<Port>,
    /// Outputs in model order.
    pub outputs: Vec<Port>,
    /// Operators that the engine must link.
    pub operators: Vec<&'static str>,
    /// Steps in the order of execution.
    pub steps: Vec<StepFacts>,
    /// What lies where in the arena.
    pub storages: Vec<StorageFacts>,
    /// Length of the front-end record; 0 for a model that takes tensors, not samples.
    pub front_end_bytes: usize,
    /// The model card.
    pub card: Option<String>,
    /// Whether there is a signature. It is not checked here: `verify` does.
    pub signature: bool,
    /// What the signature section says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseFacts>,
}

/// An input, an output or an intermediate tensor.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Name; empty for intermediate tensors, whose names an artifact does not keep.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Element type.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// real = scale * (q - zero_point).
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
}

/// What one pass saved.
#[derive(Clone, Debug, Serialize)]
pub struct PassFacts {
    /// Name of the pass, as `--without` takes it.
    pub name: &'static str,
    /// Multiply-accumulates, padding taps counted.
    pub macs: u64,
    /// Weights and biases, at a byte per weight.
    pub weights_bytes: u64,
    /// Steps.
    pub steps: u64,
    /// Output channels of convolutions and fully connected steps.
    pub channels: u64,
    /// Arena.
    pub arena_bytes: u64,
}

/// What a streamed model was made of. Its `macs` and `state_bytes` are those of a hop.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFacts {
    /// Rows of the input in a window.
    pub window_rows: u32,
    /// Rows of the input that a run takes in.
    pub hop_rows: u32,
    /// Multiply-accumulates that a whole window takes.
    pub window_macs: u64,
    /// Hops of random input over which streamed and windowed model were compared; not kept by an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proved_hops: Option<usize>,
    /// Nodes that every hop computes over the whole window; not kept by an artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub whole: Vec<WholeFacts>,
}

/// A node that a hop computes over the whole window.
#[derive(Clone, Debug, Serialize)]
pub struct WholeFacts {
    /// Name of the model's node.
    pub node: String,
    /// Why.
    pub reason: String,
    /// Multiply-accumulates.
    pub macs: u64,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct StepFacts {
    /// Operator.
    pub op: &'static str,
    /// Name of the model's node, where the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tensors read.
    pub inputs: Vec<Port>,
    /// Tensor written.
    pub output: Port,
    /// Multiply-accumulates, padding taps counted.
    pub macs: u64,
    /// Packing of the constants: portable, winograd, or that of the family.
    pub packing: &'static str,
    /// What the packing takes by its register plan, instructions; of steps that have packings, on bare cores. An estimate: measure with
    /// `bench --steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_instructions: Option<u64>,
    /// Weights and bias.
    pub weights_bytes: u64,
    /// All constants and the step's own records, as if no other step shared them.
    pub flash_bytes: u64,
    /// Arena bytes in use while the step runs, scratch included.
    pub live_bytes: u64,
    /// False of a step that runs in turns with the one before it, row by row.
    pub begins_chain: bool,
}

impl Port {
    fn of(binding: &Binding) -> Self {
        Self {
            name: binding.name.clone(),
            shape: binding.shape.clone(),
            ty: binding.ty.name(),
            scale: binding.scale,
            zero_point: binding.zero_point,
        }
    }

    fn of_tensor(tensor: &Tensor<'_>) -> Self {
        Self {
            name: tensor.name().to_string(),
            shape: tensor.shape.iter().map(|&axis| axis as usize).collect(),
            ty: tensor.ty.name(),
            scale: tensor.scale,
            zero_point: tensor.zero_point,
        }
    }
}

impl Facts {
    /// Returns the facts of what `file` holds or compiles to.
    ///
    /// # Errors
    /// An artifact that the verifier refuses.
    pub fn of(file: &Path, loaded: &Loaded) -> Result<Self, CliError> {
        let model = loaded.model()?;
        let too_large = || CliError::new(file.display(), "its storages exceed 4 GiB", "use smaller inputs");
        let placement = plan::place(&plan::demands(&model)).ok_or_else(too_large)?;
        let steps: Vec<StepFacts> = (0..model.step_count() as u16)
            .filter_map(|number| {
                let name = loaded.step_names.get(usize::from(number)).cloned();
                step_facts(&model, number, name)
            })
            .collect();
        let operators = Op::ALL.iter().filter(|&&op| model.operators() >> op as u8 & 1 == 1);
        Ok(Self {
            file: file.display().to_string(),
            kind: loaded.kind,
            family: model.family().name(),
            hash: hex(model.stated_hash()),
            hash_matches: content_hash(&loaded.artifact) == *model.stated_hash(),
            macs: steps.iter().map(|step| step.macs).sum(),
            macs_source: model.source_macs(),
            streamed: model.hops().map(|hops| stream_facts(hops, loaded.streamed.as_ref())),
            passes: loaded.report.as_ref().map(passes).unwrap_or_default(),
            weights_bytes: steps.iter().map(|step| step.weights_bytes).sum(),
            artifact_bytes: loaded.artifact.len(),
            arena_bytes: model.arena_bytes(),
            arena_lower_bound: placement.lower_bound,
            arena_is_least: placement.least && placement.arena_bytes as usize == model.arena_bytes(),
            state_bytes: state_bytes(&model),
            inputs: loaded.inputs.iter().map(Port::of).collect(),
            outputs: loaded.outputs.iter().map(Port::of).collect(),
            operators: operators.map(|op| op.name()).collect(),
            steps,
            storages: memory::storages(&model),
            front_end_bytes: model.front_end().len(),
            card: Some(model.card()).filter(|card| !card.is_empty()).map(String::from),
            signature: !model.signature().is_empty(),
            release: Release::read(model.signature()).ok().map(|(release, _)| ReleaseFacts::of(&release)),
        })
    }

    fn signature(&self) -> String {
        match &self.release {
            Some(ReleaseFacts { name, version, key }) => {
                format!("{name} version {version}, key {key}, not checked: `tanbo verify`")
            }
            None if self.signature => "of an unknown kind".into(),
            None => "no".into(),
        }
    }

    /// Returns the facts for people: a summary, the ports, the steps with the memory they need.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let yes = |flag: bool| if flag { "yes" } else { "no" };
        let hash = if self.hash_matches { "" } else { "  DOES NOT MATCH the bytes: damaged or changed" };
        let rows = [
            ("file", self.file.clone()),
            ("family", self.family.into()),
            ("hash", format!("{}{hash}", self.hash)),
            ("MACs", format!("{} (source model {})", grouped(self.macs), grouped(self.macs_source))),
            ("weights", format!("{} bytes", grouped(self.weights_bytes))),
            ("artifact", format!("{} bytes", grouped(self.artifact_bytes as u64))),
            ("arena", self.arena()),
            ("state", format!("{} bytes of the arena", grouped(self.state_bytes as u64))),
            ("operators", self.operators.join(", ")),
            ("front end", yes(self.front_end_bytes > 0).into()),
            ("card", yes(self.card.is_some()).into()),
            ("signature", self.signature()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "{name:<10}  {value}");
        }
        if let Some(streamed) = &self.streamed {
            text += &streamed.table(self.macs);
        }
        if !self.passes.is_empty() {
            let mut saved = vec![
                ["saved by", "MACs", "weight bytes", "steps", "channels", "arena bytes"].map(String::from).to_vec(),
            ];
            saved.extend(self.passes.iter().map(|pass| {
                let PassFacts { name, macs, weights_bytes, steps, channels, arena_bytes } = *pass;
                let numbers = [macs, weights_bytes, steps, channels, arena_bytes].map(grouped);
                [[name.into()].as_slice(), &numbers].concat()
            }));
            let _ = write!(text, "\n{}", table(&saved));
        }
        let mut ports = vec![["", "name", "shape", "type", "scale", "zero point"].map(String::from).to_vec()];
        for (kind, port) in self.inputs.iter().map(|p| ("input", p)).chain(self.outputs.iter().map(|p| ("output", p))) {
            ports.push(vec![
                kind.into(),
                port.name.clone(),
                shape(&port.shape),
                port.ty.into(),
                port.scale.to_string(),
                port.zero_point.to_string(),
            ]);
        }
        let _ = write!(text, "\n{}", table(&ports));

        let mut steps = vec![
            [
                "step",
                "operator",
                "output",
                "MACs",
                "packing",
                "instr. (est.)",
                "flash",
                "live",
                "live, bound |",
                "node",
            ]
            .map(String::from)
            .to_vec(),
        ];
        for (number, step) in self.steps.iter().enumerate() {
            steps.push(vec![
                number.to_string(),
                step.op.into(),
                shape(&step.output.shape),
                grouped(step.macs),
                step.packing.into(),
                step.estimated_instructions.map(grouped).unwrap_or_default(),
                grouped(step.flash_bytes),
                grouped(step.live_bytes),
                bar(step.live_bytes, self.arena_bytes as u64, self.arena_lower_bound.into()),
                shortened(step.name.as_deref().unwrap_or_default()),
            ]);
        }
        let _ = write!(text, "\n{}", table(&steps));
        text
    }
}

impl Facts {
    /// Returns the arena, and how near it is to the least there can be.
    fn arena(&self) -> String {
        let (arena, bound) = (self.arena_bytes as u64, u64::from(self.arena_lower_bound));
        let gap = (arena as f64 - bound as f64) * 100.0 / bound.max(1) as f64;
        let proof = match (arena == bound, self.arena_is_least) {
            (true, _) => "the least there is: as much is alive at once".into(),
            (_, true) => format!("the least there is; {} are alive at once", grouped(bound)),
            _ => format!("{gap:.1} % above the lower bound of {}", grouped(bound)),
        };
        format!("{} bytes, {proof}", grouped(arena))
    }
}

impl StreamFacts {
    /// Returns the facts for people.
    fn table(&self, macs: u64) -> String {
        let Self { window_rows, hop_rows, window_macs, .. } = *self;
        let share = macs as f64 / window_macs.max(1) as f64;
        let mut text = format!(
            "streamed    by hops of {hop_rows} of {window_rows} rows: {share:.3} of the window's {} MACs",
            grouped(window_macs)
        );
        if let Some(hops) = self.proved_hops {
            let _ = write!(text, "; equal in every bit over {hops} hops of random input");
        }
        text.push('\n');
        for WholeFacts { node, reason, macs } in &self.whole {
            let _ =
                writeln!(text, "            whole window: '{}', {} MACs: {reason}", shortened(node), grouped(*macs));
        }
        text
    }
}

fn stream_facts(hops: Hops, streamed: Option<&Streamed>) -> StreamFacts {
    let Hops { window_rows, hop_rows, window_macs } = hops;
    let whole = streamed.map(|streamed| streamed.whole.as_slice()).unwrap_or_default().iter();
    let whole = whole.map(|one| WholeFacts { node: one.node.clone(), reason: one.reason.clone(), macs: one.macs });
    let proved_hops = streamed.map(|streamed| streamed.proved_hops);
    StreamFacts { window_rows, hop_rows, window_macs, proved_hops, whole: whole.collect() }
}

fn passes(report: &Report) -> Vec<PassFacts> {
    let saved = report.saved.iter().filter(|(_, size)| *size != Size::default());
    let facts = saved.map(|&(pass, Size { macs, weights_bytes, steps, channels, arena_bytes })| PassFacts {
        name: pass.name(),
        macs,
        weights_bytes,
        steps,
        channels,
        arena_bytes,
    });
    facts.collect()
}

/// Returns a bar of at most 20 characters, the share `part / whole`, and a mark at the share `bound / whole` if the bar does not
/// reach it.
fn bar(part: u64, whole: u64, bound: u64) -> String {
    let length = |bytes: u64| ((bytes.min(whole) * 20).div_ceil(whole.max(1))) as usize;
    let (filled, mark) = (length(part), length(bound));
    let rest = if filled < mark { format!("{}|", " ".repeat(mark - filled - 1)) } else { String::new() };
    format!("{}{rest}", "#".repeat(filled))
}

/// Returns the end of a long name, where converters put what tells it from others.
pub fn shortened(name: &str) -> String {
    const MOST: usize = 48;
    let surplus = name.chars().count().saturating_sub(MOST);
    if surplus == 0 { name.into() } else { format!("...{}", name.chars().skip(surplus + 3).collect::<String>()) }
}

/// Returns bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn step_facts(model: &Model<'_>, number: u16, name: Option<String>) -> Option<StepFacts> {
    let step = model.step(number)?;
    let output = model.tensor(step.output)?;
    let constants: u64 = (0..step.op.consts().len())
        .filter_map(|index| step.constant(index))
        .map(|constant| constant.i8().map_or(0, <[i8]>::len) + constant.i32().map_or(0, |words| 4 * words.len()))
        .map(|bytes| bytes as u64)
        .sum();
    let records = size_of::<StepRecord>()
        + 4 * step.attrs.len()
        + 2 * (step.inputs.len() + step.states.len() + 1)
        + size_of::<Extent>() * step.op.consts().len();
    Some(StepFacts {
        op: step.op.name(),
        name,
        inputs: step.inputs.iter().filter_map(|&n| model.tensor(n)).map(|t| Port::of_tensor(&t)).collect(),
        output: Port::of_tensor(&output),
        macs: macs(model, &step, &output),
        packing: packings::name(step.variant, model.family()),
        estimated_instructions: estimate(model, &step),
        weights_bytes: weights_bytes(&step),
        flash_bytes: constants + records as u64,
        live_bytes: live_bytes(model, number),
        begins_chain: chain_of(model, number).and_then(|chain| model.chain(chain)).is_some_and(|c| c.start == number),
    })
}

/// Returns the estimated instructions of a step for the families whose plans are known; a step alone in its chain works on many rows.
fn estimate(model: &Model<'_>, step: &Step<'_>) -> Option<u64> {
    let (kind, shape) = packed_shape(model, step).filter(|_| model.family() == Family::Dsp || step.variant == 0)?;
    Some(packings::estimate(model.family(), step.variant, kind, &shape))
}

/// Returns the multiply-accumulates of a step, padding taps counted.
fn macs(model: &Model<'_>, step: &Step<'_>, output: &Tensor<'_>) -> u64 {
    let outputs = output.elements() as u64;
    let Some(input) = step.inputs.first().and_then(|&n| model.tensor(n)) else { return 0 };
    let channels = u64::from(input.shape.last().copied().unwrap_or(1));
    let length = |index: usize| step.constant(index).map_or(0, Constant::len) as u64;
    let taps = |conv: attrs::Conv| conv.window.kernel.iter().map(|&taps| taps.unsigned_abs() as u64).product::<u64>();
    let product = match step.op {
        Op::BatchMatmul => attrs::BatchMatmul::from_words(step.attrs),
        Op::BatchMatmulI16 => attrs::BatchMatmul::from_i16(step.attrs),
        _ => None,
    };
    let per_output = match step.op {
        // Each input value meets every tap and every output channel of its group.
        Op::TransposeConv2d | Op::TransposeConv2dI16 => return input.elements() as u64 * (length(0) / channels),
        // Neither packed weights nor two to a byte tell how many there are.
        Op::Conv2d | Op::Conv2dI4 => attrs::Conv::from_conv2d(step.attrs)
            .map(|conv| taps(conv) * channels / u64::from(conv.groups.unsigned_abs().max(1))),
        Op::DepthwiseConv2d | Op::DepthwiseConv2dI4 => attrs::Conv::from_depthwise_conv2d(step.attrs).map(taps),
        Op::FullyConnectedI4 => attrs::fully_connected_i4(step.attrs).map(|(_, depth)| depth.unsigned_abs().into()),
        // Each input value meets every unit.
        Op::FullyConnected => return u64::from(output.shape.last().copied().unwrap_or(1)) * input.elements() as u64,
        op if op.has_weights() => length(0).checked_div(length(1)),
        // Weights over the input and over what is kept, each used once a step for all units together.
        op if op.states() > 0 => output.shape.last().map(|&units| (length(0) + length(1)) / u64::from(units)),
        _ => product.and_then(|product| {
            let &[.., rows, columns] = input.shape else { return None };
            Some(u64::from(if product.transposed[0] == 1 { rows } else { columns }))
        }),
    };
    outputs * per_output.unwrap_or(0)
}

/// Returns the bytes of a step's weights and bias.
fn weights_bytes(step: &Step<'_>) -> u64 {
    if !step.op.has_weights() {
        return 0;
    }
    let bytes = |index: usize| match (step.constant(index), step.op.const_types().get(index)) {
        (Some(constant), Some(ty)) => constant.len() * ty.bytes(),
        _ => 0,
    };
    (bytes(0) + bytes(1)) as u64
}

/// Returns the arena bytes that are kept from one run to the next.
fn state_bytes(model: &Model<'_>) -> usize {
    (0..model.storage_count() as u16)
        .filter_map(|n| model.storage(n))
        .map(|storage| match storage {
            Storage::State { bytes, .. } => bytes,
            Storage::Arena { .. } | Storage::Constant { .. } => 0,
        })
        .sum()
}

/// Returns the chain that a step belongs to.
fn chain_of(model: &Model<'_>, step: u16) -> Option<u16> {
    (0..model.chain_count() as u16).find(|&n| model.chain(n).is_some_and(|steps| steps.contains(&step)))
}

/// Returns the arena bytes of the storages that are alive while a step runs.
fn live_bytes(model: &Model<'_>, step: u16) -> u64 {
    let Some(chain) = chain_of(model, step) else { return 0 };
    (0..model.storage_count() as u16)
        .filter(|&n| model.storage_lifetime(n).is_some_and(|(first, last)| first <= chain && chain <= last))
        .filter_map(|n| model.storage(n))
        .map(|storage| match storage {
            Storage::Arena { bytes, .. } | Storage::State { bytes, .. } => bytes as u64,
            Storage::Constant { .. } => 0,
        })
        .sum()
}
