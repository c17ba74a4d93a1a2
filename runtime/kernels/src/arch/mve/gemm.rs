//! Patches times packed weights.

use core::ptr;

use tanbo_packing::mve::{GROUP, HEAD_WORDS, RECORD_WORDS, VECTOR};
use tanbo_quant::Rounding;

use crate::{KernelResult, LengthError, Output, Packed};

/// Parameters of `tanbo_mve_gemm_*`, in the order that gemm.s reads.
#[repr(C)]
#[derive(Debug)]
struct Gemm {
    first: *const i8,
    /// Address of the second pixel's patch; of `tanbo_mve_gemm_row` the bytes of a group's weights.
    second: usize,
    /// Of the kernels for few vectors the groups.
    rounds: usize,
    /// Vectors that the first round of four leaves out.
    skip: usize,
    end: *const i32,
    weights: *const i8,
    records: *const i32,
    out: *mut i8,
    pairs: usize,
    step: usize,
    out_step: usize,
    single: usize,
    low: i32,
    high: i32,
    zero_point: i32,
    /// Places of four outputs, each beside its neighbour's of the other pixel or group.
    lanes: [u32; 4],
}

type Kernel = unsafe extern "C" fn(*const Gemm);

unsafe extern "C" {
    fn tanbo_mve_gemm_cut(params: *const Gemm);
    fn tanbo_mve_gemm_tflite(params: *const Gemm);
    fn tanbo_mve_gemm_single(params: *const Gemm);
    fn tanbo_mve_gemm_general(params: *const Gemm);
    fn tanbo_mve_gemm_short_cut(params: *const Gemm);
    fn tanbo_mve_gemm_short_single(params: *const Gemm);
    fn tanbo_mve_gemm_one_cut(params: *const Gemm);
    fn tanbo_mve_gemm_one_single(params: *const Gemm);
    fn tanbo_mve_gemm_row(params: *const Gemm);
}

/// How sums become outputs; gemm.s tells how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Cut,
    Tflite,
    Single,
    General,
}

impl Mode {
    /// Returns the shortest way that is exact, from the greatest shift: it decides numbers, never places.
    pub(super) fn of(range: &Output, greatest_shift: i32) -> Self {
        match range.rounding {
            Rounding::Single if greatest_shift < 0 => Self::Single,
            Rounding::Tflite if range.low >= range.zero_point && greatest_shift <= 0 => Self::Cut,
            Rounding::Tflite if greatest_shift < 0 => Self::Tflite,
            _ => Self::General,
        }
    }
}

/// Weights of a matrix: groups of four outputs, vectors of 16 values.
#[derive(Debug)]
pub(super) struct Matrix<'a> {
    weights: &'a [i8],
    records: &'a [i32],
    outputs: usize,
    chunks: usize,
    /// Kernel for two pixels, and whether it counts groups in place of rounds.
    pair: (bool, Kernel),
    params: Gemm,
}

impl<'a> Matrix<'a> {
    /// Returns the matrix of a convolution with `outputs` channels that sum `chunks` vectors.
    pub(super) fn new(p: &Packed<'a>, outputs: usize, chunks: usize) -> Result<Self, LengthError> {
        let groups = outputs.div_ceil(GROUP);
        let (&[greatest_shift], records) = p.records.split_first_chunk::<HEAD_WORDS>().ok_or(LengthError)?;
        let exact = p.weights.len() == groups * chunks * GROUP * VECTOR && records.len() == groups * RECORD_WORDS;
        if !exact || chunks == 0 || outputs == 0 {
            return Err(LengthError);
        }
        let int8_bounds = p.range.low == i32::from(i8::MIN) && p.range.high == i32::from(i8::MAX);
        let mode = Mode::of(&p.range, greatest_shift);
        let (counts_groups, pair): (bool, Kernel) = match (mode, chunks) {
            (Mode::Cut, 1) if int8_bounds => (true, tanbo_mve_gemm_one_cut),
            (Mode::Single, 1) if int8_bounds => (true, tanbo_mve_gemm_one_single),
            (Mode::Cut, 1..=4) => (true, tanbo_mve_gemm_short_cut),
            (Mode::Single, 1..=4) => (true, tanbo_mve_gemm_short_single),
            (Mode::Cut, _) => (false, tanbo_mve_gemm_cut),
            (Mode::Tflite, _) => (false, tanbo_mve_gemm_tflite),
            (Mode::Single, _) => (false, tanbo_mve_gemm_single),
            (Mode::General, _) => (false, tanbo_mve_gemm_general),
        };
        // What `run` sets anew has some value that lies at hand: many zeros would be a call of their own.
        let params = Gemm {
            first: p.weights.as_ptr(),
            second: 0,
            rounds: 0,
            skip: chunks.next_multiple_of(4) - chunks,
            end: records.as_ptr(),
            weights: p.weights.as_ptr(),
            records: records.as_ptr(),
            out: ptr::null_mut(),
            pairs: 0,
            step: 0,
            out_step: 2 * outputs,
            single: match mode {
                Mode::Cut => 2,
                Mode::Single => 3,
                Mode::Tflite | Mode::General => usize::from(p.range.rounding == Rounding::Single),
            },
            low: p.range.low.wrapping_sub(p.range.zero_point),
            high: p.range.high.wrapping_sub(p.range.zero_point),
            zero_point: p.range.zero_point,
            lanes: [1; 4],
        };
        Ok(Self { weights: p.weights, records, outputs, chunks, pair: (counts_groups, pair), params })
    }

