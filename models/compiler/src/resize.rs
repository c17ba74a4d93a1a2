//! Where the outputs of a resized axis lie between its inputs, by each source format's own rule.

/// Positions and weights of one axis of a bilinear interpolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpolation {
    /// For each output the input before it; the other one is the next, or the same at the end.
    pub positions: Vec<usize>,
    /// For each output the weight of the other one, in `0..=unit`.
    pub weights: Vec<i32>,
    /// The weight that stands for one.
    pub unit: i32,
}

/// How TensorFlow Lite places the outputs of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TflitePlacing {
    /// The first and the last element stay where they are.
    pub align_corners: bool,
    /// Elements lie at the middles of their cells.
    pub half_pixel_centers: bool,
}

impl TflitePlacing {
    /// Returns the interpolation of RESIZE_BILINEAR's integer kernel, in units of 1/1024; `None` where its rounded scale
    /// leads it beyond the last input.
    pub fn interpolation(self, inputs: usize, outputs: usize) -> Option<Interpolation> {
        const UNIT: i64 = 1 << 10;
        let (n, m) = (i64::try_from(inputs).ok()?, i64::try_from(outputs).ok()?);
        let scale =
            if self.align_corners && m > 1 { (UNIT * (n - 1) + (m - 1) / 2) / (m - 1) } else { (UNIT * n + m / 2) / m };
        let offset = if self.half_pixel_centers { scale / 2 - UNIT / 2 } else { 0 };
        let mut interpolation = Interpolation { positions: vec![], weights: vec![], unit: UNIT as i32 };
        for i in 0..m {
            let at = i * scale + offset;
            if i32::try_from(at).is_err() {
                return None;
            }
            // Before the first input and behind the last one both neighbours are the same, and the weight means nothing.
            let position = (at / UNIT).max(0);
            let inside = at > 0 && position < n - 1;
            if position >= n {
                return None;
            }
            interpolation.positions.push(position as usize);
            interpolation.weights.push(if inside { (at % UNIT) as i32 } else { 0 });
        }
        Some(interpolation)
    }

    /// Returns the input that RESIZE_NEAREST_NEIGHBOR takes for each output; it computes in f32.
    pub fn nearest(self, inputs: usize, outputs: usize) -> Vec<usize> {
        let (n, m) = (inputs as f32, outputs as f32);
        let scale = if self.align_corners && outputs > 1 { (inputs - 1) as f32 / (outputs - 1) as f32 } else { n / m };
        let offset = if self.half_pixel_centers { 0.5 } else { 0.0 };
        let place = |i: usize| {
            let at = (i as f32 + offset) * scale;
            // Casts saturate.
            (if self.align_corners { at.round() } else { at.floor() } as usize).min(inputs.saturating_sub(1))
        };
        (0..outputs).map(place).collect()
    }
}

/// Extents of an axis before and after, and the scale between them as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Elements before.
    pub inputs: usize,
    /// Elements after.
    pub outputs: usize,
    /// The scale: numerator and denominator.
    scale: (usize, usize),
    /// The scale as ONNX Runtime has it.
    bits: u32,
}

impl Ratio {
    /// Returns the ratio of two extents.
    pub fn of(inputs: usize, outputs: usize) -> Self {
        let common = gcd(outputs, inputs).max(1);
        let scale = outputs as f32 / inputs as f32;
        Self { inputs, outputs, scale: (outputs / common, inputs / common), bits: scale.to_bits() }
    }

    /// Returns the ratio by a scale, if it is the f32 nearest to a fraction with a denominator of at most 4096.
    pub fn scaled(inputs: usize, scale: f32) -> Option<Self> {
        if !(scale > 0.0 && scale <= 65536.0) {
            return None;
        }
        let fraction = (1usize..=4096).find_map(|denominator| {
            let numerator = (f64::from(scale) * denominator as f64).round();
            let same = numerator >= 1.0 && (numerator / denominator as f64) as f32 == scale;
            same.then_some((numerator as usize, denominator))
        })?;
        // ONNX Runtime truncates the product in f32.
        let outputs = (scale * inputs as f32) as usize;
        (outputs > 0).then_some(Self { inputs, outputs, scale: fraction, bits: scale.to_bits() })
    }

    /// Returns whether the scale takes all inputs to all outputs without a rest.
    pub fn is_whole(&self) -> bool {
        self.inputs.checked_mul(self.scale.0) == self.outputs.checked_mul(self.scale.1)
    }

