//! The budgets: what each model takes of flash, RAM and instructions on each board, measured and held against
//! `benches/budgets.toml`.
//!
//! A row is a (board, model): the board firmware with its log and pipeline, for each emulated bare-metal core an image
//! of the engine linked for that model alone, and for each emulated core with an operating system the instructions of the
//! portable artifact, packed when it is loaded: a step that falls back to a reference kernel there takes many times its budget.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tanbo::Family;
use tanbo::pack::repack;
use tanbo_emulated::host::{ImageSize, Job, Runner, run_job};
use tanbo_format::{Model, Op, emit::Aligned};

use crate::board;
use crate::boards::{self, Image};
use crate::models::{artifact, committed, family_of, name, unreadable};
use crate::node_sim;
use crate::results::printed;
use crate::workspace::{Error, each, root};

const FILE: &str = "benches/budgets.toml";
/// A new budget is what was measured and this many percent.
const ROOM_PERCENT: u64 = 5;
/// The node's image in the rows.
const NODE: &str = "node-mps2";
/// The board firmware's name in the rows, and the model and recording that it is measured with.
const BOARD: (&str, &str, &str) = ("board-mps2", "seismic", "models/zoo/seismic/fixtures/south-napa-2014-ce68150.csv");

/// Steps that a family does not pack, by family, model and number: for one channel of it no short requantization is found that is exact.
const UNPACKED: [(&str, &str, u16); 1] = [("m0", "resnet8", 10)];

/// Sums that no update moves: of the seismic node's images, as small as the least of the parts that it is meant for.
const LIMITS: [(&str, &str, &[&str], u64); 4] = [
    (NODE, "seismic", &["flash_code", "flash_artifact"], 96 << 10),
    (NODE, "seismic", &["ram_static", "ram_arena", "ram_stack"], 24 << 10),
    ("board-nrf52840", "node", &["flash_code", "flash_artifact"], 128 << 10),
    ("board-nrf52840", "node", &["ram_static"], 32 << 10),
];

/// What a row counts: bytes, and instructions of one inference.
type Row = BTreeMap<String, u64>;
/// Rows by board and model.
type Rows = BTreeMap<String, BTreeMap<String, Row>>;

/// Measures every row and prints it; returns what is over its budget, or not in the file, or only there, and which image of a board lies
/// where it must not.
///
/// # Errors
/// The file cannot be read, or an image cannot be built or run.
pub fn check() -> Result<Vec<String>, Error> {
    let budgets = budgets()?;
    let mut measured = measure()?;
    let wrong = measure_boards(&mut measured)?;
    print(&budgets, &measured);
    Ok(compare(&budgets, &measured).into_iter().chain(beyond(&measured)).chain(wrong).collect())
}

/// As [`check`], for the boards' own rows.
///
/// # Errors
/// The file cannot be read, or an image cannot be built.
pub fn check_boards() -> Result<Vec<String>, Error> {
    let mut measured = Rows::new();
    let wrong = measure_boards(&mut measured)?;
    let names = boards::list()?.into_iter().map(|board| board.name).collect::<BTreeSet<_>>();
    let mut budgets = budgets()?;
    budgets.retain(|name, _| names.contains(name));
    Ok(compare(&budgets, &measured).into_iter().chain(wrong).collect())
}

fn budgets() -> Result<Rows, Error> {
    let path = root().join(FILE);
    let text = fs::read_to_string(&path).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| Error(format!("{}: {error}", path.display())))
}

fn print(budgets: &Rows, measured: &Rows) {
    println!("{:<14} {:<16} {:<16} {:>12} {:>12} {:>6}", "board", "model", "what", "measured", "budget", "used");
    for (board, model, what) in keys(measured) {
        let (value, most) = (get(measured, &board, &model, &what), get(budgets, &board, &model, &what));
        let used = match (value, most) {
            (Some(value), Some(most)) if most > 0 => format!("{} %", value * 100 / most),
            _ => String::new(),
        };
        println!("{board:<14} {model:<16} {what:<16} {:>12} {:>12} {used:>6}", show(value), show(most));
    }
}

/// Adds the images of the boards, by board and program; returns what is wrong with where they lie.
fn measure_boards(rows: &mut Rows) -> Result<Vec<String>, Error> {
    let (images, wrong) = boards::build()?;
    for Image { board, name, size } in images {
        let values = [
            ("flash_code", size.flash_code_bytes),
            ("flash_artifact", size.flash_artifact_bytes),
            ("ram_static", size.ram_static_bytes),
        ];
        let row = values.into_iter().map(|(what, value)| (String::from(what), value)).collect();
        rows.entry(board).or_default().insert(name, row);
    }
    Ok(wrong)
}