    /// Returns how many values of a patch are read.
    pub(super) fn patch_len(&self) -> usize {
        self.chunks * VECTOR
    }

    /// Multiplies `pixels` patches, `step` bytes apart, of which whole vectors are read.
    pub(super) fn multiply(&mut self, patches: &[i8], step: usize, pixels: usize, out: &mut [i8]) -> KernelResult {
        let Some(last) = pixels.checked_sub(1) else { return Ok(()) };
        if last * step + self.patch_len() > patches.len() || pixels * self.outputs > out.len() {
            return Err(LengthError);
        }
        let whole = self.outputs / GROUP;
        self.params.first = patches.as_ptr();
        self.params.step = 2 * step;
        self.params.pairs = pixels / 2;
        if self.params.pairs > 0 {
            self.params.second = patches[step..].as_ptr() as usize;
            self.set_lanes(self.outputs);
            self.run(self.pair, 0, whole, out, 0);
            self.run_partial(out);
        }
        if pixels % 2 == 1 {
            let (patch, out) = (&patches[last * step..], &mut out[last * self.outputs..]);
            let even = whole / 2 * 2;
            self.params.first = patch.as_ptr();
            self.params.pairs = 1;
            if even > 0 {
                self.params.second = self.chunks * GROUP * VECTOR;
                self.set_lanes(GROUP);
                self.run((false, tanbo_mve_gemm_row), 0, even, out, 0);
            }
            if even * GROUP < self.outputs {
                self.params.second = patch.as_ptr() as usize;
                self.set_lanes(0);
                self.run(self.pair, even, whole, out, even * GROUP);
                self.run_partial(out);
            }
        }
        Ok(())
    }

    fn set_lanes(&mut self, other: usize) {
        for (lane, places) in self.params.lanes.iter_mut().enumerate() {
            let place = lane.min(self.outputs - 1);
            *places = (place | (place + other) << 16) as u32;
        }
    }

    /// Runs over a last group of fewer than four channels: it repeats some of the one before, or the last channel.
    fn run_partial(&mut self, out: &mut [i8]) {
        if !self.outputs.is_multiple_of(GROUP) {
            let whole = self.outputs / GROUP;
            self.run(self.pair, whole, whole + 1, out, self.outputs.saturating_sub(GROUP));
        }
    }

    /// Runs a kernel over groups `first..end`, whose outputs begin at `at`.
    fn run(&mut self, (counts_groups, kernel): (bool, Kernel), first: usize, end: usize, out: &mut [i8], at: usize) {
        if first == end {
            return;
        }
        self.params.rounds = if counts_groups { end - first } else { self.chunks.div_ceil(4) };
        self.params.weights = self.weights[first * self.chunks * GROUP * VECTOR..].as_ptr();
        self.params.records = self.records[first * RECORD_WORDS..].as_ptr();
        self.params.end = self.records[end * RECORD_WORDS..].as_ptr();
        self.params.out = out[at..].as_mut_ptr();
        // SAFETY: `multiply` has checked that patches lie `step` bytes apart in `patches`, as many as it sets, and their
        // outputs in `out`; `new`, that weights and records hold groups up to `end`; the kernel touches nothing else.
        unsafe { kernel(&self.params) }
    }
}
