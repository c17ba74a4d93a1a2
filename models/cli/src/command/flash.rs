//! `tanbo flash`: firmware, or one model slot, through a debug probe, after a check where it would lie.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use tanbo_format::Family;
use tanbo_format::emit::Aligned;
use tanbo_probe::layout::{self, Layout};
use tanbo_probe::{Chip, CoreType, Phase, Progress};

use crate::Verdict;
use crate::args::{FlashArgs, Slot};
use crate::error::CliError;
use crate::files;
use crate::output::{Output, grouped, table};
use crate::release::{self, ReleaseFacts};

/// Largest image with its debug information: 256 MiB.
pub const IMAGE_LIMIT: u64 = 1 << 28;

#[derive(Serialize)]
struct Document {
    file: String,
    chip: String,
    /// Whether everything lies where it may.
    fits: bool,
    /// What is wrong.
    wrong: Vec<String>,
    /// What the image writes.
    flash: Vec<Area>,
    /// RAM that it takes, without the stack.
    ram: Vec<Area>,
    /// The parts of its flash map.
    parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Model>,
    /// Whether it was written and verified.
    written: bool,
}

#[derive(Serialize)]
struct Area {
    address: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    #[serde(flatten)]
    area: Area,
}

/// A model for a slot.
#[derive(Serialize)]
struct Model {
    file: String,
    slot: &'static str,
    #[serde(flatten)]
    release: Option<ReleaseFacts>,
    family: Option<&'static str>,
    artifact_bytes: usize,
}

impl From<&Range<u64>> for Area {
    fn from(range: &Range<u64>) -> Self {
        Self { address: range.start, bytes: range.end - range.start }
    }
}

/// Checks, then writes, verifies and starts the chip; the answer is no where something does not fit, and then nothing is touched.
pub fn flash(args: &FlashArgs, out: &Output) -> Result<Verdict, CliError> {
    let elf = files::read(&args.image, IMAGE_LIMIT)?;
    let place = args.image.display();
    let refused = |error: layout::LayoutError| CliError::new(&place, &error, error.remedy());
    let found = layout::check(&elf, &args.probe.chip).map_err(refused)?;
    let mut document = Document::of(&args.image, &found);
    let model = match (&args.model, args.slot) {
        (Some(path), Some(slot)) => {
            let artifact = release::artifact(path)?;
            let slot = place_model(path, &artifact, slot, args, &found, &mut document)?;
            slot.map(|address| (address, artifact))
        }
        _ => None,
    };
    document.fits = document.wrong.is_empty();
    if document.fits && !args.dry_run {
        let parts = match &model {
            Some((address, artifact)) => vec![(*address, &artifact[..])],
            None => layout::parts(&elf).map_err(refused)?,
        };
        write(&mut Chip::open(&args.probe.chip, args.probe.probe.as_deref())?, &parts, out)?;
        document.written = true;
    }
    out.document(&document, || text(&document))?;
    Ok(if document.fits { Verdict::Yes } else { Verdict::No })
}

/// Returns the address for a model that the firmware would take; adds what it would refuse it for.
fn place_model(
    path: &Path,
    artifact: &Aligned,
    slot: Slot,
    args: &FlashArgs,
    layout: &Layout,
    document: &mut Document,
) -> Result<Option<u64>, CliError> {
    let keys = args.keys.iter().map(|path| release::public_key(path)).collect::<Result<Vec<_>, _>>()?;
    let name = match slot {
        Slot::A => "slot a",
        Slot::B => "slot b",
    };
    let wrong = &mut document.wrong;
    let mut model = Model {
        file: path.display().to_string(),
        slot: name,
        release: None,
        family: None,
        artifact_bytes: artifact.len(),
    };
    match tanbo_release::verify(artifact, &keys) {
        Ok(release) => model.release = Some(ReleaseFacts::of(&release)),
        Err(error) => wrong.push(format!("{}: {error}", path.display())),
    }
    match tanbo_format::Model::parse(artifact) {
        Ok(parsed) => {
            let (family, core) = (parsed.family(), layout.core);
            model.family = Some(family.name());
            if !runs(core, family) {
                let (path, chip) = (path.display(), &layout.chip);
                wrong.push(format!(
                    "{path}: packed for {}, which {chip} does not run: its core is {core:?}",
                    family.name()
                ));
            }
        }
        Err(error) => wrong.push(format!("{}: {error}", path.display())),
    }
    let room = layout.part(name);
    match &room {
        None => wrong.push(format!("{} has no flash map, so no {name}", args.image.display())),
        Some(room) if room.end - room.start < artifact.len() as u64 => {
            wrong.push(format!("{}: {} bytes for {name} of {}", path.display(), artifact.len(), room.end - room.start));
        }
        Some(_) => {}
    }
    document.model = Some(model);
    Ok(room.map(|room| room.start))
}

