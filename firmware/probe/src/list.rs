//! The probes that there are.

use std::fmt;

use probe_rs::probe::list::{Accessibility, Lister};
use probe_rs::probe::{DebugProbeError, DebugProbeSelector, ProbeCreationError};

use crate::ProbeError;

/// A debug probe that probe-rs finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it calls itself.
    pub name: String,
    /// What chooses it: USB's vendor and product, with the serial number if it has one.
    pub selector: String,
    /// USB's vendor and product.
    pub id: (u16, u16),
    /// Whether this user may open it.
    pub accessible: bool,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.selector, self.name)
    }
}

/// Returns the probes that probe-rs finds, those too that this user may not open.
pub fn list() -> Vec<Probe> {
    let items = Lister::new().list_all_with_access();
    let of = |item: probe_rs::probe::list::ProbeListItem| Probe {
        name: item.info.identifier.clone(),
        id: (item.info.vendor_id, item.info.product_id),
        selector: DebugProbeSelector::from(&item.info).to_string(),
        accessible: item.accessibility == Accessibility::Accessible,
    };
    items.into_iter().map(of).collect()
}

/// Opens the chosen probe, or the only one.
pub(crate) fn open(chosen: Option<&str>) -> Result<probe_rs::probe::Probe, ProbeError> {
    let found = list();
    let names = || found.iter().map(ToString::to_string).collect::<Vec<_>>();
    let selector = match (chosen, found.as_slice()) {
        (Some(chosen), _) => chosen,
        (None, []) => return Err(ProbeError::NoProbe),
        (None, [only]) if !only.accessible => return Err(ProbeError::Forbidden(only.to_string())),
        (None, [only]) => &only.selector,
        (None, _) => return Err(ProbeError::Several(names())),
    };
    let not_there = || ProbeError::NotThere { chosen: selector.into(), found: names() };
    let parsed: DebugProbeSelector = selector.parse().map_err(|_| not_there())?;
    Lister::new().open(parsed).map_err(|error| match error {
        DebugProbeError::ProbeCouldNotBeCreated(ProbeCreationError::NotFound) => not_there(),
        // Where there is no USB at all, as in a container, each driver has a complaint of its own.
        _ if found.is_empty() => not_there(),
        error => ProbeError::failed("opening the probe")(&error),
    })
}
