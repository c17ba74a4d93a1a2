//! The content hash, and where a signature lies.

use sha2::{Digest as _, Sha256};

use crate::record::{HEADER_BYTES, Header, Section};

/// Returns the SHA-256 of an artifact up to its signature section, with what a signature changes as zeros: the header's
/// hash, its total length, and the length of the signature section. Equal to [`crate::Model::stated_hash`] in an undamaged
/// artifact, signed or not. Asks for no alignment.
pub fn content_hash(artifact: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    match artifact.split_at_checked(HEADER_BYTES) {
        Some((head, rest)) => {
            let mut header: Header = bytemuck::pod_read_unaligned(head);
            header.hash = [0; 32];
            header.total_bytes = 0;
            let mut end = rest.len();
            if let Some(signature) = header.sections.get_mut(Section::Signature as usize) {
                signature.bytes = 0;
                end = (signature.offset as usize).saturating_sub(HEADER_BYTES).min(end);
            }
            hash.update(bytemuck::bytes_of(&header));
            hash.update(rest.get(..end).unwrap_or(rest));
        }
        None => hash.update(artifact),
    }
    hash.finalize().into()
}

/// Returns an artifact with `signature` as its signature section, in place of the one it has.
///
/// `None` where `artifact` is shorter than its header says, or the sum is longer than 4 GiB.
#[cfg(feature = "emit")]
pub fn signed(artifact: &[u8], signature: &[u8]) -> Option<std::vec::Vec<u8>> {
    let mut header: Header = bytemuck::pod_read_unaligned(artifact.get(..HEADER_BYTES)?);
    let extent = header.sections.get_mut(Section::Signature as usize)?;
    let content = artifact.get(HEADER_BYTES..extent.offset as usize)?;
    extent.bytes = u32::try_from(signature.len()).ok()?;
    header.total_bytes = extent.offset.checked_add(extent.bytes)?;
    Some([bytemuck::bytes_of(&header), content, signature].concat())
}
