//! Packs `vectors/**/*.json` into artifacts with their inputs and expected bytes: `full.bin` and `small.bin`.
//!
//! Knows no operator: names of attributes and constants become words through the operator list. Every tensor gets a
//! storage of its own, so that all of them can be compared after their step. A case whose steps can run row by row is
//! packed a second time with rings of rows between them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use tanbo_format::emit::{Artifact, ConstData, StateStart, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::{ConstType, ElementType, Family, Op};
use tanbo_quant::Rounding;

#[allow(dead_code, reason = "shared with the library, which reads what this writes")]
#[path = "src/pack.rs"]
mod pack;

#[path = "src/pack_writer.rs"]
mod pack_writer;

use pack_writer::{Entry, write};

type Failure = Box<dyn Error>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Belongs to the selection for the smallest machine.
    small: bool,
    /// Runs in a row; the data of inputs and outputs is that of all runs, one after the other.
    #[serde(default = "one")]
    runs: usize,
    inputs: Vec<Tensor>,
    #[serde(default)]
    states: Vec<State>,
    steps: Vec<Step>,
}

fn one() -> usize {
    1
}

/// A state with its first content: the same byte everywhere, or an image.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    shape: Vec<u32>,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    fill: u8,
    #[serde(default, with = "hex::serde")]
    image: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    shape: Vec<u32>,
    #[serde(rename = "type")]
    ty: String,
    /// Little-endian elements.
    #[serde(with = "hex::serde")]
    data: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    op: String,
    rounding: String,
    attrs: BTreeMap<String, i32>,
    consts: BTreeMap<String, Values>,
    /// Tensor numbers: first the inputs, then the outputs of the steps.
    inputs: Vec<u16>,
    /// Numbers of the states that the step reads and writes.
    #[serde(default)]
    states: Vec<u16>,
    /// Bytes of scratch.
    #[serde(default)]
    scratch: u32,
    output: Tensor,
}

/// A constant: words, or bytes in hex.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Words(Vec<i64>),
    Bytes(#[serde(with = "hex::serde")] Vec<u8>),
}

fn main() -> Result<(), Failure> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/pack.rs");
    println!("cargo:rerun-if-changed=src/pack_writer.rs");
    println!("cargo:rerun-if-changed=vectors");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        // Link arguments of a bare-metal image; the scripts come from tanbo-emulated and its run-time crates.
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in fs::read_dir("vectors")? {
        for file in fs::read_dir(folder?.path())? {
            files.push(file?.path());
        }
    }
    files.sort();
    let (mut full, mut small) = (Vec::new(), Vec::new());
    let mut included = Included::default();
    for path in &files {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file: File = serde_json::from_str(&fs::read_to_string(path)?).map_err(|e| at(&e))?;
        let folder = path.parent().and_then(Path::file_name).and_then(|n| n.to_str()).ok_or("no folder name")?;
        for case in &file.cases {
            for rings in [Rings::None, Rings::BetweenSteps, Rings::WithInput] {
                let packed = pack_case(case, rings).map_err(|e| at(&format!("{}: {e}", case.name)))?;
                let Some(mut packed) = packed else { continue };
                packed.name = format!("{folder}/{}{}", case.name, rings.suffix());
                included.add(case, rings, &packed)?;
                if rings == Rings::WithInput {
                    // The suite gives whole inputs.
                    continue;
                }
                if case.small {
                    small.push(full.len());
                }
                full.push(packed);
            }
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("included.rs"), included.source())?;
    let pack = |entries: Vec<&Entry>| write(&entries).ok_or("more than 4 GiB of cases");
    fs::write(out.join("full.bin"), pack(full.iter().collect())?)?;
    fs::write(out.join("small.bin"), pack(small.iter().map(|&i| &full[i]).collect())?)?;
    Ok(())
}

/// What of a case lies in rings of rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rings {
    None,
    BetweenSteps,
    WithInput,
}

impl Rings {
    fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::BetweenSteps => "_rings",
            Self::WithInput => "_rings_by_rows",
        }
    }
}

/// For `tests/included.rs`: the first case of each combination of operators, roundings, rings and states, as a program that
/// includes it.
#[derive(Default)]
struct Included {
    seen: BTreeSet<String>,
    modules: String,
    cases: String,
}

