//! Arrays of data files to and from the bytes of an artifact.

use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use tanbo_compiler::binding::Binding;
use zip::write::SimpleFileOptions;

use crate::error::CliError;
use crate::files;
use crate::npy::{self, Array, Type};
use crate::npz::Npz;
use crate::output::shape as text_of;

/// Longest array file: 1 GiB.
const ARRAY_LIMIT: u64 = 1 << 30;
/// Room for the header of a .npy file.
const NPY_HEADER: u64 = 1 << 16;

/// How samples are stacked along axis 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacking {
    /// One sample as it is.
    None,
    /// Axis 0 takes the place of the model's axis 0 of length 1.
    Batch,
    /// Axis 0 comes before the model's axes.
    NewAxis,
}

/// Samples for a model, each with the artifact's bytes of every input in model order.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The samples.
    pub inputs: Vec<Vec<Vec<u8>>>,
    /// How they were stacked.
    pub stacking: Stacking,
}

/// A file argument: `[name=]path`, resolved against the model's inputs or outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Index of the input or output.
    index: usize,
    path: PathBuf,
}

/// Reads the files of `--input`; of a `stream`, .npy and .bin files may hold many samples too, along axis 0.
///
/// # Errors
/// Missing or surplus inputs; files that cannot be read; arrays of another type or shape.
pub fn read(arguments: &[String], bindings: &[Binding], stream: bool) -> Result<Samples, CliError> {
    if let [only] = arguments
        && is_npz(only)
    {
        return read_npz(Path::new(only), bindings);
    }
    let places = resolve("--input", "input", arguments, bindings)?;
    let mut inputs: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut stacking = Stacking::None;
    for (index, binding) in bindings.iter().enumerate() {
        let Some(place) = places.iter().find(|place| place.index == index) else {
            let reason = format_args!("the model has {}; '{}' is missing", listed(bindings, "input"), binding.name);
            return Err(CliError::new("--input", reason, "give one --input per input, in this order or as NAME=FILE"));
        };
        let (samples, own) = read_one(&place.path, binding, stream)?;
        if index == 0 {
            (inputs, stacking) = (vec![Vec::new(); samples.len()], own);
        } else if inputs.len() != samples.len() {
            let reason = format_args!("{} samples of '{}', {} before", samples.len(), binding.name, inputs.len());
            return Err(CliError::new(place.path.display(), reason, "give as many of each"));
        }
        inputs.iter_mut().zip(samples).for_each(|(all, sample)| all.push(sample));
    }
    Ok(Samples { inputs, stacking })
}

/// An output with the file it goes to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Index of the output.
    pub index: usize,
    /// The file.
    pub path: PathBuf,
}

/// Returns where the outputs go, checked before anything runs.
///
/// # Errors
/// Names the model does not have, and files without a name where there are more outputs.
pub fn targets(arguments: &[String], bindings: &[Binding]) -> Result<Vec<Target>, CliError> {
    if let [only] = arguments
        && is_npz(only)
    {
        let twice = bindings.iter().enumerate().find(|(n, a)| bindings.iter().take(*n).any(|b| a.name == b.name));
        if let Some((_, binding)) = twice {
            let reason = format_args!("two outputs are called '{}', an .npz holds each name once", binding.name);
            return Err(CliError::new(format_args!("--output {only}"), reason, "give one .npy or .bin per output"));
        }
        return Ok((0..bindings.len()).map(|index| Target { index, path: PathBuf::from(only) }).collect());
    }
    let places = resolve("--output", "output", arguments, bindings)?;
    let unnamed = arguments.iter().any(|argument| named(argument, bindings).is_none());
    if unnamed && places.len() < bindings.len() {
        let reason = format_args!("the model has {}, {} named files given", listed(bindings, "output"), places.len());
        return Err(CliError::new("--output", reason, "give one --output per output, or NAME=FILE for those you want"));
    }
    for place in &places {
        if !matches!(files::extension(&place.path).as_str(), "npy" | "bin") {
            return Err(unknown_kind(&place.path, ".npy or .bin (one .npz takes all outputs)"));
        }
    }
    Ok(places.into_iter().map(|place| Target { index: place.index, path: place.path }).collect())
}

