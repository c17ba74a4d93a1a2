//! Layer 0: the collection of models, each an artifact at a 16-byte boundary with its card beside it.
//!
//! `cargo xtask zoo` compiles every model again and compares the bytes; with `--update` it replaces them.
#![no_std]
#![forbid(unsafe_code)]

/// What artifacts and engines ask for.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// Tells earthquakes from people: three-axis acceleration in, alarms out. See `seismic/CARD.md`.
pub const SEISMIC: &[u8] = &Aligned(*include_bytes!("../seismic/seismic.tnb")).0;

/// Every model with its name.
pub const ALL: &[(&str, &[u8])] = &[("seismic", SEISMIC)];

#[cfg(test)]
mod tests {
    #[test]
    fn artifacts_lie_where_engines_take_them() {
        for (name, artifact) in super::ALL {
            assert_eq!(artifact.as_ptr().addr() % 16, 0, "{name}");
            assert_eq!(artifact.get(..4), Some(b"TNBO".as_slice()), "{name}");
        }
    }
}