/// Returns whether a core can have kernels of a family.
fn runs(core: CoreType, family: Family) -> bool {
    match family {
        Family::Portable => true,
        Family::M0 => core == CoreType::Armv6m,
        Family::M3 => core == CoreType::Armv7m,
        Family::Dsp => matches!(core, CoreType::Armv7em | CoreType::Armv8m),
        Family::Mve => core == CoreType::Armv8m,
        Family::Rv32 => core == CoreType::Riscv,
        _ => false,
    }
}

/// Writes `parts` and starts the chip, and shows how far it is.
fn write(chip: &mut Chip, parts: &[(u64, &[u8])], out: &Output) -> Result<(), CliError> {
    let mut progress = out.progress();
    // Of each phase: bytes done and expected.
    let mut phases: Vec<(Phase, u64, u64)> = Vec::new();
    chip.write(parts, |step| {
        let (Progress::Expected(phase, _) | Progress::Done(phase, _)) = step;
        let at = phases.iter().position(|(known, ..)| *known == phase).unwrap_or_else(|| {
            phases.push((phase, 0, 0));
            phases.len() - 1
        });
        let Some((_, done, total)) = phases.get_mut(at) else { return };
        match step {
            Progress::Expected(_, bytes) => *total += bytes,
            Progress::Done(_, bytes) => {
                *done += bytes;
                progress.step(phase.name(), *done, *total);
            }
        }
    })?;
    Ok(chip.start()?)
}

impl Document {
    fn of(file: &Path, layout: &Layout) -> Self {
        Self {
            file: file.display().to_string(),
            chip: layout.chip.clone(),
            fits: false,
            wrong: layout.wrong.clone(),
            flash: layout.flash.iter().map(Area::from).collect(),
            ram: layout.ram.iter().map(Area::from).collect(),
            parts: layout.parts.iter().map(|part| Part { name: part.name, area: (&part.range).into() }).collect(),
            model: None,
            written: false,
        }
    }
}

fn text(document: &Document) -> String {
    let Document { file, chip, fits, wrong, flash, ram, parts, model, written } = document;
    let mut rows = vec![["what", "from", "to", "bytes"].map(String::from).to_vec()];
    let areas = flash.iter().map(|area| ("written", area)).chain(ram.iter().map(|area| ("RAM", area)));
    for (name, Area { address, bytes }) in areas.chain(parts.iter().map(|part| (part.name, &part.area))) {
        let [from, to] = [*address, address + bytes].map(|address| format!("{address:#010x}"));
        rows.push(vec![name.into(), from, to, grouped(*bytes)]);
    }
    let mut text = table(&rows);
    if let Some(Model { file, slot, release: Some(ReleaseFacts { name, version, .. }), artifact_bytes, .. }) = model {
        text += &format!("{file}: {name} version {version}, {} bytes, for {slot}\n", grouped(*artifact_bytes as u64));
    }
    for line in wrong {
        text += &format!("NOT: {line}\n");
    }
    text + &match (fits, written) {
        (false, _) => format!("{file}: does not fit {chip}; nothing was written\n"),
        (true, false) => format!("{file}: fits {chip}\n"),
        (true, true) => format!("{chip}: written, verified and started\n"),
    }
}
