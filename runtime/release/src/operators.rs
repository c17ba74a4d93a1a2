//! The operators that a node's firmware links for models that come later.
//!
//! Their kernels are the reference's, which read portable artifacts; packed ones need a firmware with their family. A firmware of one's own
//! names what it likes: [`tanbo::op_set`].

use tanbo_format::Op;

/// Beside LoRaWAN in 256 KiB of flash: plain convolutional networks of int8, windows or streamed, and the zoo's models.
pub const FEW: &[Op] =
    &[Op::Conv2d, Op::DepthwiseConv2d, Op::FullyConnected, Op::Mean, Op::Lut, Op::Concat, Op::Slice, Op::Requantize];

/// Where flash is larger: [`FEW`], branches, recurrent networks, and what importers make of the rest of an int8 classifier.
pub const MANY: &[Op] = &[
    Op::Conv2d,
    Op::DepthwiseConv2d,
    Op::FullyConnected,
    Op::AveragePool2d,
    Op::MaxPool2d,
    Op::Mean,
    Op::Add,
    Op::Sub,
    Op::Mul,
    Op::Lut,
    Op::Softmax,
    Op::Pad,
    Op::Concat,
    Op::Slice,
    Op::Transpose,
    Op::Requantize,
    Op::Svdf,
    Op::Gru,
];

/// Returns operators as an artifact's header has them: bit `op as u8` of each.
pub const fn bits(operators: &[Op]) -> u64 {
    let (mut bits, mut rest) = (0, operators);
    while let Some((first, others)) = rest.split_first() {
        bits |= 1 << *first as u8;
        rest = others;
    }
    bits
}

/// Returns those of `operators`, as bits, that `linked` lacks.
pub fn lacking(operators: u64, linked: &[Op]) -> impl Iterator<Item = Op> {
    let lacking = operators & !bits(linked);
    Op::ALL.iter().copied().filter(move |op| lacking >> *op as u8 & 1 == 1)
}

const _: () =
    assert!(bits(FEW) & !bits(MANY) == 0, "where flash is larger, no model is refused that a small board takes");
