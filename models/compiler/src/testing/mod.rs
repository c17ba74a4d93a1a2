//! Graphs for tests, fuzzing and benches: a builder, random graphs (over time too), known architectures, their text, and how they
//! are run node by node. Behind the feature `testing`.

mod architectures;
mod builder;
mod random;
mod run;
mod temporal;
mod text;

pub use architectures::{MobileNet, mobilenet};
pub use builder::{Builder, Quantization, weights, window};
pub use random::random;
pub use run::{random_inputs, run, run_artifact};
pub use temporal::{temporal, wake_word};
pub use text::{plan_text, text};
