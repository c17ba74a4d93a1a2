//! Samples for a float model: arrays by input, with the classes they belong to where known.

use std::path::Path;

use tanbo_compiler::float::FloatPort;
use tanbo_compiler::quantize::{SampleArray, Samples};

use crate::error::CliError;
use crate::files;
use crate::npy::{self, Array, Type};
use crate::npz::{Npz, UNPACKED_LIMIT};
use crate::output::shape;

/// Names under which a file may hold the classes.
const LABELS: [&str; 2] = ["labels", "y"];

/// What a file holds.
pub struct Data {
    /// Samples of all inputs.
    pub samples: Samples,
    /// Class of each sample.
    pub labels: Option<Vec<usize>>,
}

/// Reads the samples for a model with `inputs`.
///
/// # Errors
/// A file that cannot be read; arrays that are missing, of another type or shape, empty or not finite; labels that are no
/// classes.
pub fn read(path: &Path, inputs: &[FloatPort]) -> Result<Data, CliError> {
    let (arrays, labels) = match files::extension(path).as_str() {
        "npz" => read_npz(path, inputs)?,
        "npy" => (read_npy(path, inputs)?, None),
        _ => {
            let remedy = "give .npz (numpy.savez), or .npy for a single input";
            return Err(CliError::new(path.display(), "unknown kind of sample file", remedy));
        }
    };
    let count = arrays.first().and_then(|array| array.shape.first()).copied().unwrap_or(0);
    let samples = Samples::new(arrays, inputs).map_err(|error| CliError::compile(path, error))?;
    if let Some(labels) = &labels
        && labels.len() != count
    {
        let reason = format_args!("{} labels for {count} samples", labels.len());
        return Err(CliError::new(path.display(), reason, "give one label per sample"));
    }
    Ok(Data { samples, labels })
}

fn read_npy(path: &Path, inputs: &[FloatPort]) -> Result<Vec<SampleArray>, CliError> {
    let [input] = inputs else {
        let reason = format_args!("a .npy holds one array, the model has {} inputs", inputs.len());
        return Err(CliError::new(path.display(), reason, format_args!("give an .npz with {}", names(inputs))));
    };
    let bytes = files::read(path, UNPACKED_LIMIT)?;
    let array = npy::parse(&bytes).map_err(|error| CliError::new(path.display(), error.reason, error.remedy))?;
    Ok(vec![samples_of(&path.display().to_string(), input, array)?])
}

fn read_npz(path: &Path, inputs: &[FloatPort]) -> Result<(Vec<SampleArray>, Option<Vec<usize>>), CliError> {
    let mut npz = Npz::open(path)?;
    // By name; or in model order as `numpy.savez` names arrays without one; or one array for one input.
    let by_order = inputs.iter().all(|input| !npz.holds(&input.name)) && npz.holds("arr_0");
    let arrays_there: Vec<String> = npz.names().into_iter().filter(|name| !LABELS.contains(&name.as_str())).collect();
    let only = match (arrays_there.as_slice(), inputs) {
        ([only], [_]) => Some(only),
        _ => None,
    };
    let mut arrays = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let name = match only {
            Some(only) if !npz.holds(&input.name) => only.clone(),
            _ if by_order => format!("arr_{index}"),
            _ => input.name.clone(),
        };
        if !npz.holds(&name) {
            let reason = format_args!("no array '{name}'; it holds {}", npz.listed());
            let remedy = format_args!("give {}", names(inputs));
            return Err(CliError::new(path.display(), reason, remedy));
        }
        let array = npz.array(&name)?;
        arrays.push(samples_of(&npz.place(&name), input, array)?);
    }
    let mut there = LABELS.iter().filter(|&&name| npz.holds(name) && inputs.iter().all(|input| input.name != name));
    let labels = match (there.next(), there.next()) {
        (Some(_), Some(_)) => {
            let remedy = "keep the one with the classes";
            return Err(CliError::new(path.display(), "it holds both 'labels' and 'y'", remedy));
        }
        (Some(name), None) => Some(classes(&npz.place(name), &npz.array(name)?)?),
        _ => None,
    };
    Ok((arrays, labels))
}

/// Returns `'a' (N x 1x31), 'b' (N x 4)`, all float32.
pub fn names(inputs: &[FloatPort]) -> String {
    let text = |input: &FloatPort| format!("'{}' (Nx{})", input.name, shape(without_batch(&input.shape)));
    format!("float32 {}", inputs.iter().map(text).collect::<Vec<_>>().join(", "))
}

/// Returns a shape without a leading axis of length 1.
fn without_batch(axes: &[usize]) -> &[usize] {
    axes.strip_prefix(&[1]).unwrap_or(axes)
}

fn samples_of(place: &str, input: &FloatPort, array: Array) -> Result<SampleArray, CliError> {
    if array.ty != Type::F32 {
        let reason = format_args!("{}, input '{}' takes float32", array.ty.name(), input.name);
        return Err(CliError::new(place, reason, "convert with .astype(numpy.float32), scaled as in training"));
    }
    let fits = match array.shape.split_first() {
        Some((_, rest)) => rest == input.shape || rest == without_batch(&input.shape) && rest.len() < input.shape.len(),
        None => false,
    };
    if !fits {
        let needed = shape(without_batch(&input.shape));
        let reason = format_args!("shape {}, input '{}' takes Nx{needed}", shape(&array.shape), input.name);
        return Err(CliError::new(place, reason, "put the samples along axis 0, before the model's axes"));
    }
    let count = array.shape.first().copied().unwrap_or(0);
    if count == 0 {
        return Err(CliError::new(place, "no samples: axis 0 has length 0", "put samples in"));
    }
    let data: Vec<f32> = array.data.as_chunks::<4>().0.iter().map(|&element| f32::from_le_bytes(element)).collect();
    if let Some(at) = data.iter().position(|value| !value.is_finite()) {
        let (sample, element) = (at / (data.len() / count).max(1), at % (data.len() / count).max(1));
        let value = data.get(at).copied().unwrap_or(f32::NAN);
        let reason = format_args!("sample {sample}, element {element} is {value}");
        return Err(CliError::new(place, reason, "leave out samples that are not finite"));
    }
    Ok(SampleArray { name: input.name.clone(), shape: array.shape, data })
}

/// Returns the classes in an array of integers.
fn classes(place: &str, array: &Array) -> Result<Vec<usize>, CliError> {
    let remedy = "give one class per sample, an integer from 0, in an array of shape N";
    if !matches!(array.shape.as_slice(), [_] | [_, 1]) {
        return Err(CliError::new(place, format_args!("labels of shape {}", shape(&array.shape)), remedy));
    }
    let number = |element: &[u8]| match (array.ty, element) {
        (Type::I8, &[a]) => Some(i64::from(a as i8)),
        (Type::U8, &[a]) => Some(i64::from(a)),
        (Type::I16, &[a, b]) => Some(i64::from(i16::from_le_bytes([a, b]))),
        (Type::I32, &[a, b, c, d]) => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        (Type::I64, element) => element.try_into().ok().map(i64::from_le_bytes),
        _ => None,
    };
    let mut labels = Vec::new();
    for (sample, element) in array.data.chunks_exact(array.ty.bytes()).enumerate() {
        let Some(value) = number(element) else {
            return Err(CliError::new(place, format_args!("labels of type {}", array.ty.name()), remedy));
        };
        let class = usize::try_from(value)
            .map_err(|_| CliError::new(place, format_args!("label {value} of sample {sample} is no class"), remedy))?;
        labels.push(class);
    }
    Ok(labels)
}
