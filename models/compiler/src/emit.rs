//! From graph to artifact: lower every node, plan the memory, write the bytes.

use std::collections::{HashMap, HashSet};

use tanbo::pack::{PackedStep, PortableStep, pack_step, packings};
use tanbo_format::emit::{Artifact, ConstData, StateStart, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::record::MAX_STORAGES;
use tanbo_format::{Family, FormatError, FormatErrorKind, Hops, Op, Place, shape_of};

use crate::error::{CompileError, CompileErrorKind};
use crate::fuse::{Fusing, Tensors, arena, drop_unused, fuse, lay_out, write_in_place};
use crate::graph::{Graph, Node, NodeOp, TensorId};
use crate::lower::{Lowered, lower, scratch_bytes};
use crate::order::least_peak;
use crate::packings::{Choice, choose, estimate};
use crate::passes::{self, Pass, Report, Switches};
use crate::stream::{Streamed, Streaming, stream};

/// Most bytes of the constants of all steps: a step of a few bytes of the source may have a table of any size.
const MAX_CONSTANT_BYTES: usize = 1 << 28;

/// What the compiler is asked for besides the model.
#[derive(Clone, Debug)]
pub struct Options {
    /// Kernel family to pack for. Results do not depend on it.
    pub family: Family,
    /// Front-end section, or empty.
    pub front_end: Vec<u8>,
    /// Model card, or empty.
    pub card: String,
    /// Which passes run over the graph.
    pub passes: Switches,
    /// Whether tensors between steps are whole, or rings of rows.
    pub tensors: Tensors,
    /// Bytes that the artifact may have: of the packings of each step, the cheapest combination that fits is taken. `None`: each step
    /// gets the family's usual packing.
    pub flash_budget: Option<u32>,
    /// Whether the model is streamed by hops, and by which; `None` for windows.
    pub streaming: Option<Streaming>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            family: Family::Portable,
            front_end: Vec::new(),
            card: String::new(),
            passes: Switches::default(),
            tensors: Tensors::default(),
            flash_budget: None,
            streaming: None,
        }
    }
}

/// Returns the nodes that an output depends on, in order: those that become steps, and reshapes.
///
/// What is written to a state is needed if something reads the state, in this run or in a later one.
pub fn live_nodes(graph: &Graph) -> Vec<&Node> {
    let root = roots(graph, &graph.nodes.iter().collect::<Vec<_>>());
    let root_of = |tensor: TensorId| root.get(tensor).copied().unwrap_or(tensor);
    let states: HashSet<TensorId> = graph.states.iter().map(|state| root_of(state.tensor)).collect();
    let mut read_states: HashSet<TensorId> = HashSet::new();
    loop {
        let mut needed = vec![false; graph.tensors.len()];
        let mark = |needed: &mut Vec<bool>, tensor: TensorId| {
            if let Some(flag) = needed.get_mut(tensor) {
                *flag = true;
            }
        };
        for port in &graph.outputs {
            mark(&mut needed, port.tensor);
        }
        let mut live = Vec::new();
        let mut read = HashSet::new();
        for node in graph.nodes.iter().rev() {
            let is_step = !matches!(node.op, NodeOp::Reshape);
            let holds = is_step && read_states.contains(&root_of(node.output));
            if holds || needed.get(node.output) == Some(&true) {
                for &tensor in node.inputs.iter().chain(&node.states).chain([&node.output]) {
                    mark(&mut needed, tensor);
                }
                if is_step {
                    read.extend(node.inputs.iter().map(|&input| root_of(input)).filter(|input| states.contains(input)));
                }
                live.push(node);
            }
        }
        if read.is_subset(&read_states) {
            live.reverse();
            return live;
        }
        read_states.extend(read);
    }
}

/// Returns the multiply-accumulates of a graph, padding taps counted.
pub fn macs(graph: &Graph) -> u64 {
    graph.nodes.iter().map(|node| node_macs(graph, node)).sum()
}

/// Returns the multiply-accumulates of the nodes that an output depends on, padding taps counted.
pub fn live_macs(graph: &Graph) -> u64 {
    live_nodes(graph).into_iter().map(|node| node_macs(graph, node)).sum()
}

