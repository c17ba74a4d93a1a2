//! Tensors whose bytes lie in a file beside the model: read from the model's own folder and from nowhere else.
//!
//! Specification: <https://onnx.ai/onnx/repo-docs/ExternalData.html>.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::Message as _;
use tract_onnx::pb::{GraphProto, TensorProto};

use super::{MAX_FILE_BYTES, Res, proto};
use crate::error::{CompileError, CompileErrorKind};

/// Remedy for a location outside the model's folder.
const KEEP_BESIDE: &str = "put the data file beside the model and save the model with a plain file name as location: \
     onnx.save(model, path, save_as_external_data=True, location='weights.bin')";
/// Remedy for a reference that fits nothing.
const SAVE_AGAIN: &str = "copy the data file again, or save the model as one file: \
     onnx.save(onnx.load(path), path, save_as_external_data=False)";

/// Returns the bytes of a model that needs no other file: of one whose tensors lie in files of `folder` a model that
/// holds them, of any other the same bytes. `name` is what messages call the model.
///
/// # Errors
/// A tensor whose file is not in `folder` (an absolute path, `..`, a link that leads out of it), cannot be read or is
/// shorter than the model says, or more data than [`super::import`] reads.
pub fn self_contained(bytes: Vec<u8>, name: &str, folder: &Path) -> Res<Vec<u8>> {
    // Whatever names a file has an entry of this key.
    if !bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()) {
        return Ok(bytes);
    }
    let mut model = proto::decode_model(&bytes, name)?;
    let mut left = MAX_FILE_BYTES.saturating_sub(bytes.len());
    drop(bytes);
    if let Some(graph) = &mut model.graph {
        read_all(graph, folder, &mut left)?;
    }
    Ok(model.encode_to_vec())
}

/// Key of the entry that names the file.
const KEY: &str = "location";

fn read_all(graph: &mut GraphProto, folder: &Path, left: &mut usize) -> Res<()> {
    for tensor in &mut graph.initializer {
        let place = format!("initializer '{}'", tensor.name);
        read(tensor, &place, folder, left)?;
    }
    for (index, node) in graph.node.iter_mut().enumerate() {
        let place = proto::place(node, index);
        let tensors = node.attribute.iter_mut().flat_map(|a| a.t.iter_mut().chain(&mut a.tensors));
        for tensor in tensors {
            read(tensor, &place, folder, left)?;
        }
    }
    Ok(())
}

/// Moves the tensor's bytes into it.
fn read(tensor: &mut TensorProto, place: &str, folder: &Path, left: &mut usize) -> Res<()> {
    if !proto::is_external(tensor) {
        return Ok(());
    }
    let malformed = |reason: String| CompileError::new(CompileErrorKind::Malformed, place, reason, SAVE_AGAIN);
    let entry = |key: &str| tensor.external_data.iter().rev().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| match entry(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(malformed(format!("the {key} of its data is no number of bytes"))),
    };
    let location = entry(KEY).ok_or_else(|| malformed("its data is in another file, which it does not name".into()))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let path = inside(folder, location).map_err(|reason| {
        let reason = format!("its data is in '{}', {reason}", location.escape_default());
        CompileError::new(CompileErrorKind::Unsupported, place, reason, KEEP_BESIDE)
    })?;
    let failed = |error: std::io::Error| malformed(format!("its data file '{location}' cannot be read: {error}"));
    let mut file = File::open(&path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let room = size.checked_sub(offset);
    let length = length.or(room).filter(|&length| room.is_some_and(|room| length <= room)).ok_or_else(|| {
        malformed(format!("its data ends beyond the {size} bytes of '{location}' (it begins at byte {offset})"))
    })?;
    let charged = usize::try_from(length).ok().and_then(|length| left.checked_sub(length));
    *left = charged.ok_or_else(|| {
        CompileError::new(
            CompileErrorKind::TooLarge,
            place,
            format!("the model and its data have more than {MAX_FILE_BYTES} bytes"),
            "use a smaller model",
        )
    })?;
    let mut data = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    file.take(length).read_to_end(&mut data).map_err(failed)?;
    if data.len() as u64 != length {
        return Err(malformed(format!("'{location}' became shorter while it was read")));
    }
    tensor.raw_data = data;
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Returns the path of a regular file in `folder` or below, links followed, or why `location` is none.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    // `\` and `:` are plain characters here, but shares and drives elsewhere: one verdict on every system.
    if location.is_empty() || location.contains(['\\', ':', '\0']) {
        return Err("which is no plain path".into());
    }
    let relative = Path::new(location);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("which is not in the model's folder".into());
    }
    let unreadable = |error: std::io::Error| format!("which cannot be read: {error}");
    let folder = fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folder.map_err(unreadable)?;
    let path = fs::canonicalize(folder.join(relative)).map_err(unreadable)?;
    if !path.starts_with(&folder) {
        return Err("which is a link to outside the model's folder".into());
    }
    // A pipe would make the reader wait for ever.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err("which is no file".into());
    }
    Ok(path)
}
