//! A float model on its way to an artifact: quantized from samples, or from frozen ranges.

use std::path::Path;

use tanbo_compiler::CompileError;
use tanbo_compiler::float::FloatModel;
#[cfg(feature = "tflite")]
use tanbo_compiler::import::tflite::float as tflite;
use tanbo_compiler::quantize::{self, Choice, Options, Quantized, Ranges};

use crate::args::FloatArgs;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
use crate::samples::{self, Data};
use crate::source::self_contained;

/// Longest file of frozen ranges, bytes.
const RANGES_LIMIT: u64 = 1 << 26;

/// A float model, quantized.
pub struct Calibrated {
    /// The model in QDQ form, its ranges, and what was decided.
    pub quantized: Quantized,
    /// The samples it was calibrated with; none where the ranges were frozen.
    pub data: Option<Data>,
}

/// Returns the quantized form of a float model.
///
/// # Errors
/// Neither samples nor ranges, or such as do not fit the model; a model that cannot be quantized.
pub fn calibrate(path: &Path, bytes: &[u8], args: Option<&FloatArgs>, out: &Output) -> Result<Calibrated, CliError> {
    let name = files::stem(path);
    let Some(args) = args else { return Err(needs_samples(path, bytes, &name, None)) };
    let refused = |error| CliError::compile(path, error);
    match (&args.calibrate, &args.ranges) {
        (Some(file), _) => {
            let model = FloatModel::load(bytes, &name).map_err(refused)?;
            let data = samples::read(file, model.inputs())?;
            let options = options(args, bytes, &name).map_err(refused)?;
            let mut progress = out.progress();
            let quantized =
                quantize::quantize_with(bytes, &name, &data.samples, &options, &mut |now| progress.show(now));
            Ok(Calibrated { quantized: quantized.map_err(refused)?, data: Some(data) })
        }
        (None, Some(file)) => {
            let text = String::from_utf8(files::read(file, RANGES_LIMIT)?)
                .map_err(|_| CliError::new(file.display(), "not UTF-8 text", "freeze the ranges again"))?;
            let refused_ranges = |error| CliError::compile(file, error);
            let ranges = Ranges::from_toml(&text, "frozen ranges").map_err(refused_ranges)?;
            let again = format!("tanbo quantize {} --calibrate X.npz --ranges-out {}", path.display(), file.display());
            if !ranges.fits(bytes) {
                let reason = format_args!("the ranges are of another model than {}", path.display());
                return Err(CliError::new(file.display(), reason, format_args!("freeze them again: {again}")));
            }
            let quantized = quantize::quantize_frozen(bytes, &name, &ranges).map_err(refused)?;
            Ok(Calibrated { quantized, data: None })
        }
        (None, None) => Err(needs_samples(path, bytes, &name, Some(&typed()))),
    }
}

/// Returns the float model in a file, as ONNX.
///
/// # Errors
/// A file that cannot be read or holds no float model.
pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = files::read(path, files::MODEL_LIMIT)?;
    if files::extension(path) == "onnx" {
        bytes = self_contained(path, bytes)?;
    }
    as_onnx(path, &bytes)?.ok_or_else(|| {
        let remedy = "give the float .onnx or .tflite model; a quantized one compiles as it is: tanbo compile";
        CliError::new(path.display(), "not a float model", remedy)
    })
}

/// Returns a float model as ONNX; nothing if `bytes` are not one.
///
/// # Errors
/// A float TFLite model that has no ONNX form.
pub fn as_onnx(path: &Path, bytes: &[u8]) -> Result<Option<Vec<u8>>, CliError> {
    match files::extension(path).as_str() {
        "onnx" => Ok(tanbo_compiler::float::is_float(bytes).then(|| bytes.to_vec())),
        #[cfg(feature = "tflite")]
        "tflite" if tflite::is_float(bytes) => {
            tflite::to_onnx(bytes, &files::stem(path)).map(Some).map_err(|error| CliError::compile(path, error))
        }
        _ => Ok(None),
    }
}

/// Returns what the library is asked for.
///
/// # Errors
/// A model whose products cannot be told, where all are to have 4-bit weights.
pub fn options(args: &FloatArgs, bytes: &[u8], name: &str) -> Result<Options, CompileError> {
    let choice = |off| if off { Choice::Off } else { Choice::Auto };
    let defaults = Options::default();
    let int4 = match args.int4.as_slice() {
        [all] if all == "all" => quantize::products(bytes, name)?,
        nodes => nodes.to_vec(),
    };
    Ok(Options {
        ranges: args.method.unwrap_or(defaults.ranges),
        wide: args.activations.clone().unwrap_or(defaults.wide),
        int4: int4.into_iter().collect(),
        equalize: choice(args.no_equalize),
        bias_correction: choice(args.no_bias_correction),
    })
}

/// Returns the error of options for float models where the model is none.
///
/// # Errors
/// If any is given.
pub fn refuse_options(path: &Path, args: Option<&FloatArgs>) -> Result<(), CliError> {
    let Some(args) = args else { return Ok(()) };
    let given = args.calibrate.is_some() || args.ranges.is_some() || args.method.is_some();
    let given = given || args.activations.is_some() || !args.int4.is_empty();
    if given || args.no_equalize || args.no_bias_correction {
        let remedy = "leave --calibrate, --ranges and their like away, or give the float model";
        return Err(CliError::new(path.display(), "not a float model: there is nothing to quantize", remedy));
    }
    Ok(())
}

/// Returns the error of a float model without samples: says what to give, and what to type. A command that takes no samples
/// itself takes the artifact.
fn needs_samples(path: &Path, bytes: &[u8], name: &str, typed: Option<&str>) -> CliError {
    let reason = "a float model: the ranges of its activations must be measured on samples";
    match FloatModel::load(bytes, name) {
        Ok(model) => {
            let inputs = samples::names(model.inputs());
            let compile = format!("tanbo compile {} -o {name}.tnb", quoted(&path.to_string_lossy()));
            let command = typed.unwrap_or(&compile);
            let remedy = format!(
                "type: {command} --calibrate X.npz, where X.npz has {inputs}, N some hundred typical samples; or give \
                 --ranges with ranges frozen by `tanbo quantize --ranges-out`",
            );
            CliError::new(path.display(), reason, remedy)
        }
        // Samples would not help a model that cannot be read.
        Err(error) => CliError::compile(path, error),
    }
}

/// Returns the command as it was typed.
fn typed() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    format!("tanbo {}", arguments.collect::<Vec<_>>().join(" "))
}

/// Returns an argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if argument.chars().all(plain) && !argument.is_empty() {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}
