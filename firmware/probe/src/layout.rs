//! Whether an image lies where its chip has memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use object::elf::{EM_ARM, FileHeader32, PF_X, PT_LOAD};
use object::read::elf::{ElfFile, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _};
use probe_rs::config::{MemoryRegion, Registry};
use probe_rs::{CoreType, Target};

/// Parts of a flash map, as the build script of a board names their starts in its image, in their order, and where flash ends.
const PARTS: [&str; 7] = ["flash", "slots", "selection", "last_words", "identity", "store", "flash_end"];

/// Why nothing could be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// probe-rs knows no such chip, or several.
    Chip {
        /// What was asked for.
        name: String,
        /// What it says.
        reason: String,
        /// Chips whose names begin alike.
        alike: Vec<String>,
    },
    /// No program can have this chip for itself.
    Unfit {
        /// The chip.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The file is no 32-bit ELF file.
    Elf(String),
}

impl LayoutError {
    /// Returns what can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            // Its library has Espressif's chips in a crate apart, whose images are no plain segments.
            Self::Chip { name, .. } if name.starts_with("esp32") => "write it with espflash flash --monitor".into(),
            Self::Chip { alike, .. } if alike.is_empty() => "name the chip as probe-rs does: probe.rs/targets".into(),
            Self::Chip { alike, .. } => format!("is it one of {}?", alike.join(", ")),
            Self::Unfit { .. } => "choose another chip, or an emulated core".into(),
            Self::Elf(_) => "give the firmware as the linker wrote it".into(),
        }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chip { name, reason, .. } => write!(f, "{name}: {reason}"),
            Self::Unfit { name, reason } => write!(f, "{name}: {reason}"),
            Self::Elf(reason) => write!(f, "not a 32-bit ELF file: {reason}"),
        }
    }
}

impl std::error::Error for LayoutError {}

/// Where the parts of an image lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The chip, as probe-rs names it.
    pub chip: String,
    /// The core that runs the firmware.
    pub core: CoreType,
    /// Addresses that are written into flash, one range per segment.
    pub flash: Vec<Range<u64>>,
    /// Addresses that the image takes when it runs and that hold nothing before: variables.
    pub ram: Vec<Range<u64>>,
    /// The parts of its flash map in their order, if it has one: `firmware`, `slot a`, `slot b`, `selection`, `last words`, `identity`, `store`.
    pub parts: Vec<Part>,
    /// How the firmware's driver writes that flash: bytes at once, and bytes erased at once; `None` of an image that does not tell.
    pub units: Option<(u64, u64)>,
    /// What is wrong, a line each; empty for an image that fits.
    pub wrong: Vec<String>,
}

/// A part of an image's flash map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What lies there.
    pub name: &'static str,
    /// Its addresses.
    pub range: Range<u64>,
}

impl Layout {
    /// Returns the addresses of a part of the flash map, by its name.
    pub fn part(&self, name: &str) -> Option<Range<u64>> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.range.clone())
    }
}

/// Returns probe-rs's description of a chip.
///
/// # Errors
/// [`LayoutError::Chip`].
pub fn target(chip: &str) -> Result<Target, LayoutError> {
    // Thousands of chips take a while to decode.
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::from_builtin_families);
    REGISTRY.get_target_by_name(chip).map_err(|error| {
        // The family, mostly: letters and a few digits.
        let begin = chip.get(..chip.len().min(7)).unwrap_or(chip);
        let mut alike = REGISTRY.search_chips(begin);
        alike.truncate(8);
        LayoutError::Chip { name: chip.into(), reason: error.to_string(), alike }
    })
}

/// Where a program for a chip goes that has the chip for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramMemory {
    /// The core that runs it.
    pub core: CoreType,
    /// The flash that the core starts from.
    pub flash: Range<u64>,
    /// The longest stretch of RAM.
    pub ram: Range<u64>,
}

/// Returns where a program for `chip` goes.
///
/// # Errors
/// [`LayoutError::Chip`]; [`LayoutError::Unfit`] for chips without flash or RAM, and those that start by a boot block of their own (RP2040, RP2350).
pub fn program_memory(chip: &str) -> Result<ProgramMemory, LayoutError> {
    let target = target(chip)?;
    let unfit = |reason| LayoutError::Unfit { name: chip.into(), reason };
    if target.name.starts_with("RP2") {
        return Err(unfit("it starts by a boot block, which a program of its own does not have"));
    }
    let memory = Memory::of(&target);
    let boots = target.memory_map.iter().filter_map(MemoryRegion::as_nvm_region).find(|region| region.is_boot_memory());
    let longest = |ranges: &[Range<u64>]| ranges.iter().max_by_key(|range| range.end - range.start).cloned();
    let flash = boots.map_or_else(|| longest(&memory.flash), |region| Some(region.range.clone()));
    Ok(ProgramMemory {
        core: target.default_core().core_type,
        flash: flash.ok_or_else(|| unfit("it has no flash"))?,
        ram: longest(&memory.ram).ok_or_else(|| unfit("it has no RAM"))?,
    })
}

