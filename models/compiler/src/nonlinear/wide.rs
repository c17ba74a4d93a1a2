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

#[cfg(test)]
mod tests {
    use super::*;

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
