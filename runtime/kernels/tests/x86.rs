//! The kernels of x86-64 that have no packing, against the reference in every bit.
#![cfg(target_arch = "x86_64")]

use std::time::{Duration, Instant};

use tanbo_kernels::arch::avx2::Avx2;
use tanbo_kernels::arch::vnni::Vnni;
use tanbo_kernels::*;
use tanbo_quant::{Multiplier, Rounding};

/// Numbers that are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }

    fn int8(&mut self) -> i32 {
        self.below(256) as i32 - 128
    }

    fn range(&mut self) -> Output {
        let rounding = [Rounding::Single, Rounding::Tflite][self.below(2) as usize];
        let zero_point = self.int8();
        let (low, high) = [(-128, 127), (zero_point, 127), (-100, 90)][self.below(3) as usize];
        Output { zero_point, low, high, rounding }
    }
}

/// Runs `check` for every table that this CPU has; AVX2 must be among them.
fn each_table(avx2: fn(&mut Random), vnni: fn(&mut Random)) {
    assert!(Avx2::available(), "this test needs a CPU with AVX2, or qemu-x86_64 -cpu max");
    avx2(&mut Random(1));
    let vnni_here = Vnni::available();
    println!("avx2: run; vnni: {}", if vnni_here { "run" } else { "not on this CPU" });
    if vnni_here {
        vnni(&mut Random(1));
    }
}

/// All pairs of values.
fn pairs() -> (Vec<i8>, Vec<i8>) {
    (0..1u32 << 16).map(|i| (i as u8 as i8, (i >> 8) as u8 as i8)).unzip()
}

fn sums<K: Kernels>(random: &mut Random) {
    let (x1, x2) = pairs();
    for case in 0..60 {
        // TFLite's own parameters, then others.
        let (left_shift, ratio) =
            if case % 3 == 0 { (20, 0) } else { (random.below(21) as i32, random.below(4) as i32) };
        let mantissa = |random: &mut Random| match random.below(4) {
            0 => 1 << 30,
            1 => i32::MAX,
            _ => (1 << 30) + random.below(1 << 30) as i32,
        };
        let input = |random: &mut Random| Multiplier { mantissa: mantissa(random), shift: -(random.below(4) as i32) };
        let multipliers = [input(random), input(random)];
        let multiplier = Multiplier { mantissa: mantissa(random), shift: ratio - left_shift + 1 };
        // In rows of another length than a block, too.
        let lengths = [1 << 16, 65_521, 33, 32, 31, 1];
        let length = lengths[case % lengths.len()];
        let shape = [1, length as u32];
        let params = Sum {
            shapes: [&shape, &shape],
            output_shape: &shape,
            zero_points: [random.int8(), random.int8()],
            left_shift,
            multipliers,
            multiplier,
            range: random.range(),
        };
        let (x1, x2) = (&x1[..length], &x2[..length]);
        let (mut want, mut got) = (vec![0; length], vec![1; length]);
        Reference::add(&params, x1, x2, &mut want).unwrap();
        K::add(&params, x1, x2, &mut got).unwrap();
        assert!(want == got, "{}: {params:?}", K::NAME);
        for place in [0, 1] {
            let (values, other) = if place == 0 { (x1, x2) } else { (x2, x1) };
            let mut got = values.to_vec();
            K::add_in_place(&params, place, &mut got, other).unwrap();
            assert!(want == got, "{} in place of input {place}: {params:?}", K::NAME);
        }
        Reference::sub(&params, x1, x2, &mut want).unwrap();
        K::sub(&params, x1, x2, &mut got).unwrap();
        assert!(want == got, "{}: {params:?}", K::NAME);
    }
}

#[test]
fn sums_of_all_pairs() {
    each_table(sums::<Avx2>, sums::<Vnni>);
}

/// The least time of five calls.
fn least(mut call: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        call();
        start.elapsed()
    };
    (0..5).map(time).min().unwrap_or_default()
}

