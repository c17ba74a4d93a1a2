//! `tanbo run`: arrays in, arrays out.

use serde::Serialize;

use crate::Verdict;
use crate::args::RunArgs;
use crate::arrays;
use crate::error::CliError;
use crate::npy::{Array, Type};
use crate::output::{Output, grouped, shape, table};
use crate::runner::Runner;
use crate::source::Source;

/// Outputs of more elements are not printed.
const PRINTED: usize = 4096;

#[derive(Serialize)]
struct Document {
    file: String,
    runner: String,
    table: String,
    family: &'static str,
    samples: usize,
    outputs: Vec<OutputFacts>,
    arena_bytes: usize,
    stack_bytes: usize,
    /// Of the first sample; null on this machine.
    instructions: Option<u64>,
}

#[derive(Serialize)]
struct OutputFacts {
    name: String,
    shape: Vec<usize>,
    #[serde(rename = "type")]
    ty: &'static str,
    /// The file written.
    file: Option<String>,
    /// The elements, where no file was asked for and they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<serde_json::Number>>,
}

/// Runs every sample of the input files and writes the output files.
pub fn run(args: &RunArgs, out: &Output) -> Result<Verdict, CliError> {
    let runner = Runner::by_name(&args.runner)?;
    let loaded = Source::open(&args.file, Some(&args.float), out)?.with_passes(args.passes.switches()).load_planned(
        args.target,
        runner.family()?,
        &args.plan,
    )?;
    let targets = arrays::targets(&args.outputs, &loaded.outputs)?;
    // A streamed model's samples are hops of one signal.
    let stream = args.stream || loaded.model()?.hops().is_some();
    let samples = arrays::read(&args.inputs, &loaded.inputs, stream)?;
    let ran = if stream {
        runner.run_stream(&loaded.artifact, &samples.inputs)?
    } else {
        runner.run(&loaded.artifact, &samples.inputs, 1)?
    };
    let arrays = arrays::stack(&ran.outputs, &loaded.outputs, samples.stacking)?;
    arrays::write(&arrays, &targets, &loaded.outputs)?;

    let model = loaded.model()?;
    let outputs = arrays.iter().zip(&loaded.outputs).enumerate().map(|(index, (array, binding))| {
        let file = targets.iter().find(|target| target.index == index).map(|t| t.path.display().to_string());
        OutputFacts {
            name: binding.name.clone(),
            shape: array.shape.clone(),
            ty: array.ty.name(),
            values: if file.is_none() { values(array) } else { None },
            file,
        }
    });
    let document = Document {
        file: args.file.display().to_string(),
        runner: runner.name().into(),
        table: ran.table,
        family: model.family().name(),
        samples: samples.inputs.len(),
        outputs: outputs.collect(),
        arena_bytes: model.arena_bytes(),
        stack_bytes: ran.stack_bytes,
        instructions: ran.instructions.first().and_then(|runs| runs.first()).copied(),
    };
    out.document(&document, || text(&document))?;
    Ok(Verdict::Yes)
}

/// Returns the elements, if they are few and all finite.
fn values(array: &Array) -> Option<Vec<serde_json::Number>> {
    let size = array.ty.bytes();
    if array.data.len() / size > PRINTED {
        return None;
    }
    let number = |element: &[u8]| match (array.ty, element) {
        (Type::I8, &[a]) => Some((a as i8).into()),
        (Type::U8, &[a]) => Some(a.into()),
        (Type::I16, &[a, b]) => Some(i16::from_le_bytes([a, b]).into()),
        (Type::I32, &[a, b, c, d]) => Some(i32::from_le_bytes([a, b, c, d]).into()),
        // The shortest text that reads back as the same f32, not the f64 next to it.
        (Type::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).to_string().parse().ok(),
        _ => None,
    };
    array.data.chunks_exact(size).map(number).collect()
}

fn text(document: &Document) -> String {
    let mut rows = vec![["output", "shape", "type", "file"].map(String::from).to_vec()];
    for output in &document.outputs {
        let file = output.file.clone().unwrap_or_else(|| {
            let values: Vec<String> = output.values.iter().flatten().take(16).map(ToString::to_string).collect();
            let more = output.values.as_ref().is_none_or(|all| all.len() > values.len());
            format!("[{}{}]", values.join(", "), if more { ", ..." } else { "" })
        });
        rows.push(vec![output.name.clone(), shape(&output.shape), output.ty.into(), file]);
    }
    let instructions = document.instructions.map_or(String::new(), |n| format!(", {} instructions", grouped(n)));
    format!(
        "{}ran {} samples on {}, table {}{instructions}\n",
        table(&rows),
        document.samples,
        document.runner,
        document.table
    )
}
