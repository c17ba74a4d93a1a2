//! Layer 0: the collection of models, each an artifact at a 16-byte boundary with its card beside it.
#![no_std]
#![forbid(unsafe_code)]