/// Measures every row and writes the file anew.
///
/// # Errors
/// The file cannot be written, or an image cannot be built or run.
pub fn update() -> Result<(), Error> {
    let mut rows = measure()?;
    measure_boards(&mut rows)?;
    let text = render(&rows, &today()?, &rustc()?);
    let path = root().join(FILE);
    fs::write(&path, text).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    println!("{}: written", path.display());
    Ok(())
}

/// Returns what is wrong with `measured` under `budgets`, a line each.
fn compare(budgets: &Rows, measured: &Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    let all: BTreeSet<_> = keys(budgets).into_iter().chain(keys(measured)).collect();
    for (board, model, what) in all {
        match (get(measured, &board, &model, &what), get(budgets, &board, &model, &what)) {
            (Some(value), Some(most)) if value <= most => {}
            (Some(value), Some(most)) => {
                wrong.push(format!("{board}, {model}: {what} is {value}, {} over the budget of {most}", value - most));
            }
            (Some(value), None) => {
                wrong.push(format!(
                    "{board}, {model}: {what} is {value} and has no budget in {FILE}: add it, or `--update`"
                ));
            }
            (None, _) => {
                wrong.push(format!("{board}, {model}: {what} is in {FILE}, but nothing measures it: take it out"))
            }
        }
    }
    wrong
}

/// Returns which of [`LIMITS`] do not hold, or were not measured.
fn beyond(measured: &Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    for (board, model, parts, most) in LIMITS {
        let sum = parts.iter().map(|what| get(measured, board, model, what)).sum::<Option<u64>>();
        if sum.is_none_or(|sum| sum > most) {
            let parts = parts.join(" and ");
            wrong.push(format!("{board}, {model}: {parts} are {} bytes, of {most} that may be", show(sum)));
        }
    }
    wrong
}

fn keys(rows: &Rows) -> Vec<(String, String, String)> {
    let mut keys = Vec::new();
    for (board, models) in rows {
        for (model, row) in models {
            keys.extend(row.keys().map(|what| (board.clone(), model.clone(), what.clone())));
        }
    }
    keys
}

fn get(rows: &Rows, board: &str, model: &str, what: &str) -> Option<u64> {
    rows.get(board)?.get(model)?.get(what).copied()
}

fn show(value: Option<u64>) -> String {
    value.map_or_else(|| String::from("none"), |value| value.to_string())
}

fn measure() -> Result<Rows, Error> {
    let mut rows = Rows::new();
    let models = models()?;
    let mut put = |board: &str, model: &str, values: &[(&str, u64)]| {
        let row = values.iter().map(|&(what, value)| (String::from(what), value)).collect();
        rows.entry(String::from(board)).or_default().insert(String::from(model), row);
    };
    let cores = cores()?;
    let pairs: Vec<_> = models.iter().flat_map(|model| cores.iter().map(move |runner| (model, runner))).collect();
    for (((name, _), runner), row) in
        pairs.iter().zip(each(&pairs, |((name, path), runner)| on_core(name, path, runner)))
    {
        put(&runner.name, name, &row?);
    }
    let (board, model, recording) = BOARD;
    let path = models.get(model).ok_or_else(|| Error(format!("models/zoo has no artifact of {model}")))?;
    let artifact = fs::read(path).map_err(|error| unreadable(path, &error))?;
    eprintln!("budget: {model} on {board}");
    let run = board::run_board(&root().join(recording))?;
    let size = ImageSize::of(&run.image).map_err(|error| Error(format!("{board}: {error}")))?;
    let aligned = Aligned::new(&artifact);
    let arena = Model::parse(&aligned).map_err(|error| Error(format!("{model}: {error}")))?.arena_bytes() as u64;
    let values = [
        ("flash_code", size.flash_code_bytes),
        ("flash_artifact", size.flash_artifact_bytes),
        // The board's arena is one of its static variables.
        ("ram_static", size.ram_static_bytes.saturating_sub(arena)),
        ("ram_arena", arena),
        ("ram_stack", run.stack_bytes),
    ];
    put(board, model, &values);
    eprintln!("budget: the node, {model}");
    let (size, stack) = node_sim::footprint()?;
    let values = [
        ("flash_code", size.flash_code_bytes),
        ("flash_artifact", size.flash_artifact_bytes),
        ("ram_static", size.ram_static_bytes.saturating_sub(arena)),
        ("ram_arena", arena),
        ("ram_stack", stack),
        ("world", size.world_bytes),
    ];
    put(NODE, model, &values);
    Ok(rows)
}

