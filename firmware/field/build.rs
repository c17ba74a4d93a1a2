//! The model's card, by which events name their model: the first four bytes of its SHA-256.

use std::{env, error::Error, fs, path::Path};

use sha2::{Digest as _, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    const CARD: &str = "../../models/zoo/seismic/CARD.md";
    println!("cargo::rerun-if-changed={CARD}");
    let hash = Sha256::digest(fs::read(CARD)?);
    let first = hash.first_chunk::<4>().ok_or("a hash of less than four bytes")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("card.rs"), format!("{first:?}"))?;
    Ok(())
}
