//! The layer check: a crate depends only on crates of ours with a lower layer number, and nothing under `runtime/`
//! depends on anything of ours outside it.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::workspace::{Error, root};

/// Returns what is wrong, a line each.
///
/// # Errors
/// `cargo metadata` fails.
pub fn check() -> Result<Vec<String>, Error> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| Error(format!("cargo metadata: {error}")))?;
    let packages = metadata.workspace_packages();
    let mut wrong = Vec::new();
    let mut layers = BTreeMap::new();
    for package in &packages {
        match layer(package) {
            Some(layer) => _ = layers.insert(package.name.to_string(), layer),
            None => wrong.push(format!("{}: no `layer` in [package.metadata.tanbo]", package.name)),
        }
    }
    for package in &packages {
        let Some(&own) = layers.get(package.name.as_str()) else { continue };
        // What only tests use may come from anywhere: it is not linked into anything.
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let Some(&other) = layers.get(&dependency.name) else { continue };
            if other >= own {
                wrong.push(format!("{} (layer {own}) depends on {} (layer {other})", package.name, dependency.name));
            }
            let outside = packages.iter().any(|p| p.name.as_str() == dependency.name && !in_runtime(p));
            if in_runtime(package) && outside {
                wrong.push(format!("{} lies in runtime/ and depends on {} outside it", package.name, dependency.name));
            }
        }
    }
    Ok(wrong)
}

fn layer(package: &Package) -> Option<u64> {
    package.metadata.get("tanbo")?.get("layer")?.as_u64()
}

fn in_runtime(package: &Package) -> bool {
    package.manifest_path.strip_prefix(root()).is_ok_and(|path| path.starts_with("runtime"))
}