impl Included {
    fn add(&mut self, case: &Case, rings: Rings, entry: &Entry) -> Result<(), Failure> {
        let mut kinds: Vec<String> =
            case.steps.iter().map(|step| format!("{} {} {}", step.op, step.rounding, step.scratch > 0)).collect();
        kinds.sort();
        kinds.dedup();
        if !self.seen.insert(format!("{kinds:?} {} {}", rings.suffix(), case.states.len())) {
            return Ok(());
        }
        let number = self.seen.len();
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let (artifact, inputs) = (out.join(format!("{number}.tnb")), out.join(format!("{number}.bin")));
        fs::write(&artifact, &entry.artifact)?;
        fs::write(&inputs, &entry.inputs)?;
        self.modules += &format!("tanbo_include::include_model!(mod case{number} = {artifact:?});\n");
        self.cases += &format!(
            "(\"{}\", &case{number}::MODEL, include_bytes!({artifact:?}), include_bytes!({inputs:?})),\n",
            entry.name
        );
        Ok(())
    }

    fn source(&self) -> String {
        let Self { modules, cases, .. } = self;
        format!(
            "{modules}\n/// Name, plan, artifact, inputs.\nconst CASES: &[(&str, &Included, &[u8], &[u8])] = &[\n{cases}];\n"
        )
    }
}

fn element_type(name: &str) -> Result<ElementType, Failure> {
    [ElementType::I8, ElementType::U8, ElementType::I16, ElementType::I32]
        .into_iter()
        .find(|ty| ty.name() == name)
        .ok_or_else(|| format!("no element type is called `{name}`").into())
}

/// The words in the type of a constant.
fn narrow<T: TryFrom<i64>>(words: &[i64]) -> Result<Vec<T>, Failure> {
    words.iter().map(|&w| T::try_from(w).map_err(|_| format!("{w} is out of its constant's range").into())).collect()
}

/// The step as the writer wants it; `output` is the number of the tensor it writes.
fn step_spec(step: &Step, output: u16) -> Result<StepSpec, Failure> {
    let op = *Op::ALL.iter().find(|op| op.name() == step.op).ok_or_else(|| format!("no operator `{}`", step.op))?;
    let mut attrs = Vec::new();
    for &name in op.attrs() {
        attrs.push(*step.attrs.get(name).ok_or_else(|| format!("{}: no attribute `{name}`", step.op))?);
    }
    let mut consts = Vec::new();
    for spec in op.consts() {
        // A constant that a case does not name is empty.
        consts.push(match (spec.ty, step.consts.get(spec.name)) {
            (ConstType::I8, None) => ConstData::I8(Vec::new()),
            (ConstType::I16, None) => ConstData::I16(Vec::new()),
            (ConstType::I32, None) => ConstData::I32(Vec::new()),
            (ConstType::I64, None) => ConstData::I64(Vec::new()),
            (ConstType::I8, Some(Values::Bytes(b))) => ConstData::I8(b.iter().map(|&b| b as i8).collect()),
            (ConstType::I16, Some(Values::Words(w))) => ConstData::I16(narrow(w)?),
            (ConstType::I32, Some(Values::Words(w))) => ConstData::I32(narrow(w)?),
            (ConstType::I64, Some(Values::Words(w))) => ConstData::I64(w.clone()),
            _ => return Err(format!("{}: constant `{}` is not of its type", step.op, spec.name).into()),
        });
    }
    let known = |name: &&String| op.attrs().contains(&name.as_str()) || op.consts().iter().any(|c| c.name == **name);
    if let Some(name) = step.attrs.keys().chain(step.consts.keys()).find(|name| !known(name)) {
        return Err(format!("{} has no `{name}`", step.op).into());
    }
    let rounding = match step.rounding.as_str() {
        "single" => Rounding::Single,
        "tflite" => Rounding::Tflite,
        other => return Err(format!("no rounding is called `{other}`").into()),
    };
    Ok(StepSpec {
        op,
        variant: 0,
        rounding,
        inputs: step.inputs.clone(),
        states: Vec::new(),
        output,
        consts,
        attrs,
        scratch: None,
    })
}

