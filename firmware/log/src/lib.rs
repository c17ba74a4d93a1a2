//! defmt logs of images, decoded on the host as they come.
//!
//! Layer 0. Knows an image by its ELF file, which holds the texts, and a log by its bytes, however they came: over semihosting or RTT.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt;
use std::path::PathBuf;

use defmt_decoder::{Encoding, Locations, Table};
use serde::Serialize;

/// The longest frame that is waited for, bytes: what goes on for longer is no frame.
const LONGEST: usize = 1 << 16;

/// Why an image's log cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// The image has no defmt table, or one of another version.
    Table(String),
    /// The frames are not rzCOBS.
    Encoding(String),
}

impl LogError {
    /// Returns what can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Table(_) => "give the image that runs there, as the linker wrote it",
            Self::Encoding(_) => "build it with defmt's default, rzcobs",
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(reason) => write!(f, "no log through defmt: {reason}"),
            Self::Encoding(encoding) => write!(f, "its log is in encoding {encoding}"),
        }
    }
}

impl std::error::Error for LogError {}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, as the image's `defmt::timestamp!` says it; null if it has none.
    pub time: Option<String>,
    /// `trace`, `debug`, `info`, `warn` or `error`; null for `defmt::println!`, and for text that is no frame (a panic's message, an emulator's own).
    pub level: Option<&'static str>,
    /// What it says.
    pub message: String,
    /// Source file; null if the image does not tell.
    pub file: Option<PathBuf>,
    /// Line of the file.
    pub line: Option<u64>,
}

impl Line {
    fn text(message: &str) -> Self {
        Self { time: None, level: None, message: message.into(), file: None, line: None }
    }
}

/// Returns the lines of what is no frame: its text, or how many bytes it was, where it is none.
fn text(bytes: &[u8]) -> Vec<Line> {
    let written = |text: &&str| text.chars().all(|c| !c.is_control() || c.is_whitespace());
    match str::from_utf8(bytes).ok().filter(written) {
        Some(text) => text.lines().map(Line::text).collect(),
        None => vec![Line::text(&format!("({} bytes that are no frame of this image)", bytes.len()))],
    }
}

impl fmt::Display for Line {
    /// Without the source's place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = &self.time {
            write!(f, "{time} ")?;
        }
        // The level goes without saying where all is well.
        match self.level {
            None | Some("info") => f.write_str(&self.message),
            Some(level) => write!(f, "{level}: {}", self.message),
        }
    }
}

/// The log of an image, as it comes.
#[derive(Debug)]
pub struct Log {
    table: Table,
    locations: Locations,
    /// What has come of a frame.
    frame: Vec<u8>,
}

impl Log {
    /// Returns the log, empty yet, of the image `elf`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn of(elf: &[u8]) -> Result<Self, LogError> {
        let refused = |reason: &dyn fmt::Display| LogError::Table(reason.to_string());
        let table = Table::parse(elf).map_err(|error| refused(&error))?;
        let table = table.ok_or_else(|| refused(&"the image has no table of texts"))?;
        if !matches!(table.encoding(), Encoding::Rzcobs) {
            return Err(LogError::Encoding(format!("{:?}", table.encoding())));
        }
        // An image without debug information has none: lines then have no place.
        let locations = table.get_locations(elf).unwrap_or_default();
        Ok(Self { table, locations, frame: Vec::new() })
    }

    /// Takes the next bytes and returns the lines that they complete. What is no frame is taken as text.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for &byte in bytes {
            // A frame ends with a zero byte (rzCOBS leaves none inside).
            if byte == 0 || self.frame.len() == LONGEST {
                lines.extend(self.end());
            }
            if byte != 0 {
                self.frame.push(byte);
            }
        }
        lines
    }

    /// Returns the lines of what came since the last frame: text, or a frame that was cut off.
    pub fn end(&mut self) -> Vec<Line> {
        let frame = std::mem::take(&mut self.frame);
        let mut decoder = self.table.new_stream_decoder();
        decoder.received(&frame);
        decoder.received(&[0]);
        match decoder.decode() {
            Ok(found) => {
                let place = self.locations.get(&found.index());
                vec![Line {
                    time: found.display_timestamp().map(|time| time.to_string()),
                    level: found.level().map(|level| level.as_str()),
                    message: found.display_message().to_string(),
                    file: place.map(|place| place.file.clone()),
                    line: place.map(|place| place.line),
                }]
            }
            Err(_) => text(&frame),
        }
    }
}
