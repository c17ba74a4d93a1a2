//! How `two_layers.tnb` is made.

use tanbo_format::emit::{Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::{ElementType, Family, Op};
use tanbo_quant::Rounding;

pub const WEIGHTS: [[[i8; 4]; 3]; 2] =
    [[[12, -7, 3, 90], [-55, 21, 8, 4], [1, 2, -3, 4]], [[99, -20, 5, 0], [-31, 64, 17, 0], [0; 4]]];
pub const BIAS: [[i32; 3]; 2] = [[100, -200, 300], [-50, 75, 0]];
/// 2^-8: a mantissa of a half, 7 bits to the right.
pub const MULTIPLIER: (i32, i8) = (1 << 30, -7);
pub const HIDDEN_ZERO: i32 = -128;

/// Returns dense 4 -> 3 with a rectifier, dense 3 -> 2.
pub fn artifact() -> Artifact {
    let tensor = |name: &str, length, zero_point, storage| TensorSpec {
        name: name.into(),
        ty: ElementType::I8,
        shape: vec![1, length],
        scale: 0.0625,
        zero_point,
        storage,
    };
    let arena = |offset, bytes, chains| StorageSpec::Arena { offset, bytes, ring_rows: 0, chains };
    let dense = |layer: usize, inputs: usize, outputs: usize, zero_points: [i32; 2]| StepSpec {
        op: Op::FullyConnected,
        variant: 0,
        rounding: Rounding::Single,
        inputs: vec![layer as u16],
        states: vec![],
        output: layer as u16 + 1,
        consts: vec![
            ConstData::I8(WEIGHTS[layer][..outputs].iter().flat_map(|row| row[..inputs].to_vec()).collect()),
            ConstData::I32(BIAS[layer][..outputs].to_vec()),
            ConstData::I32(vec![MULTIPLIER.0]),
            ConstData::I8(vec![MULTIPLIER.1]),
        ],
        attrs: vec![zero_points[0], zero_points[1], -128, 127],
        scratch: None,
    };
    Artifact {
        family: Family::Portable,
        storages: vec![arena(0, 4, (0, 0)), arena(4, 3, (0, 1)), arena(0, 2, (1, 1))],
        tensors: vec![tensor("x", 4, 3, 0), tensor("", 3, HIDDEN_ZERO, 1), tensor("scores", 2, -5, 2)],
        steps: vec![dense(0, 4, 3, [3, HIDDEN_ZERO]), dense(1, 3, 2, [HIDDEN_ZERO, -5])],
        chains: vec![1, 1],
        inputs: vec![0],
        outputs: vec![2],
        source_macs: 18,
        hops: None,
        front_end: Vec::new(),
        card: "Two dense layers with made-up weights: the example of the README.".into(),
        signature: Vec::new(),
    }
}
