//! Who a node is: 64 bytes that are written when it is installed, apart from the firmware.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};

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
            Self::Missing => f.write_str("the node has no identity: `cargo xtask identity` makes one"),
            Self::Corrupt => f.write_str("the node's identity is damaged: write it again"),
            Self::Version(version) => {
                write!(f, "the node's identity has version {version}, this firmware reads {VERSION}")
            }
        }
    }
}

impl core::error::Error for IdentityError {}

const VERSION: u8 = 1;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

impl Identity {
    /// Length of an identity in flash.
    pub const BYTES: usize = 64;

    /// Returns the bytes for flash.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let region = Region::ALL.iter().position(|region| *region == self.region).unwrap_or(0) as u8;
        let parts: [&[u8]; 7] = [
            b"TNID",
            &[VERSION, region, 0, 0],
            &self.node.to_be_bytes(),
            &self.key,
            &self.join_eui.to_be_bytes(),
            &self.app_key,
            &[0; 4],
        ];
        bytes.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(to, byte)| *to = *byte);
        if let Some((body, check)) = bytes.split_last_chunk_mut() {
            *check = CRC.checksum(body).to_le_bytes();
        }
        bytes
    }

    /// Reads what flash begins with.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(flash: &[u8]) -> Result<Self, IdentityError> {
        let bytes = flash.first_chunk::<{ Self::BYTES }>().ok_or(IdentityError::Missing)?;
        if !bytes.starts_with(b"TNID") {
            return Err(IdentityError::Missing);
        }
        let (body, check) = bytes.split_last_chunk().ok_or(IdentityError::Corrupt)?;
        if CRC.checksum(body).to_le_bytes() != *check {
            return Err(IdentityError::Corrupt);
        }
        let (head, rest) = body.split_first_chunk::<8>().ok_or(IdentityError::Corrupt)?;
        let [_, _, _, _, version, region, _, _] = *head;
        if version != VERSION {
            return Err(IdentityError::Version(version));
        }
        let parts = || {
            let (node, rest) = rest.split_first_chunk()?;
            let (key, rest) = rest.split_first_chunk()?;
            let (join_eui, rest) = rest.split_first_chunk()?;
            let (app_key, _) = rest.split_first_chunk()?;
            Some(Self {
                node: u64::from_be_bytes(*node),
                key: *key,
                region: *Region::ALL.get(usize::from(region))?,
                join_eui: u64::from_be_bytes(*join_eui),
                app_key: *app_key,
            })
        };
        parts().ok_or(IdentityError::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Identity, IdentityError, Region};
    use std::format;

    fn identity(region: Region) -> Identity {
        Identity { node: 0x70b3_d57e_d000_0001, key: [7; 16], region, join_eui: 3, app_key: [9; 16] }
    }

    #[test]
    fn what_is_written_is_read() {
        for region in Region::ALL {
            let mut flash = [0xff; 128];
            flash[..64].copy_from_slice(&identity(region).to_bytes());
            assert_eq!(Identity::read(&flash), Ok(identity(region)));
        }
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let bytes = identity(Region::In865).to_bytes();
        for bit in 0..512 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::read(&damaged).is_err(), "{bit}");
        }
        assert_eq!(Identity::read(&[0xff; 64]), Err(IdentityError::Missing));
        assert_eq!(Identity::read(&bytes[..63]), Err(IdentityError::Missing));
    }

    #[test]
    fn a_log_holds_no_key() {
        assert_eq!(format!("{:?}", identity(Region::Eu868)), "70b3d57ed0000001 in eu868");
    }
}