/// Lengths of the chains. With `rings`, a step joins the one before it where it alone reads that step's output, an
/// image of one batch entry, by rows.
fn chains(case: &Case, steps: &[StepSpec], rings: bool) -> Vec<u16> {
    let image = |tensor: &Tensor| tensor.shape.len() == 4 && tensor.shape[0] == 1;
    let mut lengths: Vec<u16> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let joins = rings && i > 0 && {
            let before = &steps[i - 1];
            let readers = steps.iter().filter(|s| s.inputs.contains(&before.output)).count();
            step.inputs == [before.output]
                && readers == 1
                && [before, step].iter().all(|s| s.op.is_row_wise() && s.inputs.len() == 1)
                && image(&case.steps[i - 1].output)
                && image(&case.steps[i].output)
                && first_input_is_image(case, before)
        };
        match lengths.last_mut() {
            Some(length) if joins => *length += 1,
            _ => lengths.push(1),
        }
    }
    lengths
}

fn first_input_is_image(case: &Case, step: &StepSpec) -> bool {
    let tensor = case.inputs.iter().chain(case.steps.iter().map(|s| &s.output)).nth(usize::from(step.inputs[0]));
    tensor.is_some_and(|t| t.shape.len() == 4 && t.shape[0] == 1)
}

/// The artifact of a case; `None` for a plan with rings where no two steps can share one.
fn pack_case(case: &Case, rings: Rings) -> Result<Option<Entry>, Failure> {
    let by_rows = rings == Rings::WithInput;
    let rings = rings != Rings::None;
    let mut steps = Vec::new();
    for (i, step) in case.steps.iter().enumerate() {
        let mut spec = step_spec(step, u16::try_from(case.inputs.len() + i)?)?;
        // States come after all other tensors.
        let first = u16::try_from(case.inputs.len() + case.steps.len())?;
        spec.states = step.states.iter().map(|state| first + state).collect();
        steps.push(spec);
    }
    let chains = chains(case, &steps, rings);
    if rings && chains.len() == steps.len() {
        return Ok(None);
    }
    // Tensors between two steps of one chain: a ring of the rows under the reader's window, every other one with a spare.
    let mut ring_rows = vec![0u16; case.inputs.len() + steps.len()];
    let mut chain_of = Vec::new();
    let mut first = 0;
    for (number, &length) in chains.iter().enumerate() {
        for i in first..first + usize::from(length) {
            chain_of.push(u16::try_from(number)?);
            if i > first {
                let attrs = &case.steps[i].attrs;
                let get = |name| attrs.get(name).copied().unwrap_or(1);
                let rows = (get("kernel_h") - 1) * get("dilation_h") + 1;
                let height = case.steps[i - 1].output.shape[1];
                let rows = u32::try_from(rows)? + (i % 2) as u32;
                ring_rows[case.inputs.len() + i - 1] = u16::try_from(rows.min(height))?;
            }
        }
        first += usize::from(length);
    }
    let last_chain = u16::try_from(chains.len().saturating_sub(1))?;
    if by_rows {
        let Some(rows) = rows_of_input(case, &steps, &chain_of) else { return Ok(None) };
        ring_rows[0] = rows;
    }
    let (mut storages, mut tensors, mut offset) = (Vec::new(), Vec::new(), 0u32);
    let all = case.inputs.iter().chain(case.steps.iter().map(|s| &s.output));
    for (number, (tensor, &ring_rows)) in all.zip(&ring_rows).enumerate() {
        let ty = element_type(&tensor.ty)?;
        let elements: u32 = tensor.shape.iter().product();
        let whole = elements * ty.bytes() as u32;
        if tensor.data.len() != whole as usize * case.runs {
            let (given, runs) = (tensor.data.len(), case.runs);
            return Err(format!(
                "tensor {number}: {given} bytes of data, its shape asks {whole} for each of {runs} runs"
            )
            .into());
        }
        let bytes = if ring_rows == 0 { whole } else { whole / tensor.shape[1] * u32::from(ring_rows) };
        let lives = match number.checked_sub(case.inputs.len()) {
            Some(step) if ring_rows != 0 => (chain_of[step], chain_of[step]),
            None if ring_rows != 0 => (0, 0),
            _ => (0, last_chain),
        };
        storages.push(StorageSpec::Arena { offset, bytes, ring_rows, chains: lives });
        offset = (offset + bytes).next_multiple_of(4);
        tensors.push(TensorSpec {
            name: String::new(),
            ty,
            shape: tensor.shape.clone(),
            scale: 1.0,
            zero_point: 0,
            storage: u16::try_from(number)?,
        });
    }
    add_states(case, &mut storages, &mut tensors, &mut offset)?;
    add_scratch(case, &chain_of, &mut steps, &mut storages, offset)?;
    let output = steps.last().ok_or("a case without steps")?.output;
    let artifact = Artifact {
        family: Family::Portable,
        storages,
        tensors,
        steps,
        chains,
        inputs: (0..u16::try_from(case.inputs.len())?).collect(),
        outputs: vec![output],
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
        source_macs: 0,
        hops: None,
    };
    let whole = case.steps.iter().zip(&ring_rows[case.inputs.len()..]).filter(|(_, rows)| **rows == 0);
    let outputs: Vec<&Tensor> = whole.map(|(step, _)| &step.output).collect();
    Ok(Some(Entry {
        name: String::new(),
        artifact: artifact.emit().map_err(|e| format!("{e}"))?,
        inputs: by_run(&case.inputs.iter().collect::<Vec<_>>(), case.runs),
        expected: by_run(&outputs, case.runs),
    }))
}