/// Returns the multiply-accumulates of a node of `graph`, padding taps counted.
pub fn node_macs(graph: &Graph, node: &Node) -> u64 {
    let elements = |id: TensorId| graph.tensors.get(id).map_or(0, |t| t.elements() as u64);
    let outputs = |id: TensorId| graph.tensors.get(id).and_then(|t| t.shape.last()).map_or(1, |&c| c as u64);
    let y = elements(node.output);
    match &node.op {
        NodeOp::Conv2d { weights, .. } => y * weights.data.len() as u64 / outputs(node.output).max(1),
        NodeOp::DepthwiseConv2d { window, .. } => y * (window.kernel[0] * window.kernel[1]) as u64,
        // Each input value meets every tap and every output channel of its group.
        NodeOp::TransposeConv2d { weights, .. } => {
            let x = node.inputs.first().copied().unwrap_or(node.output);
            elements(x) * (weights.data.len() as u64 / outputs(x).max(1))
        }
        NodeOp::BatchMatmul { transposed, .. } => {
            let shape = node.inputs.first().and_then(|&x| graph.tensors.get(x)).map(|t| t.shape.as_slice());
            let depth = match shape {
                Some(&[.., rows, columns]) => {
                    if transposed[0] {
                        rows
                    } else {
                        columns
                    }
                }
                _ => 0,
            };
            y * depth as u64
        }
        NodeOp::FullyConnected { weights, .. } => y / (weights.bias.len() as u64).max(1) * weights.data.len() as u64,
        NodeOp::Svdf(svdf) => {
            let filters = svdf.time_weights.len() + svdf.feature_weights.len();
            y / (svdf.bias.len() as u64).max(1) * filters as u64
        }
        NodeOp::Lstm { weights, .. } | NodeOp::Gru { weights, .. } => {
            let per_step = weights.input_weights.len() + weights.recurrent_weights.len();
            y / outputs(node.output).max(1) * per_step as u64
        }
        _ => 0,
    }
}

/// An artifact, and how the passes came to it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Bytes that `tanbo_format::Model::parse` accepts.
    pub artifact: Vec<u8>,
    /// The graph after the passes, whose nodes are the steps.
    pub graph: Graph,
    /// What the passes saved.
    pub report: Report,
    /// What streaming made of the model, whose graph is then that of one hop.
    pub streamed: Option<Streamed>,
}

/// Compiles a graph into an artifact that `tanbo_format::Model::parse` accepts.
///
/// # Errors
/// What cannot be expressed exactly, with the source node's name.
pub fn compile(graph: &Graph, options: &Options) -> Result<Vec<u8>, CompileError> {
    compile_reported(graph, options).map(|compiled| compiled.artifact)
}

/// As [`compile`], and tells what the passes did.
///
/// # Errors
/// What cannot be expressed exactly, with the source node's name.
pub fn compile_reported(graph: &Graph, options: &Options) -> Result<Compiled, CompileError> {
    let source_macs = macs(graph);
    let mut graph = graph.clone();
    let mut report = passes::run(&mut graph, &options.passes);
    let streamed = options.streaming.map(|asked| stream(&graph, &asked, options)).transpose()?;
    if let Some(streamed) = &streamed {
        graph.clone_from(&streamed.graph);
    }
    let hops = streamed.as_ref().map(Streamed::hops).transpose()?;
    let Emitted { artifact, reordered } = emit(&graph, options, Origin { source_macs, hops })?;
    if let Some(Reordered { order, saved_bytes }) = reordered {
        reorder(&mut graph, &order);
        report.note_order(saved_bytes);
    }
    Ok(Compiled { artifact, graph, report, streamed })
}

/// Puts the nodes that become steps in the order of their numbers in `order`, each view right before its first reader.
fn reorder(graph: &mut Graph, order: &[usize]) {
    let is_view = |node: &Node| matches!(node.op, NodeOp::Reshape);
    let (mut views, steps): (Vec<Node>, Vec<Node>) = std::mem::take(&mut graph.nodes).into_iter().partition(is_view);
    for step in order.iter().filter_map(|&number| steps.get(number)) {
        for &input in &step.inputs {
            let (mut tensor, mut before) = (Some(input), Vec::new());
            while let Some(place) = views.iter().position(|view| Some(view.output) == tensor) {
                let view = views.remove(place);
                tensor = view.inputs.first().copied();
                before.push(view);
            }
            graph.nodes.extend(before.into_iter().rev());
        }
        graph.nodes.push(step.clone());
    }
    graph.nodes.append(&mut views);
}

