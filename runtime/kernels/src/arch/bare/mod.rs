//! What families of microcontrollers share: operators that need no instruction of theirs.

mod lut;
mod repeated;
mod softmax;

pub(crate) use self::{lut::lut, repeated::Repeated, softmax::softmax};
