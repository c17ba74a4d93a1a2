#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "sign")]
extern crate std;

mod error;
mod firmware;
mod golden;
mod key;
pub mod operators;
mod record;
#[cfg(feature = "sign")]
mod sign;

pub use error::{ReleaseError, SelfTestError};
pub use firmware::{
    FIRMWARE_RECORD_BYTES, FIRMWARE_WORD_BYTES, Firmware, FirmwareImage, stated_firmware, verify_firmware,
};
pub use golden::{Golden, MAX_ROW_BYTES};
pub use key::{KEY_BYTES, KeyId, PublicKey};
pub use record::{Name, NameError, RECORD_BYTES, Release, SIGNED_BYTES};
#[cfg(feature = "sign")]
pub use sign::{KeyError, Signer};

use tanbo_format::hash::content_hash;
use tanbo_format::record::{HEADER_BYTES, Header, MAGIC, Section};

/// Returns the length that an artifact states, of a slice that may go on after it; `None` if there is none.
///
/// No more than the magic and the length is looked at.
pub fn stated_bytes(bytes: &[u8]) -> Option<usize> {
    let header: Header = bytemuck::pod_read_unaligned(bytes.get(..HEADER_BYTES)?);
    (header.magic == MAGIC).then_some(header.total_bytes as usize)
}

/// Returns the operators that an artifact states it has, bit `op as u8` of each; `None` if there is no artifact. The verifier compares.
pub fn stated_operators(artifact: &[u8]) -> Option<u64> {
    stated_bytes(artifact)?;
    let header: Header = bytemuck::pod_read_unaligned(artifact.get(..HEADER_BYTES)?);
    let [low, high] = header.operators;
    Some(u64::from(low) | u64::from(high) << 32)
}

/// Returns what the signature section of an artifact says; nothing of it is checked.
pub fn stated_release(artifact: &[u8]) -> Option<Release> {
    let header: Header = bytemuck::pod_read_unaligned(artifact.get(..HEADER_BYTES)?);
    let extent = header.sections.get(Section::Signature as usize)?;
    let section = artifact.get(extent.offset as usize..)?.get(..extent.bytes as usize)?;
    Release::read(section).ok().map(|(release, _)| release)
}

/// Checks hash and signature of an artifact against the keys that its receiver trusts, and returns what was signed.
///
/// Whether it is a model that can run here, [`tanbo::Model::parse`] says afterwards.
///
/// # Errors
/// [`ReleaseError`]: the first thing that is wrong.
pub fn verify(artifact: &[u8], keys: &[PublicKey]) -> Result<Release, ReleaseError> {
    let stated = stated_bytes(artifact).ok_or(ReleaseError::NoArtifact)?;
    if stated != artifact.len() {
        return Err(ReleaseError::Length { stated, given: artifact.len() });
    }
    let header: Header = bytemuck::pod_read_unaligned(artifact.get(..HEADER_BYTES).ok_or(ReleaseError::NoArtifact)?);
    let content = content_hash(artifact);
    if content != header.hash {
        return Err(ReleaseError::Hash);
    }
    let extent = header.sections.get(Section::Signature as usize).ok_or(ReleaseError::NoArtifact)?;
    // The hash leaves the section's length out.
    let section = artifact.get(extent.offset as usize..).ok_or(ReleaseError::NoArtifact)?;
    if section.len() != extent.bytes as usize {
        return Err(ReleaseError::Record("length"));
    }
    if section.is_empty() {
        return Err(ReleaseError::Unsigned);
    }
    let (release, signature) = Release::read(section)?;
    let key = keys.iter().find(|key| key.id() == release.key).ok_or(ReleaseError::UnknownKey(release.key))?;
    let statement = record::statement(&content, section).ok_or(ReleaseError::Record("length"))?;
    if key.verifies(&statement, signature) { Ok(release) } else { Err(ReleaseError::Signature(release.key)) }
}
