//! Steps of operators that take one value at a time, and softmax: every length, extremes first, apart and in place.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use tanbo::ElementType;
use tanbo_format::Op;
use tanbo_format::emit::{Artifact, ConstData, StorageSpec, TensorSpec};
use tanbo_quant::Rounding;

use crate::draw::Draw;
use crate::generated::one_step;

/// Greatest length that each case has: a little more than twice what any kernel takes at a time.
const LENGTHS: u32 = 40;
/// Longer ones: pieces that engines copy aside, runs whose values are counted, what those cannot count.
const LONG: [u32; 8] = [63, 64, 65, 129, 200, 256, 300, 511];

/// A step of one such operator.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    op: Op,
    types: [ElementType; 2],
    /// Shape of each input. The first is the output's, or the second.
    shapes: Vec<Vec<u32>>,
    /// Which input the output overwrites.
    place: Option<usize>,
    rounding: Rounding,
    /// Whether inputs are extremes.
    extreme: bool,
}

impl Values {
    /// Returns the steps of every length.
    pub(crate) fn all() -> Vec<Self> {
        let mut steps = Vec::new();
        for extreme in [true, false] {
            for (number, length) in (1..=LENGTHS).chain(LONG).enumerate() {
                let places = [None, Some(number % 2)];
                for (op, place) in [Op::Add, Op::Mul].into_iter().flat_map(|op| places.map(|place| (op, place))) {
                    let shape = vec![1, 1 + length % 2, 1, length];
                    steps.push(Self::int8(
                        op,
                        vec![shape.clone(), shape],
                        place,
                        number + usize::from(extreme),
                        extreme,
                    ));
                }
                // A gate for every channel, on either side.
                let mut shapes = vec![vec![1, 3, 2, length], vec![1, 1, 1, length]];
                shapes.rotate_left(number % 2);
                steps.push(Self::int8(Op::Mul, shapes, None, number, extreme));
                for place in [None, Some(0)] {
                    steps.push(Self::int8(Op::Lut, vec![vec![1, 2, 1, length]], place, number, extreme));
                    steps.push(Self::int8(Op::Requantize, vec![vec![1, 2, 1, length]], place, number, extreme));
                }
                let types = [[ElementType::U8, ElementType::I8], [ElementType::I8, ElementType::U8]][number / 2 % 2];
                let step = Self::int8(Op::Requantize, vec![vec![length]], None, number, extreme);
                steps.push(Self { types, ..step });
                for rounding in [Rounding::Single, Rounding::Tflite] {
                    steps.push(Self {
                        rounding,
                        ..Self::int8(Op::Softmax, vec![vec![2, length]], None, number, extreme)
                    });
                }
            }
        }
        steps
    }

    fn int8(op: Op, shapes: Vec<Vec<u32>>, place: Option<usize>, number: usize, extreme: bool) -> Self {
        let rounding = if number.is_multiple_of(2) { Rounding::Single } else { Rounding::Tflite };
        Self { op, types: [ElementType::I8; 2], shapes, place, rounding, extreme }
    }

    /// Returns any step.
    pub(crate) fn random(random: &mut impl Draw) -> Self {
        let op = [Op::Add, Op::Mul, Op::Lut, Op::Requantize, Op::Softmax][random.index(5)];
        let most = [9, 20, 70, 511][random.index(4)];
        let shape = vec![1, random.u32(1..=3), random.u32(1..=3), random.u32(1..=most)];
        let both = matches!(op, Op::Add | Op::Mul);
        let mut shapes = vec![shape.clone(); 1 + usize::from(both)];
        if op == Op::Mul && random.bool() {
            let side = random.index(2);
            for axis in &mut shapes[side][..1 + random.index(3)] {
                *axis = 1;
            }
        }
        let apart = op == Op::Softmax || shapes.iter().any(|other| *other != shape) || random.bool();
        let place = if apart { None } else { Some(random.index(shapes.len())) };
        let bytes = [ElementType::I8, ElementType::U8];
        let types =
            if op == Op::Requantize { [bytes[random.index(2)], bytes[random.index(2)]] } else { [ElementType::I8; 2] };
        let rounding = if random.bool() { Rounding::Single } else { Rounding::Tflite };
        Self { op, types, shapes, place, rounding, extreme: random.u32(0..4) == 0 }
    }

