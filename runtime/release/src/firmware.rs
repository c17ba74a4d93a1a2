//! Releases of firmware: an image with a signed record behind it.

use sha2::{Digest as _, Sha256};

use crate::error::ReleaseError;
use crate::key::{KeyId, PublicKey};
use crate::record::Name;

/// Length of the record behind an image, bytes.
pub const FIRMWARE_RECORD_BYTES: usize = 96;
/// What an image is filled up to, bytes: the longest word of any flash, so that its record is whole words everywhere.
pub const FIRMWARE_WORD_BYTES: usize = 32;
/// Bytes of the record that are signed.
const SIGNED_BYTES: usize = 32;
/// ECDSA over P-256 with SHA-256, over an image.
const SCHEME: u8 = 2;
/// Sets these signatures apart from all others under the same key.
const CONTEXT: &[u8; 8] = b"tanbo/fw";
/// Length of what is signed: context, hash of the image, first part of the record.
const STATEMENT_BYTES: usize = CONTEXT.len() + 32 + SIGNED_BYTES;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Record {
    scheme: u8,
    reserved: [u8; 3],
    version: [u8; 4],
    image_bytes: [u8; 4],
    reserved_too: [u8; 4],
    name: [u8; 8],
    key: [u8; 8],
    signature: [u8; 64],
}

const _: () = assert!(size_of::<Record>() == FIRMWARE_RECORD_BYTES);

/// What was signed with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Which board it is for.
    pub name: Name,
    /// Rises with each release of the name; 1 or more.
    pub version: u32,
    /// Length of the image, bytes.
    pub image_bytes: u32,
    /// Whose signature it is.
    pub key: KeyId,
}

#[cfg(feature = "sign")]
impl Firmware {
    fn to_bytes(self, signature: [u8; 64]) -> [u8; FIRMWARE_RECORD_BYTES] {
        bytemuck::cast(Record {
            scheme: SCHEME,
            reserved: [0; 3],
            version: self.version.to_le_bytes(),
            image_bytes: self.image_bytes.to_le_bytes(),
            reserved_too: [0; 4],
            name: self.name.to_bytes(),
            key: self.key.0,
            signature,
        })
    }
}

fn statement(image: [u8; 32], record: &[u8; FIRMWARE_RECORD_BYTES]) -> [u8; STATEMENT_BYTES] {
    let mut bytes = [0; STATEMENT_BYTES];
    let parts = CONTEXT.iter().chain(&image).chain(record);
    bytes.iter_mut().zip(parts).for_each(|(to, byte)| *to = *byte);
    bytes
}

/// Reads a record that stands `at` bytes behind the beginning of an image.
fn read(bytes: &[u8; FIRMWARE_RECORD_BYTES], at: usize) -> Result<(Firmware, [u8; 64]), ReleaseError> {
    let record: Record = bytemuck::pod_read_unaligned(bytes);
    let image_bytes = u32::from_le_bytes(record.image_bytes);
    if record.scheme != SCHEME {
        // A record of another kind would say where it stands, too.
        let is_record = image_bytes as usize == at;
        return Err(if is_record { ReleaseError::Scheme(record.scheme) } else { ReleaseError::NoRecord });
    }
    if record.reserved != [0; 3] || record.reserved_too != [0; 4] {
        return Err(ReleaseError::Record("reserved bytes"));
    }
    let version = u32::from_le_bytes(record.version);
    if version == 0 {
        return Err(ReleaseError::Record("version"));
    }
    if image_bytes as usize != at {
        return Err(ReleaseError::Length { stated: image_bytes as usize, given: at });
    }
    let name = Name::from_bytes(record.name).map_err(|_| ReleaseError::Record("name"))?;
    Ok((Firmware { name, version, image_bytes, key: KeyId(record.key) }, record.signature))
}

/// Returns what a record says that stands `at` bytes behind the beginning of an image; nothing of it is checked, but that it stands there.
pub fn stated_firmware(record: &[u8; FIRMWARE_RECORD_BYTES], at: usize) -> Option<Firmware> {
    read(record, at).ok().map(|(firmware, _)| firmware)
}

/// Checks the signature of an update, an image with its record behind it, against the keys that its receiver trusts, and returns what was
/// signed.
///
/// # Errors
/// [`ReleaseError`]: the first thing that is wrong.
pub fn verify_firmware(update: &[u8], keys: &[PublicKey]) -> Result<Firmware, ReleaseError> {
    let (image, record) = update.split_last_chunk::<FIRMWARE_RECORD_BYTES>().ok_or(ReleaseError::NoRecord)?;
    let mut read = FirmwareImage::new();
    read.take(image);
    read.verify(record, keys)
}

/// An image that is read bit by bit, where it does not lie in the core's memory.
#[derive(Clone, Debug, Default)]
pub struct FirmwareImage {
    hash: Sha256,
    bytes: usize,
}

impl FirmwareImage {
    /// Returns an image of which nothing was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what follows.
    pub fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len();
    }

    /// Checks the record that stands behind the image, as [`verify_firmware`] does.
    ///
    /// # Errors
    /// [`ReleaseError`]: the first thing that is wrong.
    pub fn verify(self, record: &[u8; FIRMWARE_RECORD_BYTES], keys: &[PublicKey]) -> Result<Firmware, ReleaseError> {
        let (firmware, signature) = read(record, self.bytes)?;
        let id = firmware.key;
        let key = keys.iter().find(|key| key.id() == id).ok_or(ReleaseError::UnknownKey(id))?;
        let statement = statement(self.hash.finalize().into(), record);
        if key.verifies(&statement, &signature) { Ok(firmware) } else { Err(ReleaseError::Signature(id)) }
    }
}

#[cfg(feature = "sign")]
impl crate::Signer {
    /// Returns `image` as release `version` of the firmware for `name`: with its record behind it. The same input gives the same bytes
    /// (RFC 6979).
    ///
    /// `None` for version 0 and beyond 4 GiB.
    pub fn sign_firmware(&self, image: &[u8], name: Name, version: u32) -> Option<std::vec::Vec<u8>> {
        let image_bytes = u32::try_from(image.len()).ok()?;
        let firmware = Firmware { name, version, image_bytes, key: self.public().id() };
        let hash = Sha256::digest(image).into();
        let signature = self.signature(&statement(hash, &firmware.to_bytes([0; 64])));
        let update = [image, &firmware.to_bytes(signature)].concat();
        verify_firmware(&update, &[self.public()]).is_ok().then_some(update)
    }
}