/// Returns the model's arrays of all samples: for each output its stacked elements.
///
/// # Errors
/// Artifact bytes that do not fit, which an engine does not give.
pub fn stack(samples: &[Vec<Vec<u8>>], bindings: &[Binding], stacking: Stacking) -> Result<Vec<Array>, CliError> {
    let mut arrays = Vec::new();
    for (index, binding) in bindings.iter().enumerate() {
        let mut data = Vec::new();
        for sample in samples {
            let bytes = sample.get(index).map(Vec::as_slice).unwrap_or_default();
            data.extend(binding.to_source(bytes).map_err(|e| CliError::new(e.place, e.reason, e.remedy))?);
        }
        let mut shape = binding.shape.clone();
        match stacking {
            Stacking::None => {}
            Stacking::Batch if shape.first() == Some(&1) => shape[0] = samples.len(),
            Stacking::Batch | Stacking::NewAxis => shape.insert(0, samples.len()),
        }
        arrays.push(Array { ty: binding.ty.into(), shape, data });
    }
    Ok(arrays)
}

/// Writes arrays to their files.
///
/// # Errors
/// Files that cannot be written.
pub fn write(arrays: &[Array], targets: &[Target], bindings: &[Binding]) -> Result<(), CliError> {
    if let Some(target) = targets.first()
        && files::extension(&target.path) == "npz"
    {
        return write_npz(&target.path, arrays, bindings);
    }
    for target in targets {
        let Some(array) = arrays.get(target.index) else { continue };
        if files::extension(&target.path) == "npy" {
            files::write(&target.path, &npy::emit(array))?;
        } else {
            files::write(&target.path, &array.data)?;
        }
    }
    Ok(())
}

fn is_npz(argument: &str) -> bool {
    files::extension(Path::new(argument)) == "npz"
}

fn unknown_kind(path: &Path, kinds: &str) -> CliError {
    CliError::new(path.display(), "unknown kind of array file", format_args!("give {kinds}"))
}

/// Returns `2 outputs ('a', 'b')`.
fn listed(bindings: &[Binding], what: &str) -> String {
    let names: Vec<String> = bindings.iter().map(|binding| format!("'{}'", binding.name)).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{} {what}{plural} ({})", names.len(), names.join(", "))
}

/// Splits `NAME=FILE` where NAME is one of the model's; names may hold any character.
fn named<'a>(argument: &'a str, bindings: &[Binding]) -> Option<(usize, &'a str)> {
    bindings.iter().enumerate().find_map(|(index, binding)| {
        let path = argument.strip_prefix(binding.name.as_str())?.strip_prefix('=')?;
        Some((index, path))
    })
}

fn resolve(flag: &str, what: &str, arguments: &[String], bindings: &[Binding]) -> Result<Vec<Place>, CliError> {
    let mut places: Vec<Place> = Vec::new();
    let mut unnamed = 0;
    for argument in arguments {
        let (index, path) = match named(argument, bindings) {
            Some((index, path)) => (index, path),
            None => {
                unnamed += 1;
                (unnamed - 1, argument.as_str())
            }
        };
        let place = format!("{flag} {argument}");
        let Some(binding) = bindings.get(index) else {
            let reason = format_args!("the model has {}", listed(bindings, what));
            return Err(CliError::new(place, reason, "give a file for each of them, in this order or as NAME=FILE"));
        };
        if is_npz(path) {
            let remedy = format_args!("give the .npz alone: it holds all {what}s by name");
            return Err(CliError::new(place, "an .npz beside other files", remedy));
        }
        if places.iter().any(|place| place.index == index) {
            let reason = format_args!("{what} '{}' is given twice", binding.name);
            return Err(CliError::new(place, reason, "give each once; name all or none"));
        }
        places.push(Place { index, path: PathBuf::from(path) });
    }
    Ok(places)
}

/// Reads one array file into the artifact's bytes of each sample: one, or in a stream as many as lie along axis 0.
fn read_one(path: &Path, binding: &Binding, stream: bool) -> Result<(Vec<Vec<u8>>, Stacking), CliError> {
    let mut stacking = if stream { Stacking::NewAxis } else { Stacking::None };
    let needed = binding.source_bytes() as u64;
    let source = match files::extension(path).as_str() {
        "npy" => {
            let limit = if stream { ARRAY_LIMIT } else { ARRAY_LIMIT.min(1 << 24) };
            let bytes = files::read(path, (needed + NPY_HEADER).max(limit))?;
            let array = npy::parse(&bytes).map_err(|e| CliError::new(path.display(), e.reason, e.remedy))?;
            check_type(&path.display().to_string(), &array, binding)?;
            let same = array.shape == binding.shape;
            // A leading axis of length 1 more or less changes nothing.
            let more = array.shape.strip_prefix(&[1]) == Some(&binding.shape);
            let less = binding.shape.strip_prefix(&[1]) == Some(&array.shape);
            let many = stacking_of(&array.shape, &binding.shape).filter(|_| stream && !array.data.is_empty());
            if let Some(many) = many {
                stacking = many;
            } else if same || more || less {
                stacking = Stacking::None;
            } else {
                let remedy = "reshape it; for many samples give an .npz, samples along axis 0";
                return Err(wrong_shape(&path.display().to_string(), &array, binding, remedy));
            }
            array.data
        }
        "bin" => {
            let bytes = files::read(path, ARRAY_LIMIT.max(needed))?;
            let many = stream && !bytes.is_empty() && (bytes.len() as u64).is_multiple_of(needed);
            if bytes.len() as u64 != needed && !many {
                let reason = format_args!(
                    "{} bytes, input '{}' takes {needed} ({} of {})",
                    bytes.len(),
                    binding.name,
                    text_of(&binding.shape),
                    binding.ty.name()
                );
                return Err(CliError::new(path.display(), reason, "give raw little-endian elements of one sample"));
            }
            bytes
        }
        _ => return Err(unknown_kind(path, ".npy, .npz or .bin (raw little-endian)")),
    };
    let sample = |bytes| binding.to_artifact(bytes).map_err(|error| CliError::compile(path, error));
    let samples = source.chunks(binding.source_bytes().max(1)).map(sample).collect::<Result<_, _>>()?;
    Ok((samples, stacking))
}

