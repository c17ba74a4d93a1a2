//! `tanbo flash`: firmware, or a model for the slot that is not in use, through a debug probe, after a check where it would lie.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use tanbo_format::Family;
use tanbo_format::emit::Aligned;
use tanbo_format::record::HEADER_BYTES;
use tanbo_probe::layout::{self, Layout};
use tanbo_probe::{Chip, CoreType, Phase, ProbeError, Progress};
use tanbo_release::{stated_bytes, stated_release};

use crate::Verdict;
use crate::args::FlashArgs;
use crate::error::CliError;
use crate::files;
use crate::output::{Output, grouped, table};
use crate::release::{self, ReleaseFacts};
use crate::slots::{self, Slots};

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
    #[serde(flatten)]
    release: Option<ReleaseFacts>,
    family: Option<&'static str>,
    artifact_bytes: usize,
    /// What the node's flash says; null without a probe.
    node: Option<NodeModels>,
}

/// The models of a node.
#[derive(Serialize)]
struct NodeModels {
    /// The slot in use; null: the firmware's own model.
    running: Option<&'static str>,
    /// What its model states.
    running_version: Option<u32>,
    /// The highest version that was committed; 0 if none.
    committed_version: u32,
    /// The slot that is not in use.
    slot: &'static str,
}

/// What the parts of a flash map are called.
const SLOTS: [&str; 2] = ["slot a", "slot b"];

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
    let artifact = args.model.as_deref().map(release::artifact).transpose()?;
    let places = match (&args.model, &artifact) {
        (Some(path), Some(artifact)) => place_model(path, artifact, args, &found, &mut document)?,
        _ => None,
    };
    document.fits = document.wrong.is_empty();
    if document.fits && !args.dry_run {
        let mut chip = Chip::open(&args.probe.chip, args.probe.probe.as_deref())?;
        match (&artifact, &places) {
            (Some(artifact), Some(places)) => {
                runs_there(&mut chip, &elf, args.image.display(), &args.probe.chip)?;
                chip.stop()?;
                match lay(&mut chip, artifact, places, args, &mut document, out) {
                    Ok(()) if document.wrong.is_empty() => chip.start()?,
                    // As if nobody had been there.
                    end => chip.go_on().map_err(CliError::from).and(end)?,
                }
            }
            _ => {
                write(&mut chip, &layout::parts(&elf).map_err(refused)?, out)?;
                chip.start()?;
            }
        }
        document.fits = document.wrong.is_empty();
        document.written = document.fits;
    }
    out.document(&document, || text(&document))?;
    Ok(if document.fits { Verdict::Yes } else { Verdict::No })
}

/// Refuses an image that is not the one on the chip: of another one it says nothing where things lie or what its log means.
///
/// # Errors
/// That; a probe or chip that does not answer.
pub fn runs_there(chip: &mut Chip, elf: &[u8], image: impl Display, name: &str) -> Result<(), CliError> {
    let parts = layout::parts(elf).map_err(|error| CliError::new(&image, &error, error.remedy()))?;
    if chip.holds(&parts)? {
        return Ok(());
    }
    let reason = format!("it is not the image that {name} holds");
    Err(CliError::new(
        image,
        reason,
        format!("give the image that runs there, or write this one first: tanbo flash IMAGE --chip {name}"),
    ))
}

/// Where a node keeps its models and what it knows of them.
struct Places {
    slots: [Range<u64>; 2],
    selection: Range<u64>,
    store: Range<u64>,
    /// Bytes that its flash is written in, and erased in.
    units: (u64, u64),
}

impl Places {
    fn of(layout: &Layout) -> Option<Self> {
        let part = |name: &str| layout.part(name);
        let [a, b] = SLOTS;
        let (slots, units) = ([part(a)?, part(b)?], layout.units?);
        Some(Self { slots, selection: part("selection")?, store: part("store")?, units })
    }
}