/// Sums of the form that importers make take a quarter of the reference's time at most, wherever they are written: about a
/// fiftieth, as long as it is not the reference that computes them.
fn sums_are_fast<K: Kernels>(_: &mut Random) {
    let (x1, x2) = pairs();
    let shape = [x1.len() as u32];
    for rounding in [Rounding::Single, Rounding::Tflite] {
        let multipliers =
            [Multiplier { mantissa: 1 << 30, shift: 0 }, Multiplier { mantissa: 1_500_000_000, shift: -1 }];
        let params = Sum {
            shapes: [&shape, &shape],
            output_shape: &shape,
            zero_points: [-3, 4],
            left_shift: 20,
            multipliers,
            multiplier: Multiplier { mantissa: 1_200_000_000, shift: -18 },
            range: Output { zero_point: -128, low: -128, high: 127, rounding },
        };
        let mut y = x1.clone();
        let reference = least(|| Reference::add_in_place(&params, 0, &mut y, &x2).unwrap());
        let times = [
            least(|| K::add(&params, &x1, &x2, &mut y).unwrap()),
            least(|| K::sub(&params, &x1, &x2, &mut y).unwrap()),
            least(|| K::add_in_place(&params, 0, &mut y, &x2).unwrap()),
            least(|| K::add_in_place(&params, 1, &mut y, &x1).unwrap()),
        ];
        assert!(times.iter().all(|&time| 4 * time < reference), "{}: {times:?} of {reference:?}", K::NAME);
    }
}

#[test]
fn sums_are_not_the_reference() {
    each_table(sums_are_fast::<Avx2>, sums_are_fast::<Vnni>);
}

fn pools<K: Kernels>(random: &mut Random) {
    for case in 0..400 {
        let channels = if case < 140 { case + 1 } else { 1 + random.below(70) } as usize;
        let window = Window {
            kernel: match case % 50 {
                // More taps than sums of 16 bits take, and than quotients of 32 bits.
                10..14 => [17, 16],
                20..24 => [76, 77],
                _ => [1 + random.below(4) as usize, 1 + random.below(5) as usize],
            },
            stride: [1 + random.below(3) as usize, 1 + random.below(2) as usize],
            dilation: [1, 1],
            pad: [0; 2],
        };
        let extent = |axis: usize, outputs: usize| (outputs - 1) * window.stride[axis] + window.kernel[axis];
        let output = Image { height: 1 + random.below(4) as usize, width: 1 + random.below(5) as usize, channels };
        let window = Window { pad: window.kernel.map(|taps| taps / 2), ..window };
        let size = [extent(0, output.height), extent(1, output.width)];
        let input =
            Image { height: (size[0] - window.pad[0]).max(1), width: (size[1] - window.pad[1]).max(1), channels };
        let extreme = case % 4;
        let value = |random: &mut Random| match extreme {
            0 => 127,
            1 => -128,
            _ => random.int8() as i8,
        };
        let x: Vec<i8> = (0..input.height * input.row_len()).map(|_| value(random)).collect();
        let taps = window.kernel[0] * window.kernel[1];
        let mantissas: Vec<i32> = (0..taps).map(|_| (1 << 30) + random.below(1 << 30) as i32).collect();
        let shifts: Vec<i8> = (1..=taps).map(|n| -(n.ilog2() as i8)).collect();
        let range = random.range();
        let divisors = Multipliers { mantissas: &mantissas, shifts: &shifts };
        let params = AveragePool2d { window, input, output, input_zero_point: random.int8(), divisors, range };
        let length = output.height * output.row_len();
        let (mut want, mut got) = (vec![0i8; length], vec![1i8; length]);
        let x = Rows::new(&x, input.row_len(), input.height).unwrap();
        let rows = 0..output.height;
        let into = |y: &mut [i8], reference: bool, average: bool| {
            let mut y = RowsMut::new(y, output.row_len(), output.height).unwrap();
            let most = MaxPool2d { window, input, output, bounds: [range.low, range.high] };
            match (reference, average) {
                (true, true) => Reference::average_pool2d(&params, x, &mut y, rows.clone()),
                (true, false) => Reference::max_pool2d(&most, x, &mut y, rows.clone()),
                (false, true) => K::average_pool2d(&params, x, &mut y, rows.clone()),
                (false, false) => K::max_pool2d(&most, x, &mut y, rows.clone()),
            }
        };
        for average in [true, false] {
            assert_eq!(into(&mut want, true, average), into(&mut got, false, average), "{params:?}");
            assert!(want == got, "{}: average {average}: {params:?}", K::NAME);
        }
    }
}

#[test]
fn pools_of_every_number_of_channels() {
    each_table(pools::<Avx2>, pools::<Vnni>);
}