    fn scale(&self) -> f32 {
        f32::from_bits(self.bits)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How ONNX places the outputs of an axis: `coordinate_transformation_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnnxPlacing {
    /// Elements lie at the middles of their cells.
    HalfPixel,
    /// The same, but a single output lies at the first input.
    PytorchHalfPixel,
    /// The first and the last element stay where they are.
    AlignCorners,
    /// The first element stays where it is.
    Asymmetric,
}

/// Which input ONNX takes for an output between two: `nearest_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnnxNearest {
    /// The nearer one, the lower one from the middle.
    RoundPreferFloor,
    /// The nearer one, the higher one from the middle.
    RoundPreferCeil,
    /// The lower one.
    Floor,
    /// The higher one.
    Ceil,
}

impl OnnxPlacing {
    /// Returns the input taken for each output, with coordinates in f32 as ONNX Runtime computes them.
    pub fn nearest(self, rounding: OnnxNearest, ratio: &Ratio) -> Vec<usize> {
        let last = ratio.inputs.saturating_sub(1);
        let place = |i: usize| {
            let (x, scale) = (i as f32, ratio.scale());
            let at = match self {
                Self::HalfPixel => (x + 0.5) / scale - 0.5,
                Self::PytorchHalfPixel if ratio.outputs > 1 => (x + 0.5) / scale - 0.5,
                Self::AlignCorners if ratio.outputs > 1 => x * last as f32 / (ratio.outputs - 1) as f32,
                Self::PytorchHalfPixel | Self::AlignCorners => 0.0,
                Self::Asymmetric => x / scale,
            };
            let at = match rounding {
                OnnxNearest::RoundPreferFloor if at == at.trunc() + 0.5 => at.trunc(),
                OnnxNearest::RoundPreferFloor | OnnxNearest::RoundPreferCeil => at.round(),
                OnnxNearest::Floor => at.floor(),
                OnnxNearest::Ceil => at.ceil(),
            };
            // Casts saturate.
            (at as usize).min(last)
        };
        (0..ratio.outputs).map(place).collect()
    }

    /// Returns the exact interpolation, in the largest unit in which all weights are whole; `None` where that is not
    /// below 2^23.
    pub fn interpolation(self, ratio: &Ratio) -> Option<Interpolation> {
        let (n, m) = (i64::try_from(ratio.inputs).ok()?, i64::try_from(ratio.outputs).ok()?);
        let (p, q) = (i64::try_from(ratio.scale.0).ok()?, i64::try_from(ratio.scale.1).ok()?);
        // Output i lies at (i · step + offset) / unit.
        let (step, offset, unit) = match self {
            Self::HalfPixel => (2 * q, q - p, 2 * p),
            Self::PytorchHalfPixel if m > 1 => (2 * q, q - p, 2 * p),
            Self::AlignCorners if m > 1 => (n - 1, 0, m - 1),
            Self::PytorchHalfPixel | Self::AlignCorners => (0, 0, 1),
            Self::Asymmetric => (q, 0, p),
        };
        let end = (n - 1).checked_mul(unit)?;
        let places = (0..m).map(|i| Some(i.checked_mul(step)?.checked_add(offset)?.clamp(0, end)));
        let places: Vec<i64> = places.collect::<Option<_>>()?;
        let common = places.iter().fold(unit, |common, &place| gcd(common as usize, (place % unit) as usize) as i64);
        let whole = i32::try_from(unit / common).ok().filter(|&unit| unit < 1 << 23)?;
        Some(Interpolation {
            positions: places.iter().map(|place| (place / unit) as usize).collect(),
            weights: places.iter().map(|place| (place % unit / common) as i32).collect(),
            unit: whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_stay() {
        let corners = TflitePlacing { align_corners: true, half_pixel_centers: false };
        let axis = corners.interpolation(3, 5).unwrap();
        assert_eq!((axis.positions, axis.weights), (vec![0, 0, 1, 1, 2], vec![0, 512, 0, 512, 0]));
        assert_eq!(corners.nearest(3, 5), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn centres_of_cells() {
        let centres = TflitePlacing { align_corners: false, half_pixel_centers: true };
        let axis = centres.interpolation(2, 4).unwrap();
        assert_eq!((axis.positions, axis.weights), (vec![0, 0, 0, 1], vec![0, 256, 768, 0]));
        assert_eq!(centres.nearest(4, 2), [1, 3]);
    }

    #[test]
    fn fractions_of_scales() {
        assert_eq!(Ratio::scaled(10, 1.3).map(|r| (r.scale, r.outputs)), Some(((13, 10), 13)));
        assert_eq!(Ratio::scaled(3, 1.0 / 3.0).map(|r| (r.scale, r.outputs)), Some(((1, 3), 1)));
        assert_eq!(Ratio::scaled(3, std::f32::consts::PI), None);
        assert_eq!(Ratio::scaled(3, f32::NAN), None);
        assert!(Ratio::of(5, 10).is_whole() && !Ratio::scaled(3, 1.5).unwrap().is_whole());
    }

    #[test]
    fn exact_weights() {
        let axis = OnnxPlacing::HalfPixel.interpolation(&Ratio::of(2, 6)).unwrap();
        assert_eq!((axis.positions, axis.weights, axis.unit), (vec![0, 0, 0, 0, 1, 1], vec![0, 0, 1, 2, 0, 0], 3));
        let axis = OnnxPlacing::AlignCorners.interpolation(&Ratio::of(3, 5)).unwrap();
        assert_eq!((axis.positions, axis.weights, axis.unit), (vec![0, 0, 1, 1, 2], vec![0, 1, 0, 1, 0], 2));
    }

    #[test]
    fn a_scale_that_leads_beyond_the_input() {
        // (1024 + 35) div 70 = 15, and 69 · 15 is more than 1024.
        let plain = TflitePlacing { align_corners: false, half_pixel_centers: false };
        assert_eq!(plain.interpolation(1, 70), None);
        assert!(plain.interpolation(1, 64).is_some());
    }
}
