//! The zoo's model, with the feature `packed` for the cores of the target; and its card, by which events name their model: the first four bytes of its SHA-256.

use std::{env, error::Error, fs, path::Path};

use sha2::{Digest as _, Sha256};
use tanbo::pack::{family_for, repack};
use tanbo::{Family, Model};

fn main() -> Result<(), Box<dyn Error>> {
    const CARD: &str = "../../models/zoo/seismic/CARD.md";
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={CARD}");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let family = if cfg!(feature = "packed") { family_for(&env::var("TARGET")?) } else { Family::Portable };
    fs::write(out.join("seismic.tnb"), repack(&Model::parse(tanbo_zoo::SEISMIC)?, family)?)?;
    let hash = Sha256::digest(fs::read(CARD)?);
    let first = hash.first_chunk::<4>().ok_or("a hash of less than four bytes")?;
    fs::write(out.join("card.rs"), format!("{first:?}"))?;
    Ok(())
}
