//! Debug probes as Linux shows them: what hangs on USB, and whether this user may open it.

pub mod known;
pub mod system;
