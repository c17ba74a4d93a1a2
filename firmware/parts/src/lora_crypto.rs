//! LoRaWAN's ciphers by the crates that make the frames' codes: those that `lorawan` comes with are older versions of them, and an image would
//! hold both.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use cmac::{Cmac, Mac as _};
use generic_array::GenericArray;
use generic_array::typenum::U16;
use lorawan::keys::{AES128, CryptoFactory, Decrypter, Encrypter, Mac};

/// A block in the terms of `lorawan`.
type Block = GenericArray<u8, U16>;

/// Makes ciphers.
#[derive(Default)]
pub struct Crypto;

/// AES-128.
pub struct Cipher(Aes128);

/// AES-128 CMAC.
pub struct Code(Cmac<Aes128>);

impl CryptoFactory for Crypto {
    type E = Cipher;
    type D = Cipher;
    type M = Code;

    fn new_enc(&self, key: &AES128) -> Cipher {
        Cipher(Aes128::new(&key.0.into()))
    }

    fn new_dec(&self, key: &AES128) -> Cipher {
        self.new_enc(key)
    }

    fn new_mac(&self, key: &AES128) -> Code {
        Code(Cmac::new(&key.0.into()))
    }
}

impl Encrypter for Cipher {
    fn encrypt_block(&self, block: &mut Block) {
        let bytes: &mut [u8; 16] = block.as_mut();
        self.0.encrypt_block(<&mut Array<_, _>>::from(bytes));
    }
}

impl Decrypter for Cipher {
    fn decrypt_block(&self, block: &mut Block) {
        let bytes: &mut [u8; 16] = block.as_mut();
        self.0.decrypt_block(<&mut Array<_, _>>::from(bytes));
    }
}

impl Mac for Code {
    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn result(self) -> Block {
        <[u8; 16]>::from(self.0.finalize().into_bytes()).into()
    }
}