fn check_type(place: &str, array: &Array, binding: &Binding) -> Result<(), CliError> {
    if array.ty == Type::from(binding.ty) {
        return Ok(());
    }
    let reason = format_args!("{}, input '{}' takes {}", array.ty.name(), binding.name, binding.ty.name());
    Err(CliError::new(place, reason, format_args!("convert with .astype(numpy.{})", binding.ty.name())))
}

fn wrong_shape(place: &str, array: &Array, binding: &Binding, remedy: &str) -> CliError {
    let reason = format!("shape {}, input '{}' takes {}", text_of(&array.shape), binding.name, text_of(&binding.shape));
    CliError::new(place, reason, remedy)
}

fn read_npz(path: &Path, bindings: &[Binding]) -> Result<Samples, CliError> {
    let mut npz = Npz::open(path)?;
    let mut arrays = HashMap::new();
    for binding in bindings {
        let array = npz.array(&binding.name)?;
        let place = npz.place(&binding.name);
        check_type(&place, &array, binding)?;
        let remedy = "put the samples along axis 0, before the model's axes or in place of its first one";
        let stacking =
            stacking_of(&array.shape, &binding.shape).ok_or_else(|| wrong_shape(&place, &array, binding, remedy))?;
        arrays.insert(binding.name.as_str(), (array, stacking));
    }
    let mut all = bindings.iter().filter_map(|binding| Some((binding, arrays.get(binding.name.as_str())?)));
    let Some((first, (array, stacking))) = all.next() else {
        return Err(CliError::new(path.display(), "the model has no inputs", "give a model with inputs"));
    };
    let samples = array.shape.first().copied().unwrap_or(0);
    for (binding, (array, _)) in all {
        let here = array.shape.first().copied().unwrap_or(0);
        if here != samples {
            let reason = format_args!("{samples} samples of '{}', but {here} of '{}'", first.name, binding.name);
            return Err(CliError::new(path.display(), reason, "give as many of each"));
        }
    }
    if samples == 0 {
        return Err(CliError::new(path.display(), "no samples: axis 0 has length 0", "put samples in"));
    }
    let mut inputs = Vec::with_capacity(samples);
    for sample in 0..samples {
        let mut of_sample = Vec::new();
        for binding in bindings {
            let size = binding.source_bytes();
            let data = arrays.get(binding.name.as_str()).map(|(array, _)| array.data.as_slice()).unwrap_or_default();
            let data = data.get(sample * size..(sample + 1) * size).unwrap_or_default();
            of_sample.push(binding.to_artifact(data).map_err(|error| CliError::compile(path, error))?);
        }
        inputs.push(of_sample);
    }
    Ok(Samples { inputs, stacking: *stacking })
}

/// Returns how samples of shape `model` are stacked in an array of shape `given`, if they are.
fn stacking_of(given: &[usize], model: &[usize]) -> Option<Stacking> {
    let (_, rest) = given.split_first()?;
    if rest == model {
        return Some(Stacking::NewAxis);
    }
    (model.split_first() == Some((&1, rest))).then_some(Stacking::Batch)
}

fn write_npz(path: &Path, arrays: &[Array], bindings: &[Binding]) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::new(path.display(), error, "");
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (array, binding) in arrays.iter().zip(bindings) {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
        archive.start_file(format!("{}.npy", binding.name), options).map_err(|e| failed(&e))?;
        archive.write_all(&npy::emit(array)).map_err(|e| failed(&e))?;
    }
    let bytes = archive.finish().map_err(|e| failed(&e))?.into_inner();
    files::write(path, &bytes)
}
