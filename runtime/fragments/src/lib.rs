#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

mod bits;
mod decoder;
mod encoder;
mod line;
mod message;
mod session;

pub use decoder::{Block, DecodeError, Decoder, Progress, Refusal, memory_words};
pub use encoder::fragment;
pub use line::MAX_FRAGMENTS;
pub use message::{Answer, MAX_ANSWER, MessageError, PORT, Request};
pub use session::{MAX_FRAGMENT_BYTES, Session, SessionError};
