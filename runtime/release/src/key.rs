//! Public keys.

use core::fmt;

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::error::ReleaseError;

/// Length of a public key: SEC 1, uncompressed.
pub const KEY_BYTES: usize = 65;

/// Which key: the first 8 bytes of the SHA-256 of its [`KEY_BYTES`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A point of P-256 whose owner may sign models.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

impl PublicKey {
    /// Returns the key of these bytes, as SEC 1 has a point, uncompressed: 4, x, y.
    ///
    /// # Errors
    /// [`ReleaseError::NoKey`]: not a point of the curve.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, ReleaseError> {
        // Other first bytes are other encodings of the same points.
        match bytes {
            [4, ..] => VerifyingKey::from_sec1_bytes(bytes).map(Self::of).map_err(|_| ReleaseError::NoKey),
            _ => Err(ReleaseError::NoKey),
        }
    }

    pub(crate) fn of(key: VerifyingKey) -> Self {
        let digest: [u8; 32] = Sha256::digest(key.to_sec1_point(false).as_bytes()).into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self { key, id: KeyId([a, b, c, d, e, f, g, h]) }
    }

    #[cfg(feature = "sign")]
    pub(crate) fn verifying(&self) -> &VerifyingKey {
        &self.key
    }

    /// Returns the key's name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the bytes.
    pub fn to_bytes(&self) -> [u8; KEY_BYTES] {
        let mut bytes = [0; KEY_BYTES];
        let point = self.key.to_sec1_point(false);
        bytes.iter_mut().zip(point.as_bytes()).for_each(|(to, byte)| *to = *byte);
        bytes
    }

    /// Returns whether `signature` (r, s, big-endian) is this key's over `statement`.
    pub(crate) fn verifies(&self, statement: &[u8], signature: &[u8; 64]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify(statement, &signature).is_ok())
    }
}
