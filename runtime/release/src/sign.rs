//! Private keys and signing: for the people who release models, never for a node.

use core::fmt;
use std::string::String;
use std::vec::Vec;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};
use tanbo_format::hash::{content_hash, signed};

use crate::golden::Golden;
use crate::key::PublicKey;
use crate::record::{self, Name, Release};

/// A private key of P-256.
pub struct Signer(SigningKey);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.public())
    }
}

/// Why a key was not read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The text is no key of the kind that is wanted.
    Pem,
    /// The operating system gives no random numbers.
    Random,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "no key of P-256 in PEM",
            Self::Random => "the operating system gives no random numbers",
        })
    }
}

impl core::error::Error for KeyError {}

impl Signer {
    /// Returns a new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        SigningKey::try_generate().map(Self).map_err(|_| KeyError::Random)
    }

    /// Returns the key in a PEM of PKCS#8 (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// [`KeyError::Pem`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Pem)
    }

    /// Returns the key as a PEM of PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::Pem`].
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.as_str().into()).map_err(|_| KeyError::Pem)
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(*self.0.verifying_key())
    }

    /// Returns this key's signature (r, s, big-endian) over `statement`.
    pub(crate) fn signature(&self, statement: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(statement);
        signature.to_bytes().into()
    }

    /// Returns `artifact` as release `version` of `name`, signed; a signature that it has is replaced. The same input gives the same bytes
    /// (RFC 6979).
    ///
    /// `None` where `artifact` is none, or is damaged: its content is not what its hash says.
    pub fn sign(&self, artifact: &[u8], name: Name, version: u32, golden: Golden) -> Option<Vec<u8>> {
        let content = content_hash(artifact);
        let release = Release { name, version, golden, key: self.public().id() };
        let statement = record::statement(&content, &release.to_bytes([0; 64]))?;
        let section = release.to_bytes(self.signature(&statement));
        let signed = signed(artifact, &section)?;
        crate::verify(&signed, &[self.public()]).is_ok().then_some(signed)
    }
}

impl PublicKey {
    /// Returns the key in a PEM of SubjectPublicKeyInfo (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// [`KeyError::Pem`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        p256::ecdsa::VerifyingKey::from_public_key_pem(pem).map(Self::of).map_err(|_| KeyError::Pem)
    }

    /// Returns the key as a PEM of SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError::Pem`].
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.verifying().to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Pem)
    }
}