/// What an artifact's header says of the model that it was made of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    source_macs: u64,
    hops: Option<Hops>,
}

/// A graph's artifact.
pub(crate) struct Emitted {
    pub(crate) artifact: Vec<u8>,
    /// The order of the steps, if it is not the nodes'.
    reordered: Option<Reordered>,
}

struct Reordered {
    /// Numbers of the steps in the order of the nodes.
    order: Vec<usize>,
    /// What it saves of the arena.
    saved_bytes: u64,
}

/// Returns the artifact of a graph as it is, its steps in another order where that takes less of the arena.
pub(crate) fn emit(graph: &Graph, options: &Options, origin: Origin) -> Result<Emitted, CompileError> {
    let usual = emit_packed(graph, options, origin, None)?;
    let Some(budget) = options.flash_budget else { return Ok(usual) };
    let choices = choices(graph, options)?;
    let usual_bytes: u64 = choices.iter().filter_map(|choices| Some(choices.first()?.bytes)).sum();
    // What is no constant of a step, and what the constants may then take.
    let other = (usual.artifact.len() as u64).saturating_sub(usual_bytes);
    let mut room = u64::from(budget).saturating_sub(other);
    let refused = |least: u64| {
        CompileError::new(
            CompileErrorKind::TooLarge,
            format!("model '{}'", graph.name),
            format!("the smallest artifact has about {least} bytes, more than the flash budget of {budget}"),
            "raise --flash-budget, or make the model smaller",
        )
    };
    loop {
        let picked = choose(&choices, room).map_err(|least| refused(least + other))?;
        let variants: Vec<u8> =
            choices.iter().zip(picked).filter_map(|(choices, pick)| Some(choices.get(pick)?.variant)).collect();
        let emitted = emit_packed(graph, options, origin, Some(&variants))?;
        // Constants that steps share, and the gaps between them, depend on the choice.
        match (emitted.artifact.len() as u64).checked_sub(budget.into()) {
            None | Some(0) => return Ok(emitted),
            Some(surplus) => room = room.checked_sub(surplus).ok_or_else(|| refused(emitted.artifact.len() as u64))?,
        }
    }
}

/// Returns the packings that each step can have, the usual one first.
fn choices(graph: &Graph, options: &Options) -> Result<Vec<Vec<Choice>>, CompileError> {
    let mut steps = Vec::new();
    for node in live_nodes(graph) {
        let Some(lowered) = lower(graph, node)? else { continue };
        let bytes = |consts: &[ConstData]| consts.iter().map(|data| data.len_bytes().next_multiple_of(4) as u64).sum();
        let portable = bytes(&lowered.consts);
        let choice = |variant, bytes| {
            let (x, y) = (image(graph, node.inputs.first())?, image(graph, Some(&node.output))?);
            let (kind, shape) = shape_of(lowered.op, &lowered.attrs, &x, &y)?;
            Some(Choice { variant, bytes, cost: estimate(options.family, variant, kind, &shape) })
        };
        let packed = all_packings(graph, node, &lowered, options);
        let mut choices: Vec<Choice> =
            packed.iter().filter_map(|packed| choice(packed.variant, bytes(&packed.consts))).collect();
        choices.push(choice(0, portable).unwrap_or(Choice { variant: 0, bytes: portable, cost: 0 }));
        // The usual one is the first only if the family's first packing takes the step.
        let usual = usual_packing(graph, node, &lowered, options).map_or(0, |packed| packed.variant);
        choices.sort_by_key(|choice| choice.variant != usual);
        steps.push(choices);
    }
    Ok(steps)
}

/// Returns a tensor's shape as the artifact has it.
fn image(graph: &Graph, tensor: Option<&TensorId>) -> Option<Vec<u32>> {
    graph.tensors.get(*tensor?)?.shape.iter().map(|&axis| u32::try_from(axis).ok()).collect()
}

