//! Tables for functions of int16 values, as TensorFlow Lite Micro's reference kernels have them.

/// Entries of the table of the logistic function that lie one above the nearest integer.
const ONE_ABOVE: [usize; 44] = [
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49,
    50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
];

/// Returns 1 / (1 + exp(-i/24)) for `i` in `0..256` in 16 fraction bits, less 2^15: TensorFlow Lite's table, which for some
/// entries is one above the nearest integer.
pub fn sigmoid_table() -> Vec<i16> {
    let entry = |i: usize| {
        let nearest = (65536.0 / (1.0 + (-(i as f64) / 24.0).exp())).round() as i32;
        (nearest + i32::from(ONE_ABOVE.contains(&i)) - 32768) as i16
    };
    (0..256).map(entry).collect()
}

/// Returns factor and right shift that bring values of `scale` to units of 1/12288, or `None` if the scale is too large.
///
/// Scales of 2^-12, and of 2^-11 for the hyperbolic tangent, have an exact factor; of others the factor is truncated.
pub fn sigmoid_scale(scale: f32, tanh: bool) -> Option<(i32, i32)> {
    let scale = f64::from(scale);
    if scale == f64::exp2(-12.0) {
        return Some((3, 0));
    }
    if tanh && scale == f64::exp2(-11.0) {
        return Some((6, 0));
    }
    let (mut factor, mut shift) = (scale * 4096.0 * 3.0, 0);
    while factor <= 32767.0 / 2.0 && shift <= 30 {
        (factor, shift) = (factor * 2.0, shift + 1);
    }
    (factor <= 32767.0).then_some((factor as i32, shift))
}

/// Returns the tables of a softmax: exp on [-10, 0], then 1/(1 + x) on [0, 1].
pub fn softmax_tables() -> Vec<i16> {
    // In f64 and rounded: the correctly rounded expf, whatever the libm.
    let mut tables = sampled(|x| f64::from(x).exp() as f32, -10.0, 0.0);
    tables.extend(sampled(|x| 1.0 / (1.0 + x), 0.0, 1.0));
    tables
}

/// Returns 513 samples of `f` on `[low, high]` in Q15, in f32. All but the last give way to half of the error that a line to
/// the next makes midway (TensorFlow Lite's `gen_lut`).
fn sampled(f: impl Fn(f32) -> f32, low: f32, high: f32) -> Vec<i16> {
    const STEPS: i32 = 512;
    let step = (high - low) / STEPS as f32;
    let saturate = |x: f32| x.clamp(-32768.0, 32767.0) as i16;
    let entry = |i: i32| {
        let here = (f(low + i as f32 * step) * 32768.0).round();
        let next = f(low + (i + 1) as f32 * step) * 32768.0;
        let midway = (f(low + i as f32 * step + step / 2.0) * 32768.0).round();
        let error = ((next + here) / 2.0).round() - midway;
        saturate(here - (error / 2.0).round())
    };
    (0..STEPS).map(entry).chain([saturate((f(high) * 32768.0).round())]).collect()
}

/// Returns the fewest entries, 2^bits inputs apart, whose lines miss none of the 65,536 values (from -32768 on) by more than
/// one; and bits. Without lines in between, with bits = 0, all are exact.
pub fn interpolated(values: &[i32]) -> (u32, Vec<i16>) {
    const MOST_BITS: u32 = 9;
    let mut bits = MOST_BITS;
    loop {
        let table = entries(values, bits);
        let misses = |(place, &value): (usize, &i32)| line(&table, bits, place).abs_diff(value) > 1;
        if bits == 0 || !values.iter().enumerate().any(misses) {
            return (bits, table.iter().map(|&entry| entry as i16).collect());
        }
        bits -= 1;
    }
}

/// Every 2^bits-th value, and behind the last one an entry whose line meets the last value.
fn entries(values: &[i32], bits: u32) -> Vec<i32> {
    let mut table: Vec<i32> = values.iter().step_by(1 << bits).copied().collect();
    let (base, end) = (table.last().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    let (step, reach) = (1 << bits, (1 << bits) - 1);
    let beyond = if reach == 0 { base } else { base + (end - base) * step / reach };
    table.push(beyond.clamp(-32768, 32767));
    table
}

/// What `lut_i16` gives at `place`, counted from -32768.
fn line(table: &[i32], bits: u32, place: usize) -> i32 {
    let (index, rest) = (place >> bits, (place & ((1 << bits) - 1)) as i32);
    let entry = |i: usize| table.get(i).copied().unwrap_or(0);
    entry(index) + (((entry(index + 1) - entry(index)) * rest + ((1 << bits) >> 1)) >> bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_misses_by_one_at_most_and_keeps_jumps() {
        let sampled = |f: &dyn Fn(f64) -> f64| -> Vec<i32> {
            (-32768..32768).map(|q| (f(f64::from(q) / 4096.0) * 32767.0).round() as i32).collect()
        };
        let functions: [(&dyn Fn(f64) -> f64, u32); 4] =
            [(&|x| x / 8.0, 9), (&f64::tanh, 4), (&|x| 1.0 / (1.0 + (-x).exp()), 5), (&f64::signum, 0)];
        for (i, (f, least_bits)) in functions.into_iter().enumerate() {
            let values = sampled(f);
            let (bits, table) = interpolated(&values);
            assert!(bits >= least_bits && table.len() == (1 << (16 - bits)) + 1, "{i}: {bits}");
            let mut got = vec![0; 65_536];
            let x: Vec<i16> = (i16::MIN..=i16::MAX).collect();
            let params = tanbo_kernels::LutI16 { interpolated_bits: bits, table: &table };
            tanbo_kernels::reference::lut_i16::run(&params, &x, &mut got).unwrap();
            assert!(got.iter().zip(&values).all(|(&y, &want)| i32::from(y).abs_diff(want) <= 1), "{i}");
        }
    }

    #[test]
    fn tables_are_near_their_functions() {
        for (i, &entry) in sigmoid_table().iter().enumerate() {
            let real = 65536.0 / (1.0 + (-(i as f64) / 24.0).exp());
            assert!((f64::from(entry) + 32768.0 - real).abs() <= 1.5, "{i}");
        }
        let tables = softmax_tables();
        assert_eq!(tables.len(), 1026);
        for i in 0..=512 {
            let (exp, reciprocal) = ((f64::from(i) / 51.2 - 10.0).exp(), 1.0 / (1.0 + f64::from(i) / 512.0));
            assert!((f64::from(tables[i as usize]) - exp * 32768.0).abs() <= 4.0, "{i}");
            assert!((f64::from(tables[513 + i as usize]) - reciprocal * 32768.0).abs() <= 1.0, "{i}");
        }
    }

    #[test]
    fn scales_become_factors() {
        assert_eq!(sigmoid_scale(1.0 / 4096.0, false), Some((3, 0)));
        assert_eq!(sigmoid_scale(1.0 / 2048.0, false), Some((24576, 12)));
        assert_eq!(sigmoid_scale(1.0 / 2048.0, true), Some((6, 0)));
        assert_eq!(sigmoid_scale(f32::MIN_POSITIVE, true), Some((0, 31)));
        assert_eq!(sigmoid_scale(3.0, false), None);
    }
}
