//! What the tests of the engine run: the zoo's models packed for the target, and the conformance suite's small cases of the operators that
//! follow, as they are and packed; and what the models compute, by the reference kernels of the machine that builds.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use tanbo::pack::{family_for, repack};
use tanbo::{Arena, Engine, Family, Model, Op};
use tanbo_conformance::SMALL;
use tanbo_conformance::pack::Pack;
use tanbo_conformance::pack_writer::{Entry, write};
use tanbo_format::emit::Aligned;
use tanbo_release::Golden;

/// Seed and number of inferences.
const SEED: u32 = 7;
const RUNS: u8 = 8;
/// The arena of the tests, bytes: for every model of the zoo and every small case of the conformance suite.
const ARENA_BYTES: usize = 16 << 10;

/// Those whose weights are packed for a core: kernels of its own. Image and tests fit boards of 256 KB.
const OPERATORS: [Op; 3] = [Op::Conv2d, Op::DepthwiseConv2d, Op::FullyConnected];

/// Operators with the portable packing, and with the family's.
#[derive(Default)]
struct Operators([u64; 2]);

impl Operators {
    /// Adds those of a model; returns whether a step of it is packed.
    fn add(&mut self, model: &Model<'_>) -> Result<bool, Box<dyn Error>> {
        let mut packed = false;
        for number in 0..model.step_count() {
            let step = model.step(u16::try_from(number)?).ok_or("a step")?;
            packed |= step.variant != 0;
            for (operators, bit) in self.0.iter_mut().zip(tanbo::included::bits(step.op, step.variant)) {
                *operators |= bit;
            }
        }
        Ok(packed)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let family = family_for(&env::var("TARGET")?);
    let mut models = String::new();
    let mut operators = Operators::default();
    operators.0[0] = OPERATORS.iter().fold(0, |bits, &op| bits | 1 << op as u8);
    let mut arena = Arena::<ARENA_BYTES>::new();
    for (name, artifact) in tanbo_zoo::ALL {
        let model = Model::parse(artifact)?;
        operators.add(&model)?;
        let mut engine = Engine::new(&model, tanbo::table_or_reference(Family::Portable), arena.as_mut())
            .map_err(|error| format!("{name}: {error} (ARENA_BYTES in firmware/suite/build.rs)"))?;
        let Golden { seed, runs, digest } = Golden::of(&mut engine, SEED, RUNS, |_| ())?;
        let artifact = Aligned::new(&repack(&model, family)?);
        operators.add(&Model::parse(&artifact)?)?;
        fs::write(out.join(format!("{name}.tnb")), &*artifact)?;
        writeln!(
            models,
            "    Subject {{\n        name: \"{name}\",\n        artifact: included!(\"{name}.tnb\"),\n        \
             golden: Golden {{ seed: {seed}, runs: {runs}, digest: {digest:?} }},\n    }},"
        )?;
    }
    let mut cases = Vec::new();
    for case in Pack::parse(SMALL)?.cases() {
        let case = case?;
        let model = Model::parse(case.artifact)?;
        if model.operators() & !operators.0[0] != 0 {
            continue;
        }
        let entry = |artifact: &[u8]| Entry {
            name: case.name.into(),
            artifact: artifact.into(),
            inputs: case.inputs.into(),
            expected: case.expected.into(),
        };
        cases.push(entry(case.artifact));
        let artifact = Aligned::new(&repack(&model, family)?);
        if operators.add(&Model::parse(&artifact)?)? {
            cases.push(entry(&artifact));
        }
    }
    let Operators([portable, packed]) = operators;
    fs::write(out.join("cases.bin"), write(&cases.iter().collect::<Vec<_>>()).ok_or("more than 4 GiB of cases")?)?;
    let text = format!(
        "/// The models of the zoo, packed for the target, and what they compute.\nstatic MODELS: &[Subject] = &[\n{models}];\n\
         /// The kernels of the target's cores; operators with the portable packing and with the family's.\n\
         const FAMILY: Family = Family::{family:?};\nconst OPERATORS: u64 = {portable:#x};\n\
         const PACKED_OPERATORS: u64 = {packed:#x};\nconst ARENA_BYTES: usize = {ARENA_BYTES};\n",
    );
    fs::write(out.join("subjects.rs"), text)?;
    Ok(())
}