fn usual_packing(graph: &Graph, node: &Node, lowered: &Lowered, options: &Options) -> Option<PackedStep> {
    let (x, y) = (image(graph, node.inputs.first())?, image(graph, Some(&node.output))?);
    pack_step(options.family, portable(node, lowered, options), &x, &y)
}

fn all_packings(graph: &Graph, node: &Node, lowered: &Lowered, options: &Options) -> Vec<PackedStep> {
    match (image(graph, node.inputs.first()), image(graph, Some(&node.output))) {
        (Some(x), Some(y)) => packings(options.family, portable(node, lowered, options), &x, &y),
        _ => Vec::new(),
    }
}

fn portable<'a>(node: &Node, lowered: &'a Lowered, options: &Options) -> PortableStep<'a> {
    let by_rows = options.tensors.fusing(options.family).is_some();
    PortableStep { op: lowered.op, rounding: node.rounding, attrs: &lowered.attrs, consts: &lowered.consts, by_rows }
}

/// As [`emit`], with these packings of the steps, or the usual ones.
fn emit_packed(
    graph: &Graph,
    options: &Options,
    origin: Origin,
    variants: Option<&[u8]>,
) -> Result<Emitted, CompileError> {
    let nodes = live_nodes(graph);
    let root = roots(graph, &nodes);
    let mut steps: Vec<Planned<'_>> = Vec::new();
    let mut constant_bytes = 0usize;
    for &node in &nodes {
        if let Some(lowered) = lower(graph, node)? {
            constant_bytes += lowered.consts.iter().map(ConstData::len_bytes).sum::<usize>();
            if constant_bytes > MAX_CONSTANT_BYTES {
                return Err(CompileError::new(
                    CompileErrorKind::TooLarge,
                    format!("node '{}'", node.name),
                    format!("the constants up to here have more than {MAX_CONSTANT_BYTES} bytes"),
                    "use smaller weights and pooling windows, or split the model",
                ));
            }
            let packed = match variants.map(|variants| variants.get(steps.len())) {
                None => usual_packing(graph, node, &lowered, options),
                Some(variant) => all_packings(graph, node, &lowered, options)
                    .into_iter()
                    .find(|packed| Some(&packed.variant) == variant),
            };
            steps.push(Planned::new(graph, node, lowered, packed));
        }
    }
    let too_many = |what: &str| {
        CompileError::new(
            CompileErrorKind::TooLarge,
            format!("model '{}'", graph.name),
            format!("more than 65534 {what}"),
            "split the model",
        )
    };
    let last = u16::try_from(steps.len().saturating_sub(1)).map_err(|_| too_many("steps"))?;

    // Lifetimes of the roots, in steps (each is a chain of its own).
    let mut life: Vec<Option<(u16, u16)>> = vec![None; graph.tensors.len()];
    let mut touch = |tensor: TensorId, at: u16| {
        if let Some(life) = root.get(tensor).and_then(|&r| life.get_mut(r)) {
            let (first, end) = life.get_or_insert((at, at));
            (*first, *end) = ((*first).min(at), (*end).max(at));
        }
    };
    for (index, Planned { node, .. }) in steps.iter().enumerate() {
        for &tensor in node.inputs.iter().chain(&node.states).chain([&node.output]) {
            touch(tensor, index as u16);
        }
    }
    for port in &graph.inputs {
        touch(port.tensor, 0);
    }
    for port in &graph.outputs {
        touch(port.tensor, last);
    }

    let states: HashMap<TensorId, &StateStart> = graph
        .states
        .iter()
        .map(|state| (root.get(state.tensor).copied().unwrap_or(state.tensor), &state.start))
        .collect();

    // One storage per root, in the order of the graph's tensors.
    let mut storages = Vec::new();
    let mut storage_of = vec![None; graph.tensors.len()];
    for (index, tensor) in graph.tensors.iter().enumerate() {
        let (Some(chains), true) = (life[index], root[index] == index) else { continue };
        storage_of[index] = Some(u16::try_from(storages.len()).map_err(|_| too_many("tensors"))?);
        let bytes = u32::try_from(tensor.elements() * tensor.ty.bytes()).map_err(|_| too_many("bytes"))?;
        storages.push(match (&tensor.data, states.get(&index)) {
            (Some(data), _) => StorageSpec::Constant(data.clone()),
            (None, Some(&start)) => StorageSpec::State { offset: 0, bytes, start: start.clone() },
            (None, None) => StorageSpec::Arena { offset: 0, bytes, ring_rows: 0, chains },
        });
    }
    let mut scratch = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        scratch.push(match u32::try_from(step.scratch_bytes).map_err(|_| too_many("bytes"))? {
            0 => None,
            bytes => {
                let chains = (index as u16, index as u16);
                storages.push(StorageSpec::Arena { offset: 0, bytes, ring_rows: 0, chains });
                Some(u16::try_from(storages.len() - 1).map_err(|_| too_many("tensors"))?)
            }
        });
    }
    if storages.len() > MAX_STORAGES {
        return Err(CompileError::new(
            CompileErrorKind::TooLarge,
            format!("model '{}'", graph.name),
            format!("{} tensors, of at most {MAX_STORAGES}", storages.len()),
            "split the model",
        ));
    }
    // Tensors: every one that a step, an input or an output names.
    let mut tensors = Vec::new();
    let mut number_of = vec![None; graph.tensors.len()];
    let mut number = |id: TensorId, name: &str| -> Result<u16, CompileError> {
        let missing = || {
            CompileError::new(
                CompileErrorKind::Inconsistent,
                format!("tensor '{name}'"),
                "it is used but nothing writes it",
                "export the model again",
            )
        };
        if let Some(&Some(number)) = number_of.get(id)
            && name.is_empty()
        {
            return Ok(number);
        }
        let tensor = graph.tensors.get(id).ok_or_else(missing)?;
        let storage = root.get(id).and_then(|&r| storage_of.get(r).copied().flatten()).ok_or_else(missing)?;
        let shape = tensor.shape.iter().map(|&d| u32::try_from(d)).collect::<Result<Vec<_>, _>>();
        let index = u16::try_from(tensors.len()).map_err(|_| too_many("tensors"))?;
        tensors.push(TensorSpec {
            name: name.to_string(),
            ty: tensor.ty,
            shape: shape.map_err(|_| too_many("elements along an axis"))?,
            scale: tensor.scale,
            zero_point: tensor.zero_point,
            storage,
        });
        if let Some(slot) = number_of.get_mut(id) {
            *slot = Some(index);
        }
        Ok(index)
    };
    let inputs = graph.inputs.iter().map(|p| number(p.tensor, &p.name)).collect::<Result<Vec<_>, _>>()?;
    let outputs = graph.outputs.iter().map(|p| number(p.tensor, &p.name)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = steps.iter().map(|step| step.node.name.as_str()).collect();
    let mut specs = Vec::new();
    for (Planned { node, lowered, variant, .. }, scratch) in steps.into_iter().zip(scratch) {
        specs.push(StepSpec {
            op: lowered.op,
            variant,
            rounding: node.rounding,
            inputs: node.inputs.iter().map(|&t| number(t, "")).collect::<Result<Vec<_>, _>>()?,
            states: node.states.iter().map(|&t| number(t, "")).collect::<Result<Vec<_>, _>>()?,
            output: number(node.output, "")?,
            consts: lowered.consts,
            attrs: lowered.attrs,
            scratch,
        });
    }
    let mut artifact = Artifact {
        family: options.family,
        storages,
        tensors,
        chains: vec![1; specs.len()],
        steps: specs,
        inputs,
        outputs,
        source_macs: origin.source_macs,
        hops: origin.hops,
        front_end: options.front_end.clone(),
        card: options.card.clone(),
        signature: Vec::new(),
    };
    let fusing = options.tensors.fusing(options.family);
    if fusing.is_none() {
        let mut in_place = artifact.clone();
        write_in_place(&mut in_place, true);
        drop_unused(&mut in_place);
        // What lives on in one place can stand in the way of others.
        let laid_out = lay_out(&mut artifact).and(lay_out(&mut in_place)).is_some();
        if laid_out && arena(&in_place) <= arena(&artifact) {
            artifact = in_place;
        }
    }
    let order = if options.passes.without.contains(&Pass::Order) { None } else { least_peak(&artifact) };
    let (given, arena_bytes) = plan(artifact.clone(), fusing, &names)?;
    if let Some(order) = order {
        let names: Vec<&str> = order.iter().filter_map(|&step| names.get(step).copied()).collect();
        artifact.steps = order.iter().filter_map(|&step| artifact.steps.get(step).cloned()).collect();
        let (other, less) = plan(artifact, fusing, &names)?;
        if less < arena_bytes {
            return Ok(Emitted {
                artifact: other,
                reordered: Some(Reordered { order, saved_bytes: arena_bytes - less }),
            });
        }
    }
    Ok(Emitted { artifact: given, reordered: None })
}

