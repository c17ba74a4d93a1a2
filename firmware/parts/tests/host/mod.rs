//! The other end of a node's line: frames that ask it, tell it who it is, and make it forget.

use tanbo_flash_map::{Calibrations, Identity, Region, SIGNERS};
use tanbo_wire::provision::{PART_BYTES, Proof, Request, nobody, seal};
use tanbo_wire::{Frame, Key};

/// Where a node's challenges begin: at its last number.
pub const SEED: u64 = u64::MAX;

pub fn somebody(node: u64, key: u8) -> Identity {
    let (signers, calibrations) = ([[3; 64]; SIGNERS], Calibrations::NONE);
    Identity { node, key: [key; 16], region: Region::In865, join_eui: 1, app_key: [key; 16], signers, calibrations }
}

pub fn asking() -> Frame {
    seal(&Request::Ask, &Proof { key: &nobody(), challenge: 0, page: &[] }).expect("a frame")
}

/// The frames that make a node somebody, made with `key` for the challenge `after` orders.
pub fn telling(new: &Identity, key: &Key, after: u64) -> Vec<Frame> {
    let page = new.to_bytes();
    let proof = Proof { key, challenge: SEED.wrapping_add(after), page: &page };
    let parts = page.chunks(PART_BYTES).enumerate();
    let parts = parts.map(|(n, bytes)| Request::Part { at: (n * PART_BYTES) as u16, bytes });
    let requests = [Request::Ask].into_iter().chain(parts).chain([Request::Commit]);
    requests.map(|request| seal(&request, &proof).expect("a frame")).collect()
}

pub fn revoking(key: &Key, after: u64) -> Frame {
    seal(&Request::Revoke, &Proof { key, challenge: SEED.wrapping_add(after), page: &[] }).expect("a frame")
}
