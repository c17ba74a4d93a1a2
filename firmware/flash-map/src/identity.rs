//! Who a node is: 288 bytes that are written when it is installed, apart from the firmware.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::calibration::{Calibration, Calibrations};

/// Where the node's radio may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// India, 865 to 867 MHz.
    In865,
    /// Asia, 923 MHz, group 1.
    As923,
    /// Europe, 863 to 870 MHz.
    Eu868,
    /// North America, 902 to 928 MHz.
    Us915,
}

impl Region {
    /// All regions, each at its number in an identity.
    pub const ALL: [Self; 4] = [Self::In865, Self::As923, Self::Eu868, Self::Us915];

    /// Returns its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In865 => "in865",
            Self::As923 => "as923",
            Self::Eu868 => "eu868",
            Self::Us915 => "us915",
        }
    }
}

/// Who a node is, and the keys that nobody else has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its EUI-64, LoRaWAN's DevEUI.
    pub node: u64,
    /// Key of its frames, shared with the gateway.
    pub key: [u8; 16],
    /// Region of its radio.
    pub region: Region,
    /// LoRaWAN's JoinEUI (AppEUI).
    pub join_eui: u64,
    /// LoRaWAN's AppKey.
    pub app_key: [u8; 16],
    /// Who may sign its models: public keys of P-256, x and y, big-endian. Zeros are none: no point of the curve.
    pub signers: [[u8; 64]; SIGNERS],
    /// What its sensors' readings become.
    pub calibrations: Calibrations,
}

impl fmt::Debug for Identity {
    /// Without the keys: they shall not end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} in {}", self.node, self.region.name())
    }
}

/// Why there is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// Nobody has written one.
    Missing,
    /// It was cut off, or changed.
    Corrupt,
    /// Another version's.
    Version(u8),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the node has no identity: `tanbo provision write` gives it one"),
            Self::Corrupt => f.write_str("the node's identity is damaged: `tanbo provision write` gives it one again"),
            Self::Version(version) => {
                write!(
                    f,
                    "the node's identity has version {version}, this firmware reads {VERSION}: `tanbo provision write` gives it one"
                )
            }
        }
    }
}

impl core::error::Error for IdentityError {}

/// Keys of signers that an identity has room for.
pub const SIGNERS: usize = 2;
const VERSION: u8 = 2;
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

impl Identity {
    /// Length of an identity in flash, a multiple of what any flash writes at once.
    pub const BYTES: usize = 288;

    /// Returns the bytes for flash: `"TNID"`, version, region, two zeros, node, key, JoinEUI, AppKey, signers, calibrations, zeros, and the
    /// CRC-32 of these. EUIs are big-endian, calibrations' numbers little-endian.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let region = Region::ALL.iter().position(|region| *region == self.region).unwrap_or(0) as u8;
        let (node, join_eui) = (self.node.to_be_bytes(), self.join_eui.to_be_bytes());
        let head: [&[u8]; 6] = [b"TNID", &[VERSION, region, 0, 0], &node, &self.key, &join_eui, &self.app_key];
        let head = head.into_iter().flatten().copied().chain(self.signers.into_iter().flatten());
        let calibrations = self.calibrations.0.iter();
        let all = head.chain(calibrations.flat_map(|calibration| Calibration::to_bytes(calibration.as_ref())));
        bytes.iter_mut().zip(all).for_each(|(to, byte)| *to = byte);
        if let Some((body, check)) = bytes.split_last_chunk_mut() {
            *check = CRC.checksum(body).to_le_bytes();
        }
        bytes
    }

    /// Returns the public keys of those who may sign its models, as SEC 1 has a point, uncompressed: 4, x, y.
    pub fn signers(&self) -> impl Iterator<Item = [u8; 65]> {
        self.signers.iter().filter(|key| **key != [0; 64]).map(|key| {
            let mut point = [4; 65];
            point.iter_mut().skip(1).zip(key).for_each(|(to, byte)| *to = *byte);
            point
        })
    }

    /// Reads what flash begins with.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(flash: &[u8]) -> Result<Self, IdentityError> {
        let head = flash.first_chunk::<8>().ok_or(IdentityError::Missing)?;
        let [b'T', b'N', b'I', b'D', version, region, _, _] = *head else { return Err(IdentityError::Missing) };
        if version != VERSION {
            return Err(IdentityError::Version(version));
        }
        let bytes = flash.first_chunk::<{ Self::BYTES }>().ok_or(IdentityError::Missing)?;
        let (body, check) = bytes.split_last_chunk().ok_or(IdentityError::Corrupt)?;
        if CRC.checksum(body).to_le_bytes() != *check {
            return Err(IdentityError::Corrupt);
        }
        Self::of(region, body).ok_or(IdentityError::Corrupt)
    }

    fn of(region: u8, body: &[u8]) -> Option<Self> {
        let (_, rest) = body.split_first_chunk::<8>()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (join_eui, rest) = rest.split_first_chunk()?;
        let (app_key, rest) = rest.split_first_chunk()?;
        let (signers, rest) = rest.split_first_chunk::<{ 64 * SIGNERS }>()?;
        let mut keys = [[0; 64]; SIGNERS];
        keys.iter_mut().zip(signers.as_chunks().0).for_each(|(to, key)| *to = *key);
        let mut calibrations = Calibrations::NONE;
        for (to, bytes) in calibrations.0.iter_mut().zip(rest.as_chunks().0) {
            *to = Calibration::from_bytes(bytes)?;
        }
        Some(Self {
            node: u64::from_be_bytes(*node),
            key: *key,
            region: *Region::ALL.get(usize::from(region))?,
            join_eui: u64::from_be_bytes(*join_eui),
            app_key: *app_key,
            signers: keys,
            calibrations,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Identity, IdentityError, Region};
    use crate::{Calibration, Calibrations, Unit};
    use std::{format, vec::Vec};

    fn identity(region: Region) -> Identity {
        let mut calibrations = Calibrations::NONE;
        for (channel, to) in calibrations.0.iter_mut().take(7).enumerate() {
            let unit = Unit::MetrePerSecondSquared;
            let channel = channel as u8;
            *to = Some(Calibration { sensor: 1, channel, unit, exponent: -5, zero: -300, gain_ppm: 1_000_321 });
        }
        let signers = [[5; 64], [0; 64]];
        let node = 0x70b3_d57e_d000_0001;
        Identity { node, key: [7; 16], region, join_eui: 3, app_key: [9; 16], signers, calibrations }
    }

    #[test]
    fn what_is_written_is_read() {
        for region in Region::ALL {
            let mut flash = [0xff; 512];
            flash[..Identity::BYTES].copy_from_slice(&identity(region).to_bytes());
            assert_eq!(Identity::read(&flash), Ok(identity(region)));
        }
        let keys: Vec<[u8; 65]> = identity(Region::In865).signers().collect();
        assert!(keys.len() == 1 && keys[0][0] == 4 && keys[0][1..] == [5; 64]);
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let bytes = identity(Region::In865).to_bytes();
        for bit in 0..8 * Identity::BYTES {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::read(&damaged).is_err(), "{bit}");
        }
        assert_eq!(Identity::read(&[0xff; 288]), Err(IdentityError::Missing));
        assert_eq!(Identity::read(&bytes[..287]), Err(IdentityError::Missing));
        let mut first = bytes;
        first[4] = 1;
        assert_eq!(Identity::read(&first), Err(IdentityError::Version(1)));
    }

    #[test]
    fn a_log_holds_no_key() {
        assert_eq!(format!("{:?}", identity(Region::Eu868)), "70b3d57ed0000001 in eu868");
    }
}
