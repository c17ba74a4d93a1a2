//! What kind of world it is: `world.txt`, a word and a number a line.

use core::fmt;

use tanbo_emulated::files::{self, FileError};

/// File of the settings.
const FILE: &str = "world.txt";
/// Room for the file.
const BYTES: usize = 512;

/// The settings. What the file does not name is as in [`Settings::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When the world ends, s after it began.
    pub seconds: u64,
    /// When the node starts, s after the world began.
    pub start_s: u64,
    /// What is random in the node.
    pub seed: u64,
    /// LoRa's spreading factor, 7 to 12.
    pub spreading: u8,
    /// Share of the air that the node may take, thousandths.
    pub duty_permille: u32,
    /// Capacity of the battery, µAh.
    pub capacity_uah: u64,
    /// Charge of the battery at the start, µAh.
    pub charge_uah: u64,
    /// Peak of what a panel brings in, µW.
    pub panel_uw: u32,
    /// When the supply is away for a moment, µs after the world began.
    pub dip_us: Option<u64>,
    /// When the first sensor hangs, until a reset, s after the world began.
    pub hang_s: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seconds: 86_400,
            start_s: 0,
            seed: 1,
            spreading: 9,
            duty_permille: 10,
            capacity_uah: 2_500_000,
            charge_uah: 2_500_000,
            panel_uw: 0,
            dip_us: None,
            hang_s: None,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The file cannot be read.
    File(FileError),
    /// A line is no word that is known and a number in range.
    Line {
        /// Its number, from 1.
        line: usize,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "{FILE}: {error}"),
            Self::Line { line } => {
                write!(f, "{FILE}, line {line}: a word of tanbo_board_mps2::world::Settings and a number, please")
            }
        }
    }
}

impl core::error::Error for SettingsError {}

impl Settings {
    /// Reads `world.txt`.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read() -> Result<Self, SettingsError> {
        let mut bytes = [0; BYTES];
        let len = files::read(FILE, &mut bytes).map_err(SettingsError::File)?;
        Self::parse(bytes.get(..len).unwrap_or_default())
    }

    /// By bytes: `str`'s searches would be code in the node's flash.
    fn parse(text: &[u8]) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (line, number) in text.split_inclusive(|byte| *byte == b'\n').zip(1..) {
            settings.set(line.trim_ascii_end()).ok_or(SettingsError::Line { line: number })?;
        }
        Ok(settings)
    }

    fn set(&mut self, line: &[u8]) -> Option<()> {
        let (word, number) = line.split_at(line.iter().position(|byte| *byte == b' ')?);
        let number: u64 = core::str::from_utf8(number.trim_ascii_start()).ok()?.parse().ok()?;
        match word {
            b"seconds" => self.seconds = number,
            b"start" => self.start_s = number,
            b"seed" => self.seed = number,
            b"spreading" => self.spreading = u8::try_from(number).ok().filter(|sf| (7..=12).contains(sf))?,
            b"duty_permille" => {
                self.duty_permille = u32::try_from(number).ok().filter(|duty| (1..=1000).contains(duty))?
            }
            b"capacity_uah" => self.capacity_uah = number,
            b"charge_uah" => self.charge_uah = number,
            b"panel_uw" => self.panel_uw = u32::try_from(number).ok()?,
            b"dip_us" => self.dip_us = Some(number),
            b"hang_s" => self.hang_s = Some(number),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_and_others_are_told_by_line() {
        let expected = Settings { seconds: 60, spreading: 12, ..Settings::default() };
        assert_eq!(Settings::parse(b"seconds 60\nspreading 12\n"), Ok(expected));
        for (text, line) in [("seconds 60\nspreading 6", 2), ("seconds", 1), ("tea 5", 1), ("seconds -1", 1)] {
            assert_eq!(Settings::parse(text.as_bytes()), Err(SettingsError::Line { line }), "{text}");
        }
    }
}
