//! What each model of the zoo computes, by the reference kernels of the machine that builds.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use tanbo::{Arena, Engine, Family, Model};
use tanbo_release::Golden;

/// Seed and number of inferences.
const SEED: u32 = 7;
const RUNS: u8 = 8;
/// The arena of the tests, bytes: for every model of the zoo and every small case of the conformance suite.
const ARENA_BYTES: usize = 16 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut goldens = String::new();
    let mut arena = Arena::<ARENA_BYTES>::new();
    for (name, artifact) in tanbo_zoo::ALL {
        let model = Model::parse(artifact)?;
        let mut engine = Engine::new(&model, tanbo::table_or_reference(Family::Portable), arena.as_mut())
            .map_err(|error| format!("{name}: {error} (ARENA_BYTES in firmware/suite/build.rs)"))?;
        let Golden { seed, runs, digest } = Golden::of(&mut engine, SEED, RUNS, |_| ())?;
        writeln!(goldens, "    Golden {{ seed: {seed}, runs: {runs}, digest: {digest:?} }},")?;
    }
    let text = format!(
        "/// What the models of the zoo compute, in its order.\nstatic GOLDENS: [Golden; {}] = [\n{goldens}];\n\
         const ARENA_BYTES: usize = {ARENA_BYTES};\n",
        tanbo_zoo::ALL.len(),
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("goldens.rs"), text)?;
    Ok(())
}