/// Measures a model on a core.
fn on_core(name: &str, path: &Path, runner: &Runner) -> Result<Vec<(&'static str, u64)>, Error> {
    eprintln!("budget: {} on {}", name, runner.name);
    let failed = |error: &dyn std::fmt::Display| Error(format!("{name} on {}: {error}", runner.name));
    let family = family_of(runner)?;
    let artifact = if runner.machine.is_none() {
        let portable = Aligned::new(&artifact(path, Family::Portable)?);
        let model = Model::parse(&portable).map_err(|error| failed(&error))?;
        repack(&model, family).map_err(|error| failed(&error))?
    } else {
        artifact(path, family)?
    };
    let steps = unpacked(&artifact)?;
    let known: Vec<u16> =
        UNPACKED.iter().filter(|known| (known.0, known.1) == (family.name(), name)).map(|known| known.2).collect();
    if steps != known {
        let reason =
            format_args!("steps {steps:?} run in the reference instead of {}; known: {known:?}", family.name());
        return Err(failed(&reason));
    }
    let job = Job::new(artifact.clone(), inputs(&artifact).map_err(|error| failed(&error))?);
    let report = run_job(runner, &job).map_err(|error| failed(&error))?;
    // The second run: the first may pay for what happens once.
    let instructions = report.instructions.get(1).copied().ok_or_else(|| failed(&"one run only"))?;
    if runner.machine.is_none() {
        return Ok(vec![("instructions", instructions)]);
    }
    let size = runner.image_size(&artifact).map_err(|error| failed(&error))?;
    let run = runner.image_run(&artifact).map_err(|error| failed(&error))?;
    let (Some(size), Some((stack, _))) = (size, run) else {
        return Err(failed(&"the size of a program with an operating system means nothing"));
    };
    Ok(vec![
        ("flash_code", size.flash_code_bytes),
        ("flash_artifact", size.flash_artifact_bytes),
        ("ram_static", size.ram_static_bytes),
        ("ram_arena", report.arena_bytes as u64),
        ("ram_stack", stack),
        ("instructions", instructions),
    ])
}

/// The first runner of each (target, kernel family): the others run the same code.
fn cores() -> Result<Vec<Runner>, Error> {
    let mut seen = BTreeSet::new();
    let mut cores = Runner::list().map_err(|error| Error(error.to_string()))?;
    cores.retain(|runner| seen.insert((runner.target.clone(), runner.family.clone())));
    Ok(cores)
}

/// The zoo's artifacts (`models/zoo/<name>/<name>.tnb`) and the models of `benches/models`, by name.
fn models() -> Result<BTreeMap<String, PathBuf>, Error> {
    let artifacts = committed()?.into_iter().map(|model| match model.file_stem() {
        // Of the zoo: beside the model lies its artifact, with card and front end.
        Some(stem) if stem == "model" => model.with_file_name(name(&model)).with_extension("tnb"),
        _ => model,
    });
    Ok(artifacts.map(|path| (name(&path), path)).collect())
}

/// Returns the steps that have no packing, of those operators that every family packs: they run in the reference.
fn unpacked(artifact: &[u8]) -> Result<Vec<u16>, Error> {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).map_err(|error| Error(error.to_string()))?;
    let steps = (0..).map_while(|number| model.step(number).map(|step| (number, step)));
    let packable = [Op::Conv2d, Op::DepthwiseConv2d, Op::FullyConnected];
    let found = steps.filter(|(_, step)| packable.contains(&step.op) && step.variant == 0);
    Ok(found.map(|(number, _)| number).collect())
}

/// Bytes for each input: the generator of *Numerical Recipes*, seed 0x12345678, its high bytes; each input goes on where
/// the last one ended.
fn inputs(artifact: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(&aligned).map_err(|error| Error(error.to_string()))?;
    let mut state = 0x1234_5678_u32;
    let mut bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    Ok(model
        .inputs()
        .iter()
        .map(|number| bytes.by_ref().take(model.tensor(*number).map_or(0, |tensor| tensor.bytes())).collect())
        .collect())
}

