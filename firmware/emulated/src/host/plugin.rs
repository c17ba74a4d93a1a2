//! The counting plugin: building it, and finding the markers in an image.

use super::{RunnerError, build::shared_dir};
use object::{Object as _, ObjectSymbol as _};
use std::{
    env, format, fs, io,
    path::{Path, PathBuf},
    process::Command,
    string::{String, ToString as _},
};

/// The plugin's files; the first is compiled.
const SOURCES: [(&str, &str); 2] =
    [("count.c", include_str!("../../plugin/count.c")), ("cortex_m4.h", include_str!("../../plugin/cortex_m4.h"))];

/// Path of the compiled plugin, compiled now if this source was not before.
pub(super) fn compiled() -> Result<PathBuf, RunnerError> {
    let dir = shared_dir()?;
    let library = dir.join(format!("count-{:016x}.so", fnv1a(SOURCES.iter().flat_map(|(_, text)| text.bytes()))));
    if library.exists() {
        return Ok(library);
    }
    // A folder of its own until it is whole: several threads and processes may be here.
    let work = tempfile::tempdir_in(&dir).map_err(|e| RunnerError::file(dir.display(), e))?;
    let source = work.path().join("count.c");
    let fresh = work.path().join("count.so");
    for (name, text) in SOURCES {
        let path = work.path().join(name);
        fs::write(&path, text).map_err(|e| RunnerError::file(path.display(), e))?;
    }
    let cc = env::var("HOST_CC").unwrap_or_else(|_| String::from("cc"));
    let out = Command::new(&cc).args(["-O2", "-shared", "-fPIC", "-o"]).arg(&fresh).arg(&source).output();
    let out = out.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            RunnerError::Missing { program: cc.clone(), remedy: String::from("apt install gcc libc6-dev") }
        }
        _ => RunnerError::file(&cc, e),
    })?;
    if !out.status.success() {
        return Err(RunnerError::Build {
            what: String::from("the counting plugin"),
            message: String::from_utf8_lossy(&out.stderr).to_string(),
        });
    }
    fs::rename(&fresh, &library).map_err(|e| RunnerError::file(library.display(), e))?;
    Ok(library)
}

/// Addresses of the two markers in `image`; `None` if it has none.
pub(super) fn markers(image: &Path) -> Result<Option<(u64, u64)>, RunnerError> {
    let bytes = fs::read(image).map_err(|e| RunnerError::file(image.display(), e))?;
    let elf = object::File::parse(&*bytes)
        .map_err(|e| RunnerError::Build { what: image.display().to_string(), message: e.to_string() })?;
    // Bit 0 of a function's symbol says Thumb; instructions are at even addresses on every runner.
    let find = |name| elf.symbols().find(|s| s.name() == Ok(name)).map(|s| s.address() & !1);
    Ok(find("tanbo_count_begin").zip(find("tanbo_count_end")))
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): names the compiled plugin after its source.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}
