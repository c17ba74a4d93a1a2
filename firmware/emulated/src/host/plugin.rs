//! The plugins: building them, and finding the markers in an image.

use super::{RunnerError, build::shared_dir};
use object::{Object as _, ObjectSymbol as _};
use std::{
    env, format, fs, io,
    path::{Path, PathBuf},
    process::Command,
    string::{String, ToString as _},
};

/// A plugin.
pub(super) struct Plugin {
    name: &'static str,
    /// Its files; the first is compiled.
    sources: &'static [(&'static str, &'static str)],
    /// Functions between which it counts, or does not.
    markers: [&'static str; 2],
}

/// Counts between two markers.
pub(super) const COUNT: Plugin = Plugin {
    name: "count",
    sources: &[
        ("count.c", include_str!("../../plugin/count.c")),
        ("cortex_m4.h", include_str!("../../plugin/cortex_m4.h")),
    ],
    markers: ["tanbo_count_begin", "tanbo_count_end"],
};
/// Counts each instruction, but for those between two markers.
pub(super) const PROFILE: Plugin = Plugin {
    name: "profile",
    sources: &[("profile.c", include_str!("../../plugin/profile.c"))],
    markers: ["tanbo_profile_enter", "tanbo_profile_leave"],
};

/// Path of the compiled plugin, compiled now if this source was not before.
pub(super) fn compiled(plugin: &Plugin) -> Result<PathBuf, RunnerError> {
    let Plugin { name, sources, .. } = plugin;
    let dir = shared_dir()?;
    let library = dir.join(format!("{name}-{:016x}.so", fnv1a(sources.iter().flat_map(|(_, text)| text.bytes()))));
    if library.exists() {
        return Ok(library);
    }
    // A folder of its own until it is whole: several threads and processes may be here.
    let work = tempfile::tempdir_in(&dir).map_err(|e| RunnerError::file(dir.display(), e))?;
    let source = work.path().join(format!("{name}.c"));
    let fresh = work.path().join(format!("{name}.so"));
    for (name, text) in *sources {
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
            what: format!("the plugin {name}"),
            message: String::from_utf8_lossy(&out.stderr).to_string(),
        });
    }
    fs::rename(&fresh, &library).map_err(|e| RunnerError::file(library.display(), e))?;
    Ok(library)
}

/// Addresses of a plugin's two markers in `image`; `None` if it has none.
pub(super) fn markers(plugin: &Plugin, image: &Path) -> Result<Option<(u64, u64)>, RunnerError> {
    let bytes = fs::read(image).map_err(|e| RunnerError::file(image.display(), e))?;
    let elf = object::File::parse(&*bytes)
        .map_err(|e| RunnerError::Build { what: image.display().to_string(), message: e.to_string() })?;
    // Bit 0 of a function's symbol says Thumb; instructions are at even addresses on every runner.
    let find = |name| elf.symbols().find(|s| s.name() == Ok(name)).map(|s| s.address() & !1);
    let [first, second] = plugin.markers;
    match find(first).zip(find(second)) {
        Some((one, other)) if one == other => Err(RunnerError::Build {
            what: image.display().to_string(),
            message: format!("its linker made one function of {first} and {second}: their code must differ"),
        }),
        found => Ok(found),
    }
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): names the compiled plugin after its source.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}
