//! Authentication codes: AES-128 CMAC (RFC 4493), cut to the link's length.

use core::fmt;

use aes::Aes128;
use cmac::{Cmac, KeyInit as _, Mac as _};

use crate::{Link, NodeId};

/// The key that a sensor node and the gateway share; every node has its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl fmt::Debug for Key {
    /// Without the key's bytes: they shall not end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl From<[u8; 16]> for Key {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl Key {
    fn mac(&self, parts: &[&[u8]]) -> Cmac<Aes128> {
        let mut mac = Cmac::<Aes128>::new(&self.0.into());
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// Returns the code of these parts, one after the other.
    pub(crate) fn code(&self, parts: &[&[u8]]) -> [u8; 16] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Returns whether `code`, cut to its length, is that of these parts; takes the same time whether or not it is.
    pub(crate) fn is_code(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        self.mac(parts).verify_truncated_left(code).is_ok()
    }

    /// Returns the code of a frame of version 1, whole: senders cut it.
    pub(crate) fn tag(&self, context: &Context, frame: &[u8]) -> [u8; 16] {
        self.code(&[&context.block(), frame])
    }

    /// Returns whether `tag`, a code cut to its length, is the frame's; takes the same time whether or not it is.
    pub(crate) fn verify(&self, context: &Context, frame: &[u8], tag: &[u8]) -> bool {
        self.is_code(&[&context.block(), frame], tag)
    }
}

/// What a tag vouches for beside the frame's bytes, carried or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub link: Link,
    pub node: NodeId,
    pub counter: u32,
}

impl Context {
    /// One block of AES: `"tnb"`, link, node, counter.
    fn block(&self) -> [u8; 16] {
        let mut block = [0; 16];
        let link = match self.link {
            Link::Stream => 0,
            Link::LoraWan => 1,
        };
        let parts = b"tnb".iter().copied().chain([link]);
        let parts = parts.chain(self.node.0.to_le_bytes()).chain(self.counter.to_le_bytes());
        for (to, from) in block.iter_mut().zip(parts) {
            *to = from;
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::Key;
    use cmac::Mac as _;

    /// RFC 4493, section 4: key, messages of 0, 16, 40 and 64 bytes, codes.
    #[test]
    fn examples_of_rfc_4493() {
        let bytes = |text: &str| hex::decode(text).expect("hex");
        let mut key = [0; 16];
        key.copy_from_slice(&bytes("2b7e151628aed2a6abf7158809cf4f3c"));
        let key = Key::from(key);
        let message = bytes(concat!(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
        ));
        for (len, code) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            let message = &message[..len];
            assert_eq!(key.mac(&[message]).finalize().into_bytes().as_slice(), bytes(code));
        }
    }
}