/// How many rows of the first input must be kept if it comes row by row: those under the window of its one reader, in the
/// first chain; `None` if there are more readers, or it is no int8 image.
fn rows_of_input(case: &Case, steps: &[StepSpec], chain_of: &[u16]) -> Option<u16> {
    let input = case.inputs.first()?;
    let mut readers = steps.iter().zip(&case.steps).zip(chain_of).filter(|((spec, _), _)| spec.inputs.contains(&0));
    let (((_, reader), &chain), None) = (readers.next()?, readers.next()) else { return None };
    let get = |name| reader.attrs.get(name).copied().unwrap_or(1);
    let rows = u32::try_from((get("kernel_h") - 1) * get("dilation_h") + 1).ok()?;
    let is_image = input.shape.len() == 4 && input.shape[0] == 1 && input.ty == "int8";
    (is_image && chain == 0).then(|| u16::try_from(rows.min(input.shape[1])).ok()).flatten()
}

/// The tensors' bytes, run by run.
fn by_run(tensors: &[&Tensor], runs: usize) -> Vec<u8> {
    let of_run = |run: usize| {
        tensors.iter().flat_map(move |tensor| {
            let bytes = tensor.data.len() / runs;
            tensor.data[run * bytes..(run + 1) * bytes].iter().copied()
        })
    };
    (0..runs).flat_map(of_run).collect()
}

fn add_states(
    case: &Case,
    storages: &mut Vec<StorageSpec>,
    tensors: &mut Vec<TensorSpec>,
    offset: &mut u32,
) -> Result<(), Failure> {
    for state in &case.states {
        let ty = element_type(&state.ty)?;
        let bytes = state.shape.iter().product::<u32>() * ty.bytes() as u32;
        let start =
            if state.image.is_empty() { StateStart::Fill(state.fill) } else { StateStart::Image(state.image.clone()) };
        let storage = u16::try_from(storages.len())?;
        storages.push(StorageSpec::State { offset: *offset, bytes, start });
        *offset = (*offset + bytes).next_multiple_of(4);
        let (name, shape) = (String::new(), state.shape.clone());
        tensors.push(TensorSpec { name, ty, shape, scale: 1.0, zero_point: 0, storage });
    }
    Ok(())
}

fn add_scratch(
    case: &Case,
    chain_of: &[u16],
    steps: &mut [StepSpec],
    storages: &mut Vec<StorageSpec>,
    mut offset: u32,
) -> Result<(), Failure> {
    for ((step, spec), &chain) in case.steps.iter().zip(steps).zip(chain_of).filter(|((step, _), _)| step.scratch > 0) {
        spec.scratch = Some(u16::try_from(storages.len())?);
        storages.push(StorageSpec::Arena { offset, bytes: step.scratch, ring_rows: 0, chains: (chain, chain) });
        offset = (offset + step.scratch).next_multiple_of(4);
    }
    Ok(())
}
