//! Steps of int16 activations, most of them made from a step of the int8 operator.

use super::*;

/// Returns the int8 operator with the same shapes.
fn narrow(op: Op) -> Option<Op> {
    Some(match op {
        Op::Conv2dI16 => Op::Conv2d,
        Op::DepthwiseConv2dI16 => Op::DepthwiseConv2d,
        Op::FullyConnectedI16 => Op::FullyConnected,
        Op::AveragePool2dI16 => Op::AveragePool2d,
        Op::MaxPool2dI16 => Op::MaxPool2d,
        Op::MeanI16 => Op::Mean,
        Op::AddI16 => Op::Add,
        Op::SubI16 => Op::Sub,
        Op::MulI16 => Op::Mul,
        Op::TransposeConv2dI16 => Op::TransposeConv2d,
        Op::BatchMatmulI16 => Op::BatchMatmul,
        _ => return None,
    })
}

/// Returns whether the operator takes int16 activations.
pub fn is_wide(op: Op) -> bool {
    narrow(op).is_some() || matches!(op, Op::LutI16 | Op::SigmoidI16 | Op::SoftmaxI16)
}

/// Returns whether the operator has a window.
pub fn is_windowed(op: Op) -> bool {
    let narrow = narrow(op).unwrap_or(op);
    !matches!(narrow, Op::FullyConnected | Op::FullyConnectedI4)
        && (narrow.has_weights() || matches!(narrow, Op::AveragePool2d | Op::MaxPool2d))
}

/// Returns whether the operator has two inputs that broadcast.
pub fn is_binary(op: Op) -> bool {
    let narrow = narrow(op).unwrap_or(op);
    matches!(narrow, Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Minimum | Op::Maximum | Op::SquaredDifference)
}

impl Generator<'_, '_> {
    /// As [`Generator::apply`], for an operator of int16 activations.
    pub fn apply_wide(&mut self, op: Op, rounding: Rounding, inputs: &[u16]) -> Result<Option<Applied>> {
        let ty = ElementType::I16;
        let Some(narrow) = narrow(op) else {
            let shape = self.artifact.tensors[usize::from(inputs[0])].shape.clone();
            let (attrs, consts) = self.function(op, rounding)?;
            return Ok(Some(Applied { attrs, consts, shape, ty }));
        };
        let Some(applied) = self.apply(narrow, rounding, inputs)? else { return Ok(None) };
        let bits = if rounding == Rounding::Tflite && self.u.ratio(1, 3)? { 32 } else { 64 };
        let grow = *self.u.choose(&[1, 256])?;
        let word = |name: &&str| match narrow.attrs().iter().position(|other| other == name) {
            None => bits,
            Some(i) => match (*name, applied.attrs[i]) {
                ("low" | "high", bound) => bound * grow,
                ("left_shift", shift) => shift.min(15),
                ("shift", shift) if op == Op::BatchMatmulI16 => shift.min(7),
                (_, word) => word,
            },
        };
        let attrs = op.attrs().iter().map(word).collect();
        let mut consts = applied.consts;
        if op.has_weights() {
            if let ConstData::I32(bias) = &consts[1] {
                consts[1] = ConstData::I64(bias.iter().map(|&b| i64::from(b) << 20).collect());
            }
            if let ConstData::I8(shifts) = &mut consts[3] {
                shifts.iter_mut().for_each(|shift| *shift = (*shift).min(7));
            }
        }
        Ok(Some(Applied { attrs, consts, ty, ..applied }))
    }

    fn shorts(&mut self, count: usize) -> ConstData {
        ConstData::I16((0..count).map(|_| self.rng.i16(..)).collect())
    }

    /// Returns attributes and constants of an operator that takes one value at a time, or of a softmax.
    fn function(&mut self, op: Op, rounding: Rounding) -> Result<(Vec<i32>, Vec<ConstData>)> {
        Ok(match (op, rounding) {
            (Op::LutI16, _) => {
                let bits = self.word(7, 12)?;
                (vec![bits], vec![self.shorts((1 << (16 - bits)) + 1)])
            }
            (Op::SigmoidI16, _) => {
                let attrs = vec![self.word(0, 1)?, self.word(0, 32_767)?, self.word(0, 31)?];
                (attrs, vec![self.shorts(256)])
            }
            (_, Rounding::Tflite) => {
                let tables = (0..1026).map(|i| if i / 2 == 255 || i == 512 { i16::MAX } else { self.rng.i16(0..) });
                let tables = ConstData::I16(tables.collect());
                (self.multiplier()?.to_vec(), vec![tables, ConstData::I32(Vec::new())])
            }
            (_, Rounding::Single) => {
                let entry = |i: i32| if i & 255 == 0 { 1 << 30 } else { self.rng.i32(0..=1 << 30) };
                let exponentials = ConstData::I32((0..512).map(entry).collect());
                (self.multiplier()?.to_vec(), vec![ConstData::I16(Vec::new()), exponentials])
            }
        })
    }
}