fn render(rows: &Rows, date: &str, rustc: &str) -> String {
    let mut text = format!(
        "# The most that each model may take on each board: `cargo xtask budget` measures and compares.\n\
         # Each is {ROOM_PERCENT} % above what `cargo xtask budget --update` measured, {date}, {rustc}.\n\
         #\n\
         # flash_code      code, plan, constants and initial data, without the artifact's constants; bytes\n\
         # flash_artifact  the artifact's constants, all that is linked of it; bytes\n\
         # ram_static      static variables, without the arena; bytes\n\
         # ram_arena       the engine's arena; bytes\n\
         # ram_stack       deepest stack: of the whole program on board-*, of the engine's run on a core; bytes\n\
         # instructions    of one inference\n\
         # world           code that stands for sensors, radio, battery and air around node-mps2; of no node, and not in flash_code\n\
         #\n\
         # board-mps2 is the emulated board's firmware with start-up, log, recording reader and pipeline; the other boards have rows by\n\
         # program, all static variables in ram_static; a core's name (m4) stands for start-up and the engine linked for that model alone; on\n\
         # a core with an operating system (a53) for the portable artifact, packed when it is loaded.\n"
    );
    for (board, models) in rows {
        for (model, row) in models {
            let _ = write!(text, "\n[{board}.{model}]\n");
            for (what, value) in row {
                let most = (value * (100 + ROOM_PERCENT)).div_ceil(100);
                let _ = writeln!(text, "{what} = {most} # measured {value}");
            }
        }
    }
    text
}

/// Today's date in UTC.
fn today() -> Result<String, Error> {
    printed(Command::new("date").args(["-u", "+%F"]))
}

/// The compiler's version: another one gives other sizes.
fn rustc() -> Result<String, Error> {
    let version = printed(Command::new("rustc").arg("--version"))?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::{Rows, beyond, compare, render};

    fn rows(text: &str) -> Rows {
        toml::from_str(text).expect("rows")
    }

    #[test]
    fn a_byte_over_is_found() {
        let budgets = rows("[m4.a]\nflash_code = 100\nram_stack = 50");
        assert_eq!(compare(&budgets, &rows("[m4.a]\nflash_code = 100\nram_stack = 9")), [""; 0]);
        assert_eq!(
            compare(&budgets, &rows("[m4.a]\nflash_code = 101\nram_stack = 9")),
            ["m4, a: flash_code is 101, 1 over the budget of 100"]
        );
    }

    #[test]
    fn sums_beyond_their_limit_are_found_and_so_are_missing_ones() {
        let image = |code: u64| {
            let node = format!("[node-mps2.seismic]\nflash_code = {code}\nflash_artifact = 4096\nram_static = 8192\n");
            let board = "[board-nrf52840.node]\nflash_code = 131072\nflash_artifact = 0\nram_static = 32768";
            rows(&format!("{node}ram_arena = 8192\nram_stack = 8192\n{board}"))
        };
        assert_eq!(beyond(&image(94_208)), [""; 0]);
        let sum = "node-mps2, seismic: flash_code and flash_artifact are 98305 bytes, of 98304 that may be";
        assert_eq!(beyond(&image(94_209)), [sum]);
        assert_eq!(beyond(&Rows::new()).len(), 4);
    }

    #[test]
    fn rows_on_one_side_only_are_found() {
        let one = rows("[m4.a]\nflash_code = 100");
        let two = rows("[m4.a]\nflash_code = 100\nram_stack = 5\n[m0.a]\nflash_code = 1");
        assert_eq!(compare(&one, &two).len(), 2);
        assert_eq!(compare(&two, &one).len(), 2);
        assert!(compare(&one, &two).iter().all(|line| line.contains("has no budget")));
        assert!(compare(&two, &one).iter().all(|line| line.contains("nothing measures it")));
    }

    #[test]
    fn what_is_written_passes_and_leaves_five_percent() {
        let measured = rows("[m4.a]\nflash_code = 1000\nram_static = 0\n[board-mps2.a]\nram_stack = 7");
        let written = rows(&render(&measured, "2026-01-31", "rustc 1"));
        assert_eq!(written, rows("[m4.a]\nflash_code = 1050\nram_static = 0\n[board-mps2.a]\nram_stack = 8"));
        assert_eq!(compare(&written, &measured), [""; 0]);
    }
}