/// Returns an artifact whose memory is planned, and the bytes of its arena. `names` are those of the steps' nodes.
fn plan(mut artifact: Artifact, fusing: Option<Fusing>, names: &[&str]) -> Result<(Vec<u8>, u64), CompileError> {
    lay_out(&mut artifact).ok_or_else(|| {
        CompileError::new(CompileErrorKind::TooLarge, "the model", "its activations exceed 4 GiB", "use smaller inputs")
    })?;
    let bytes = artifact.emit().map_err(|error| explain(error, names, &artifact))?;
    let Some(fusing) = fusing else { return Ok((bytes, arena(&artifact))) };
    let fused = fuse(artifact.clone(), fusing).and_then(|fused| Ok((fused.emit()?, arena(&fused))));
    fused.map_err(|error| explain(error, names, &artifact))
}

/// A node that becomes a step, packed for the kernel family.
struct Planned<'g> {
    node: &'g Node,
    lowered: Lowered,
    variant: u8,
    scratch_bytes: usize,
}

impl<'g> Planned<'g> {
    fn new(graph: &Graph, node: &'g Node, mut lowered: Lowered, packed: Option<PackedStep>) -> Self {
        let (mut variant, mut scratch_bytes) = (0, scratch_bytes(graph, node));
        if let Some(packed) = packed {
            (variant, lowered.consts) = (packed.variant, packed.consts);
            scratch_bytes = packed.scratch_bytes;
        }
        Self { node, lowered, variant, scratch_bytes }
    }
}

