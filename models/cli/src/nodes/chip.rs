//! Identities of chips behind debug probes, at the addresses that the firmware's own flash map says.

use std::ops::Range;

use tanbo_flash_map::Identity;
use tanbo_probe::{Chip, ProbeError, layout};

use crate::args::ChipArgs;
use crate::command::flash::{IMAGE_LIMIT, runs_there};
use crate::error::CliError;
use crate::files;

/// A node on a probe.
pub struct OnChip {
    chip: Chip,
    name: String,
    places: Places,
}

/// Where a node keeps who it is, and what is under its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    identity: Range<u64>,
    store: Range<u64>,
}

impl Places {
    /// Returns what the flash map inside an image says of a chip.
    ///
    /// # Errors
    /// An image or a chip that there is not, or a flash map that does not fit.
    pub fn of(args: &ChipArgs, chip: &str) -> Result<Option<Self>, CliError> {
        let Some(image) = &args.image else { return Ok(None) };
        let place = image.display();
        let elf = files::read(image, IMAGE_LIMIT)?;
        let layout = layout::check(&elf, chip).map_err(|error| CliError::new(&place, &error, error.remedy()))?;
        if let Some(wrong) = layout.wrong.first() {
            return Err(CliError::new(&place, wrong, "give the firmware of this board, as the linker wrote it"));
        }
        let part = |name: &str| {
            let part = layout.parts.iter().find(|part| part.name == name).map(|part| part.range.clone());
            part.ok_or_else(|| {
                CliError::new(&place, format_args!("no {name} in its flash map"), "give a node's firmware")
            })
        };
        Ok(Some(Self { identity: part("identity")?, store: part("store")? }))
    }

    /// Returns what makes a node, which was `old`, `new`: bytes, each at an address. Where node or keys are others, the store is erased.
    pub fn parts(&self, old: Option<&Identity>, new: Option<&Identity>) -> Vec<(u64, Vec<u8>)> {
        let erased = |range: &Range<u64>| vec![0xff; usize::try_from(range.end - range.start).unwrap_or(0)];
        let page = new.map_or_else(|| erased(&self.identity), |new| new.to_bytes().to_vec());
        let mut parts = vec![(self.identity.start, page)];
        let who = |identity: &Identity| (identity.node, identity.key, identity.app_key);
        if old.is_none() || old.map(who) != new.map(who) {
            parts.push((self.store.start, erased(&self.store)));
        }
        parts
    }
}

impl OnChip {
    /// Attaches to the chip; `None` where no image is given.
    ///
    /// # Errors
    /// As [`Places::of`]; those of the probe.
    pub fn open(args: &ChipArgs) -> Result<Option<Self>, CliError> {
        let name = args.chip.clone().unwrap_or_default();
        let Some(places) = Places::of(args, &name)? else { return Ok(None) };
        let mut chip = Chip::open(&name, args.probe.as_deref()).map_err(|error| refused(&name, &error))?;
        if let Some(image) = &args.image {
            runs_there(&mut chip, &files::read(image, IMAGE_LIMIT)?, image.display(), &name)?;
        }
        Ok(Some(Self { chip, name, places }))
    }

    /// Returns the chip's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns who it is.
    ///
    /// # Errors
    /// Those of the probe.
    pub fn held(&mut self) -> Result<Option<Identity>, CliError> {
        let mut page = [0; Identity::BYTES];
        self.chip.read(self.places.identity.start, &mut page).map_err(|error| refused(&self.name, &error))?;
        Ok(Identity::read(&page).ok())
    }

    /// Makes it `new`, or nobody, verifies that, and starts it.
    ///
    /// # Errors
    /// Those of the probe.
    pub fn make(&mut self, old: Option<&Identity>, new: Option<&Identity>) -> Result<(), CliError> {
        let parts = self.places.parts(old, new);
        let parts: Vec<(u64, &[u8])> = parts.iter().map(|(address, bytes)| (*address, &bytes[..])).collect();
        let written = self.chip.write(&parts, |_| ()).and_then(|()| self.chip.start());
        written.map_err(|error| refused(&self.name, &error))
    }
}

fn refused(chip: &str, error: &ProbeError) -> CliError {
    CliError::new(chip, error, error.remedy())
}

#[cfg(test)]
mod tests {
    use super::Places;
    use tanbo_flash_map::{Calibrations, Identity, Region, SIGNERS};

    #[test]
    fn a_store_is_erased_where_node_or_keys_are_others() {
        let places = Places { identity: 0xe3000..0xe4000, store: 0xe4000..0xe6000 };
        let (signers, calibrations) = ([[0; 64]; SIGNERS], Calibrations::NONE);
        let one = Identity {
            node: 1,
            key: [1; 16],
            region: Region::In865,
            join_eui: 0,
            app_key: [2; 16],
            signers,
            calibrations,
        };
        let moved = Identity { region: Region::Us915, ..one };
        let page = |identity: &Identity| (0xe3000, identity.to_bytes().to_vec());
        let store = (0xe4000, vec![0xff; 0x2000]);
        assert_eq!(places.parts(Some(&one), Some(&moved)), [page(&moved)]);
        assert_eq!(places.parts(None, Some(&one)), [page(&one), store.clone()]);
        let other = Identity { key: [3; 16], ..one };
        assert_eq!(places.parts(Some(&one), Some(&other)), [page(&other), store.clone()]);
        assert_eq!(places.parts(Some(&one), None), [(0xe3000, vec![0xff; 0x1000]), store]);
    }
}
