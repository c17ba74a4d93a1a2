//! The sender's side.

use crate::bits::{Bits, words};
use crate::line::{MAX_FRAGMENTS, parity_line};
use crate::session::Session;

/// Writes fragment `number`, from 1, of `block` to `into`, which has [`Session::fragment_bytes`]; bytes that the block has not are zeros.
///
/// Numbers up to [`Session::fragments`] are the block itself, those above are parity: as many as the sender likes, up to [`MAX_FRAGMENTS`]
/// in all. `false` where there is no such fragment.
pub fn fragment(session: &Session, block: &[u8], number: u16, into: &mut [u8]) -> bool {
    let bytes = session.fragment_bytes();
    if number == 0 || number > MAX_FRAGMENTS || into.len() != bytes {
        return false;
    }
    into.fill(0);
    let mut xor = |index: usize| {
        let from = block.get(index * bytes..).unwrap_or_default();
        into.iter_mut().zip(from).for_each(|(to, byte)| *to ^= byte);
    };
    match number.checked_sub(session.fragments()) {
        None | Some(0) => xor(usize::from(number) - 1),
        Some(parity) => {
            let mut room = [0; words(MAX_FRAGMENTS as usize)];
            let mut line = Bits(&mut room);
            parity_line(parity, session.fragments(), &mut line);
            (0..session.fragments().into()).filter(|index| line.has(*index)).for_each(xor);
        }
    }
    true
}
