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
    fn a_scale_that_leads_beyond_the_input() {
        // (1024 + 35) div 70 = 15, and 69 · 15 is more than 1024.
        let plain = TflitePlacing { align_corners: false, half_pixel_centers: false };
        assert_eq!(plain.interpolation(1, 70), None);
        assert!(plain.interpolation(1, 64).is_some());
    }
}