/// Returns for each tensor the one whose storage it shares through reshapes.
fn roots(graph: &Graph, nodes: &[&Node]) -> Vec<TensorId> {
    let mut root: Vec<TensorId> = (0..graph.tensors.len()).collect();
    for node in nodes {
        if let (NodeOp::Reshape, &[input]) = (&node.op, node.inputs.as_slice())
            && let Some(&from) = root.get(input)
            && let Some(to) = root.get_mut(node.output)
        {
            *to = from;
        }
    }
    root
}

/// Turns the verifier's refusal into one that names the source node.
fn explain(error: FormatError, names: &[&str], artifact: &Artifact) -> CompileError {
    let place = match error.at {
        Place::Step(step) => match (names.get(usize::from(step)), artifact.steps.get(usize::from(step))) {
            (Some(name), Some(spec)) => format!("node '{name}' ({})", Op::name(spec.op)),
            _ => format!("step {step}"),
        },
        Place::Output(output) => format!("output {output}"),
        Place::Input(input) => format!("input {input}"),
        at => at.to_string(),
    };
    let (kind, remedy) = match error.kind {
        FormatErrorKind::Chain if error.at == Place::Input(0) => (
            CompileErrorKind::Unsupported,
            "it must be int8 and read by steps that run row by row; leave --input-rows away",
        ),
        FormatErrorKind::Accumulator => (
            CompileErrorKind::Unsupported,
            "reduce the number of products per output (at most 65,793), or split the node",
        ),
        FormatErrorKind::TooMany => (CompileErrorKind::TooLarge, "split the model"),
        FormatErrorKind::Lifetime => (
            CompileErrorKind::Unsupported,
            "an output must be computed from an input, and each input be used on its own",
        ),
        _ => (
            CompileErrorKind::Inconsistent,
            "check the node's shapes, zero points and attributes; export the model again",
        ),
    };
    CompileError::new(kind, place, error.to_string(), remedy)
}
