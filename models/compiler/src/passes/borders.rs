//! Which taps of a window lie inside the input, over all output positions.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::graph::Window;

/// Longest axis that is looked at position by position.
const MOST_POSITIONS: usize = 1 << 16;

/// Returns the distinct ranges of taps that lie inside the input along `axis` (0 height, 1 width), or `None` for an axis too
/// long to be looked at. A range may be empty.
pub(super) fn classes(window: &Window, axis: usize, inputs: usize, outputs: usize) -> Option<Vec<Range<usize>>> {
    let (&kernel, &stride) = (window.kernel.get(axis)?, window.stride.get(axis)?);
    let (&dilation, &pad) = (window.dilation.get(axis)?, window.pad.get(axis)?);
    if outputs > MOST_POSITIONS || dilation == 0 {
        return None;
    }
    let mut found = BTreeSet::new();
    for output in 0..outputs {
        let first = output.checked_mul(stride)?;
        // Tap k lies at first + k · dilation - pad.
        let begin = pad.saturating_sub(first).div_ceil(dilation).min(kernel);
        let end = inputs.checked_add(pad)?.saturating_sub(first).div_ceil(dilation).min(kernel);
        found.insert((begin.min(end), end));
    }
    Some(found.into_iter().map(|(begin, end)| begin..end).collect())
}

/// Returns whether every tap of every output position lies inside the input.
pub(super) fn never_padded(window: &Window, input: &[usize], output: &[usize]) -> bool {
    let (&[_, h, w, _], &[_, oh, ow, _]) = (input, output) else { return false };
    [(0, h, oh), (1, w, ow)].into_iter().all(|(axis, inputs, outputs)| {
        let whole = 0..window.kernel.get(axis).copied().unwrap_or(0);
        classes(window, axis, inputs, outputs).is_some_and(|classes| classes == [whole])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, dilation: usize, pad: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [dilation; 2], pad: [pad; 2] }
    }

    #[test]
    fn classes_are_the_taps_inside() {
        for (kernel, stride, dilation, pad, inputs, outputs) in
            [(3, 1, 1, 1, 5, 5), (3, 2, 1, 0, 6, 3), (5, 1, 2, 4, 3, 3), (2, 3, 3, 7, 4, 6), (1, 1, 1, 0, 9, 9)]
        {
            let window = window(kernel, stride, dilation, pad);
            let mut want = BTreeSet::new();
            for output in 0..outputs {
                let inside = |k: &usize| {
                    let at = (output * stride + k * dilation) as isize - pad as isize;
                    (0..inputs as isize).contains(&at)
                };
                want.insert((0..kernel).filter(inside).collect::<Vec<_>>());
            }
            let got = classes(&window, 0, inputs, outputs).unwrap();
            let got: BTreeSet<_> = got.into_iter().map(|range| range.collect::<Vec<_>>()).collect();
            assert_eq!(got, want, "{window:?}");
        }
    }

    #[test]
    fn a_window_inside_is_never_padded() {
        assert!(never_padded(&window(3, 1, 1, 0), &[1, 5, 5, 2], &[1, 3, 3, 2]));
        assert!(!never_padded(&window(3, 1, 1, 1), &[1, 5, 5, 2], &[1, 5, 5, 2]));
        assert!(!never_padded(&window(3, 2, 1, 0), &[1, 6, 6, 2], &[1, 3, 3, 2]));
    }
}
