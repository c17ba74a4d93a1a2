//! Why a chip behind a probe did not do what was asked.

use std::fmt;

use crate::layout::LayoutError;

/// Why something did not work through a probe. Each message names the remedy.
#[derive(Debug)]
pub enum ProbeError {
    /// No probe is found.
    NoProbe,
    /// There are several probes, and none was chosen.
    Several(Vec<String>),
    /// The chosen probe is none of those that are found.
    NotThere {
        /// What was chosen.
        chosen: String,
        /// Those that are found.
        found: Vec<String>,
    },
    /// This user may not open the probe.
    Forbidden(String),
    /// The chip's name, or the image.
    Layout(LayoutError),
    /// What probe-rs says, and while what was done.
    Failed {
        /// What was done.
        doing: &'static str,
        /// What it says, with its reasons.
        reason: String,
    },
}

impl ProbeError {
    /// Returns what probe-rs said while `doing`, with its reasons.
    pub(crate) fn failed(doing: &'static str) -> impl Fn(&dyn std::error::Error) -> Self {
        move |error| {
            let mut reason = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                let text = error.to_string();
                // Errors that only pass on what another said would say it twice.
                if !reason.contains(&text) {
                    reason += &format!(": {text}");
                }
                source = error.source();
            }
            Self::Failed { doing, reason }
        }
    }

    /// Returns what can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoProbe => "plug one in; tanbo doctor tells why none is found".into(),
            Self::Several(names) => format!("choose one with --probe: {}", names.join(", ")),
            Self::NotThere { found, .. } if found.is_empty() => "tanbo doctor tells why no probe is found".into(),
            Self::NotThere { found, .. } => format!("choose one of {}", found.join(", ")),
            Self::Forbidden(_) => "tanbo doctor tells which rule or group is missing".into(),
            Self::Layout(error) => error.remedy(),
            Self::Failed { .. } => "check wiring, power and the chip's name".into(),
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProbe => f.write_str("no debug probe is found"),
            Self::Several(names) => write!(f, "there are {} debug probes", names.len()),
            Self::NotThere { chosen, .. } => write!(f, "there is no probe {chosen}"),
            Self::Forbidden(name) => write!(f, "this user may not open the probe {name}"),
            Self::Layout(error) => error.fmt(f),
            Self::Failed { doing, reason } => write!(f, "{doing}: {reason}"),
        }
    }
}

impl std::error::Error for ProbeError {}

impl From<LayoutError> for ProbeError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}