/// Writes a model into the idle slot of a chip that stands still, and then offers it to the node; adds why not, and then nothing is written.
fn lay(
    chip: &mut Chip,
    artifact: &Aligned,
    places: &Places,
    args: &FlashArgs,
    document: &mut Document,
    out: &Output,
) -> Result<(), CliError> {
    let (word, page) = places.units;
    let (selection, store) = (part(chip, &places.selection)?, part(chip, &places.store)?);
    let held = slots::read(word, page, selection, store);
    let held = held.map_err(|error| CliError::new(&args.probe.chip, &error, error.remedy()))?;
    let place = |slot: u8| places.slots.get(usize::from(slot));
    let name = |slot: u8| SLOTS.get(usize::from(slot)).copied().unwrap_or_default();
    let running = match held.selected.and_then(place) {
        Some(place) => running_version(chip, place)?,
        None => None,
    };
    let Slots { selected, trial, idle, committed, offer } = held;
    if let Some(model) = &mut document.model {
        let version = model.release.as_ref().map_or(0, |release| release.version);
        let chip = &args.probe.chip;
        if let Some(slot) = selected.filter(|_| trial) {
            let slot = name(slot);
            document
                .wrong
                .push(format!("{chip}: {slot} is on trial: wait until its windows are over, or start the node anew"));
        } else if version <= committed {
            document.wrong.push(format!(
                "{}: version {version}, and {chip} has committed {committed}: sign it with a higher version",
                model.file
            ));
        } else if let Some(running) = running.filter(|running| version <= *running && !args.older) {
            document.wrong.push(format!(
                "{}: version {version}, and the slot in use has {running}: sign it with a higher version, or say --older",
                model.file
            ));
        }
        model.node = Some(NodeModels {
            running: selected.map(name),
            running_version: running,
            committed_version: committed,
            slot: name(idle),
        });
    }
    if let (true, Some(slot)) = (document.wrong.is_empty(), place(idle)) {
        // The selection last, so that it never offers what is not whole.
        write(chip, &[(slot.start, artifact)], out)?;
        write(chip, &[(places.selection.start, &offer)], out)?;
    }
    Ok(())
}

/// Reads a part of the flash.
fn part(chip: &mut Chip, range: &Range<u64>) -> Result<Vec<u8>, ProbeError> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
    chip.read(range.start, &mut bytes)?;
    Ok(bytes)
}

/// Returns the version that the model of a slot states, whoever signed it; `None` where there is none.
fn running_version(chip: &mut Chip, slot: &Range<u64>) -> Result<Option<u32>, ProbeError> {
    let head = part(chip, &(slot.start..slot.end.min(slot.start + HEADER_BYTES as u64)))?;
    let Some(bytes) = stated_bytes(&head) else { return Ok(None) };
    let artifact = part(chip, &(slot.start..slot.end.min(slot.start + bytes as u64)))?;
    Ok(stated_release(&artifact).map(|release| release.version))
}

/// Returns where a model goes that the firmware would take; adds what it would refuse it for.
fn place_model(
    path: &Path,
    artifact: &Aligned,
    args: &FlashArgs,
    layout: &Layout,
    document: &mut Document,
) -> Result<Option<Places>, CliError> {
    let keys = args.keys.iter().map(|path| release::public_key(path)).collect::<Result<Vec<_>, _>>()?;
    let wrong = &mut document.wrong;
    let mut model = Model {
        file: path.display().to_string(),
        release: None,
        family: None,
        artifact_bytes: artifact.len(),
        node: None,
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
    let places = Places::of(layout);
    match &places {
        None if layout.parts.is_empty() => {
            wrong.push(format!("{} has no flash map, so no slots: give a node's firmware", args.image.display()));
        }
        None => {
            let image = args.image.display();
            wrong.push(format!("{image} does not tell how its flash is written: build it anew from these sources"));
        }
        Some(Places { slots: [room, _], .. }) if room.end - room.start < artifact.len() as u64 => {
            let (path, room) = (path.display(), room.end - room.start);
            wrong.push(format!("{path}: {} bytes for a slot of {room}", artifact.len()));
        }
        Some(_) => {}
    }
    document.model = Some(model);
    Ok(places)
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

/// Writes `parts`, and shows how far it is.
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
    })
    .map_err(CliError::from)
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
    if let Some(Model { file, release: Some(ReleaseFacts { name, version, .. }), artifact_bytes, node, .. }) = model {
        text += &format!("{file}: {name} version {version}, {} bytes", grouped(*artifact_bytes as u64));
        text += &node.as_ref().map_or("\n".into(), |node| format!(", for {}\n", node.slot));
    }
    for line in wrong {
        text += &format!("NOT: {line}\n");
    }
    text + &match (fits, written, model) {
        (false, ..) => format!("{file}: does not fit {chip}; nothing was written\n"),
        (true, false, _) => format!("{file}: fits {chip}\n"),
        (true, true, None) => format!("{chip}: written, verified and started\n"),
        (true, true, Some(_)) => {
            format!(
                "{chip}: written, verified and started: the node checks the model now and tries it; tanbo monitor shows how\n"
            )
        }
    }
}