    /// Returns what to look at when it fails.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}/{:?}_{:?}_{:?}_{:?}_{:?}",
            self.op.name(),
            self.shapes,
            self.types,
            self.place,
            self.rounding,
            self.extreme
        )
    }

    /// Returns two runs of inputs: the first at the extremes where the step asks for that.
    pub(crate) fn inputs<R: Draw>(&self, random: &mut R) -> Vec<u8> {
        let length: u32 = self.shapes.iter().map(|shape| shape.iter().product::<u32>()).sum();
        let (first, turn) = (self.extreme, random.index(3));
        let mut bytes: Vec<u8> = (0..length)
            .map(|at| if first { [127u8, 128][(at as usize + turn) / (1 + turn) % 2] } else { random.i8(..) as u8 })
            .collect();
        bytes.extend((0..length).map(|_| random.i8(..) as u8));
        bytes
    }

    /// Returns the step as an artifact with random parameters.
    pub(crate) fn artifact<R: Draw>(&self, random: &mut R) -> Artifact {
        let unsigned = self.types.map(|ty| ty == ElementType::U8);
        let zero_point = |random: &mut R, unsigned: bool| {
            let least = if unsigned { 0 } else { -128 };
            match random.u32(0..4) {
                0 => least,
                1 => least + 255,
                _ => random.i32(least..=least + 255),
            }
        };
        let zeros = [zero_point(random, unsigned[0]), zero_point(random, unsigned[0]), zero_point(random, unsigned[1])];
        let least = if unsigned[1] { 0 } else { -128 };
        let (low, high) = match random.u32(0..4) {
            0 => (zeros[2], random.i32(zeros[2]..=least + 255)),
            1 => (random.i32(least..=zeros[2]), zeros[2]),
            _ => (least, least + 255),
        };
        let mantissa = |random: &mut R| match random.u32(0..6) {
            0 => [0, 1 << 30, i32::MAX][random.index(3)],
            _ => random.i32(1 << 30..=i32::MAX),
        };
        let (attrs, consts) = match self.op {
            Op::Add => {
                // One input is halved, as TensorFlow Lite has it; now and then both have any multiplier.
                let half = (1 << 30, 0);
                let other = (mantissa(random), -random.i32(0..=4));
                let mut by = [half, other];
                by.rotate_left(random.index(2));
                if random.u32(0..4) == 0 {
                    by = [(mantissa(random), -random.i32(0..=4)), other];
                }
                let sum = (mantissa(random), -random.i32(16..=20));
                let [(m1, s1), (m2, s2)] = by;
                (vec![zeros[0], zeros[1], zeros[2], 20, m1, s1, m2, s2, sum.0, sum.1, low, high], Vec::new())
            }
            Op::Mul => {
                let shift = if random.u32(0..6) == 0 {
                    [-31, -24, -23, -1, 0, 1, 2][random.index(7)]
                } else {
                    -random.i32(5..=9)
                };
                (vec![zeros[0], zeros[1], zeros[2], mantissa(random), shift, low, high], Vec::new())
            }
            Op::Requantize => {
                let shift = if random.u32(0..6) == 0 {
                    [-31, -24, -23, -9, 7, 8, 13, 14][random.index(8)]
                } else {
                    random.i32(-3..=3)
                };
                (vec![zeros[0], zeros[2], mantissa(random), shift, low, high], Vec::new())
            }
            Op::Lut => (Vec::new(), vec![ConstData::I8((0..256).map(|_| random.i8(..)).collect())]),
            _ => self.softmax(random, zeros[2]),
        };
        let bytes = |shape: &[u32]| shape.iter().product::<u32>();
        let output = self.shapes.iter().max_by_key(|shape| bytes(shape)).cloned().unwrap_or_default();
        let mut storages = Vec::new();
        let mut end = 0;
        for shape in self.shapes.iter().chain(self.place.is_none().then_some(&output)) {
            storages.push(StorageSpec::Arena { offset: end, bytes: bytes(shape), ring_rows: 0, chains: (0, 0) });
            end = (end + bytes(shape)).next_multiple_of(4);
        }
        let tensor = |storage: usize, shape: &[u32], ty| TensorSpec {
            name: String::new(),
            ty,
            shape: shape.to_vec(),
            scale: 1.0,
            zero_point: 0,
            storage: storage as u16,
        };
        let inputs = self.shapes.len();
        let mut tensors: Vec<_> =
            self.shapes.iter().enumerate().map(|(at, shape)| tensor(at, shape, self.types[0])).collect();
        tensors.push(tensor(self.place.unwrap_or(inputs), &output, self.types[1]));
        one_step(self.op, self.rounding, storages, tensors, consts, attrs)
    }

    /// Attributes and constants of a softmax.
    fn softmax<R: Draw>(&self, random: &mut R, zero_point: i32) -> (Vec<i32>, Vec<ConstData>) {
        match self.rounding {
            Rounding::Tflite => {
                let shift = random.i32(14..=28);
                let least = -(random.i32(0..=(31 << 26) >> shift).min(300));
                (vec![random.i32(1 << 30..=i32::MAX), shift, least, zero_point], vec![ConstData::I32(Vec::new())])
            }
            Rounding::Single => {
                let decay = random.i32(0..=1 << 14);
                let exponentials = (0..256).scan(1 << 23, |e, _| {
                    let now = *e;
                    *e -= ((i64::from(*e) * i64::from(decay)) >> 16) as i32;
                    Some(now)
                });
                (vec![random.i32(1 << 30..=i32::MAX), -15, 0, zero_point], vec![ConstData::I32(exponentials.collect())])
            }
        }
    }
}