/// Checks where the image `elf` lies on `chip`: what is written must lie in flash or RAM, what is used at run time in RAM, nothing twice,
/// the core must find a stack and a program to begin with, and the parts of its flash map must be free flash, each whole sectors.
///
/// # Errors
/// A chip that probe-rs does not know; a file that is no image. What is wrong with an image is in [`Layout::wrong`].
pub fn check(elf: &[u8], chip: &str) -> Result<Layout, LayoutError> {
    let target = target(chip)?;
    let file = ElfFile::<FileHeader32<Endianness>>::parse(elf).map_err(|error| LayoutError::Elf(error.to_string()))?;
    let memory = Memory::of(&target);
    let mut layout = Layout {
        chip: target.name.clone(),
        core: target.default_core().core_type,
        flash: Vec::new(),
        ram: Vec::new(),
        parts: Vec::new(),
        units: None,
        wrong: Vec::new(),
    };
    let endian = file.endian();
    let (mut code, mut begin) = (Vec::new(), None);
    for header in file.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD) {
        let stored: u64 = header.p_filesz(endian).into();
        let used: u64 = header.p_memsz(endian).into();
        let (from, at): (u64, u64) = (header.p_paddr(endian).into(), header.p_vaddr(endian).into());
        if stored > 0 {
            let range = from..from + stored;
            if !memory.flash_holds(&range) && !memory.ram_holds(&range) {
                layout.wrong.push(format!("{} is written where {chip} has no memory: {memory}", text(&range)));
            }
            layout.flash.push(range);
        }
        if used > 0 && (at != from || used > stored) {
            let range = at..at + used;
            if !memory.ram_holds(&range) {
                layout.wrong.push(format!("{} is used where {chip} has no RAM: {memory}", text(&range)));
            }
            layout.ram.push(range);
        }
        if header.p_flags(endian) & PF_X != 0 {
            code.push(at..at + used);
        }
        if stored > 0
            && memory.flash_holds(&(from..from + stored))
            && begin.as_ref().is_none_or(|&(first, _)| from < first)
        {
            begin = Some((from, header.data(endian, elf).unwrap_or_default()));
        }
    }
    if layout.flash.is_empty() {
        layout.wrong.push("nothing is written: the image is empty".into());
    }
    layout.wrong.extend(twice(&layout.flash));
    layout.wrong.extend(twice(&layout.ram));
    if file.elf_header().e_machine(endian) == EM_ARM {
        let vectors = file.section_by_name(".vector_table").and_then(|section| section.data().ok());
        let words = vectors.or(begin.map(|(_, bytes)| bytes)).unwrap_or_default();
        layout.wrong.extend(start(words, &memory, &code));
    } else if !code.iter().any(|range| range.contains(&file.entry())) {
        layout.wrong.push(format!("the entry {:#x} lies in no code", file.entry()));
    }
    let symbols: BTreeMap<&str, u64> = file
        .symbols()
        .filter_map(|symbol| Some((symbol.name().ok()?.strip_prefix("__tanbo_")?, symbol.address())))
        .collect();
    layout.units = symbols.get("word_bytes").copied().zip(symbols.get("page_bytes").copied());
    map(&mut layout, &symbols, &memory, &target);
    Ok(layout)
}

/// Returns what is written of the image `elf`: bytes, each at an address.
///
/// # Errors
/// [`LayoutError::Elf`].
pub fn parts(elf: &[u8]) -> Result<Vec<(u64, &[u8])>, LayoutError> {
    let refused = |error: object::Error| LayoutError::Elf(error.to_string());
    let file = ElfFile::<FileHeader32<Endianness>>::parse(elf).map_err(refused)?;
    let endian = file.endian();
    let headers = file.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD);
    let stored = headers.filter(|header| header.p_filesz(endian) > 0);
    let part = |header: &object::elf::ProgramHeader32<Endianness>| {
        let bytes =
            header.data(endian, elf).map_err(|()| LayoutError::Elf("a part lies outside of the file".into()))?;
        Ok((header.p_paddr(endian).into(), bytes))
    };
    stored.map(part).collect()
}

/// Returns what is wrong with the two words that a Cortex-M begins with.
fn start(vectors: &[u8], memory: &Memory, code: &[Range<u64>]) -> Vec<String> {
    let word = |at: usize| Some(u64::from(u32::from_le_bytes(vectors.get(at..at + 4)?.try_into().ok()?)));
    let (Some(stack), Some(reset)) = (word(0), word(4)) else { return vec!["there is no vector table".into()] };
    let mut wrong = Vec::new();
    // The stack grows down: its top may be the end of RAM.
    if stack % 4 != 0 || !memory.ram_holds(&(stack.saturating_sub(4)..stack)) {
        wrong.push(format!("the stack begins at {stack:#x}, which is not in RAM: {memory}"));
    }
    if reset % 2 == 0 {
        wrong.push(format!("the reset vector {reset:#x} is even: not the address of a Thumb function"));
    } else if !code.iter().any(|range| range.contains(&(reset - 1))) {
        wrong.push(format!("the reset vector {reset:#x} points to no code of the image"));
    }
    wrong
}

