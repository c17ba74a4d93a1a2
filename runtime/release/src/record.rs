//! The signature section: 128 bytes, of which the first 64 are signed together with the content hash.

use core::fmt;

use crate::error::ReleaseError;
use crate::golden::Golden;
use crate::key::KeyId;

/// Length of the signature section, bytes.
pub const RECORD_BYTES: usize = 128;
/// Bytes of it that are signed.
pub const SIGNED_BYTES: usize = 64;
/// ECDSA over P-256 with SHA-256.
const SCHEME: u8 = 1;
/// Sets these signatures apart from all others under the same key.
const CONTEXT: &[u8; 8] = b"tanbo/1\0";
/// Length of what is signed: context, content hash, first half of the section.
const STATEMENT_BYTES: usize = CONTEXT.len() + 32 + SIGNED_BYTES;

/// The section as it lies in the artifact.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Record {
    scheme: u8,
    runs: u8,
    reserved: [u8; 2],
    version: [u8; 4],
    name: [u8; 8],
    seed: [u8; 4],
    reserved_too: [u8; 4],
    golden: [u8; 32],
    key: [u8; 8],
    signature: [u8; 64],
}

const _: () = assert!(size_of::<Record>() == RECORD_BYTES);

/// What a model is for, on a node: 1 to 8 characters of a-z, 0-9 and '-'. A node takes updates of the same name only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; 8]);

/// Not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError;

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name has 1 to 8 characters of a-z, 0-9 and '-'")
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// Returns the name.
    ///
    /// # Errors
    /// [`NameError`].
    pub const fn new(text: &str) -> Result<Self, NameError> {
        let mut bytes = [0; 8];
        let mut rest = text.as_bytes();
        let mut left: &mut [u8] = &mut bytes;
        while let (Some((first, others)), Some((to, more))) = (rest.split_first(), left.split_first_mut()) {
            *to = *first;
            rest = others;
            left = more;
        }
        match text.as_bytes() {
            [.., 0] => Err(NameError),
            _ if rest.is_empty() => Self::from_bytes(bytes),
            _ => Err(NameError),
        }
    }

    /// Returns the name that these bytes spell, filled up with zeros.
    ///
    /// # Errors
    /// [`NameError`].
    pub const fn from_bytes(bytes: [u8; 8]) -> Result<Self, NameError> {
        let mut rest: &[u8] = &bytes;
        let mut ended = false;
        while let Some((byte, others)) = rest.split_first() {
            match byte {
                0 if rest.len() < bytes.len() => ended = true,
                b'a'..=b'z' | b'0'..=b'9' | b'-' if !ended => {}
                _ => return Err(NameError),
            }
            rest = others;
        }
        Ok(Self(bytes))
    }

    /// Returns the name, filled up with zeros.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What was signed with the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// What the model is for.
    pub name: Name,
    /// Rises with each release of the name; 1 or more.
    pub version: u32,
    /// What the model must compute before it is trusted.
    pub golden: Golden,
    /// Whose signature it is.
    pub key: KeyId,
}

impl Release {
    /// Reads a signature section. The signature is not checked.
    ///
    /// # Errors
    /// [`ReleaseError::Record`], [`ReleaseError::Scheme`].
    pub fn read(section: &[u8]) -> Result<(Self, &[u8; 64]), ReleaseError> {
        let scheme = section.first().copied().ok_or(ReleaseError::Unsigned)?;
        if scheme != SCHEME {
            return Err(ReleaseError::Scheme(scheme));
        }
        let record: &Record = bytemuck::try_from_bytes(section).map_err(|_| ReleaseError::Record("length"))?;
        if record.reserved != [0; 2] || record.reserved_too != [0; 4] {
            return Err(ReleaseError::Record("reserved bytes"));
        }
        if record.runs == 0 {
            return Err(ReleaseError::Record("golden runs"));
        }
        let version = u32::from_le_bytes(record.version);
        if version == 0 {
            return Err(ReleaseError::Record("version"));
        }
        let name = Name::from_bytes(record.name).map_err(|_| ReleaseError::Record("name"))?;
        let golden = Golden { seed: u32::from_le_bytes(record.seed), runs: record.runs, digest: record.golden };
        Ok((Self { name, version, golden, key: KeyId(record.key) }, &record.signature))
    }

    /// Returns the section with `signature`.
    pub fn to_bytes(&self, signature: [u8; 64]) -> [u8; RECORD_BYTES] {
        bytemuck::cast(Record {
            scheme: SCHEME,
            runs: self.golden.runs,
            reserved: [0; 2],
            version: self.version.to_le_bytes(),
            name: self.name.to_bytes(),
            seed: self.golden.seed.to_le_bytes(),
            reserved_too: [0; 4],
            golden: self.golden.digest,
            key: self.key.0,
            signature,
        })
    }
}

/// Returns what a signature signs.
pub(crate) fn statement(content: &[u8; 32], section: &[u8]) -> Option<[u8; STATEMENT_BYTES]> {
    let mut bytes = [0; STATEMENT_BYTES];
    let mut parts = CONTEXT.iter().chain(content).chain(section.get(..SIGNED_BYTES)?);
    bytes.iter_mut().zip(&mut parts).for_each(|(to, byte)| *to = *byte);
    Some(bytes)
}