/// Fills in the parts of the flash map, and what is wrong with them.
fn map(layout: &mut Layout, symbols: &BTreeMap<&str, u64>, memory: &Memory, target: &Target) {
    let addresses: Vec<u64> = PARTS.iter().filter_map(|part| symbols.get(part).copied()).collect();
    let &[flash, slots, selection, last_words, identity, store, end] = addresses.as_slice() else {
        if !addresses.is_empty() {
            let (found, all) = (addresses.len(), PARTS.len());
            layout.wrong.push(format!("the flash map is not whole: the image names {found} of {all} addresses"));
        }
        return;
    };
    for (names, pair) in PARTS.windows(2).zip(addresses.windows(2)) {
        if let ([before, after], [one, next]) = (names, pair)
            && one >= next
        {
            layout.wrong.push(format!("{before} at {one:#x} is not before {after} at {next:#x}"));
        }
    }
    if !addresses.is_sorted() {
        return;
    }
    let second = slots + (selection - slots) / 2;
    let starts = [
        ("firmware", flash),
        ("slot a", slots),
        ("slot b", second),
        ("selection", selection),
        ("last words", last_words),
        ("identity", identity),
        ("store", store),
    ];
    let ends = starts.iter().skip(1).map(|&(_, start)| start).chain([end]);
    layout.parts = starts.iter().zip(ends).map(|(&(name, start), end)| Part { name, range: start..end }).collect();
    let kept = slots..end;
    if !memory.flash_holds(&(flash..end)) {
        layout.wrong.push(format!("the flash map {} leaves the flash: {memory}", text(&(flash..end))));
    }
    for range in layout.flash.iter().filter(|range| range.start < kept.end && kept.start < range.end) {
        let range = text(range);
        layout.wrong.push(format!("{range} of the image lies in the slots and what follows them at {}", text(&kept)));
    }
    for part in layout.parts.iter().filter(|part| part.name != "firmware") {
        for address in [part.range.start, part.range.end] {
            if let Some(bytes) = cut_sector(target, address) {
                layout.wrong.push(format!("{} at {} cuts a sector of {bytes} bytes", part.name, text(&part.range)));
            }
        }
    }
}

/// Returns the length of the sector that `address` lies in the middle of, if it does: what is erased at once, by probe-rs's flash algorithms.
fn cut_sector(target: &Target, address: u64) -> Option<u64> {
    let flashes = target.flash_algorithms.iter().map(|algorithm| &algorithm.flash_properties);
    flashes.filter(|flash| flash.address_range.contains(&address)).find_map(|flash| {
        let offset = address - flash.address_range.start;
        let sector =
            flash.sectors.iter().filter(|sector| sector.address <= offset).max_by_key(|sector| sector.address)?;
        let cut = sector.size > 0 && !(offset - sector.address).is_multiple_of(sector.size);
        cut.then_some(sector.size)
    })
}

/// Returns the pairs of ranges that share an address.
fn twice(ranges: &[Range<u64>]) -> Vec<String> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    let pairs = sorted.iter().zip(sorted.iter().skip(1)).filter(|(one, next)| next.start < one.end);
    pairs.map(|(one, next)| format!("{} and {} overlap", text(one), text(next))).collect()
}

fn text(range: &Range<u64>) -> String {
    format!("{:#010x}..{:#010x}", range.start, range.end)
}

/// The memory of a chip; regions that follow one another are one.
struct Memory {
    flash: Vec<Range<u64>>,
    ram: Vec<Range<u64>>,
}

impl Memory {
    fn of(target: &Target) -> Self {
        let joined = |wanted: fn(&MemoryRegion) -> bool| {
            let regions = target.memory_map.iter().filter(|region| wanted(region));
            let mut ranges: Vec<Range<u64>> = regions.map(MemoryRegion::address_range).collect();
            ranges.sort_by_key(|range| range.start);
            let mut joined: Vec<Range<u64>> = Vec::new();
            for range in ranges {
                match joined.last_mut() {
                    Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                    _ => joined.push(range),
                }
            }
            joined
        };
        Self { flash: joined(|region| region.is_nvm()), ram: joined(|region| region.is_ram()) }
    }

    fn flash_holds(&self, range: &Range<u64>) -> bool {
        holds(&self.flash, range)
    }

    fn ram_holds(&self, range: &Range<u64>) -> bool {
        holds(&self.ram, range)
    }
}

fn holds(memory: &[Range<u64>], range: &Range<u64>) -> bool {
    memory.iter().any(|region| region.start <= range.start && range.end <= region.end)
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ranges: &[Range<u64>]| ranges.iter().map(text).collect::<Vec<_>>().join(", ");
        write!(f, "flash {}; RAM {}", list(&self.flash), list(&self.ram))
    }
}
