//! Arrays that a model is calibrated or judged with: per input one, the samples along its first axis.

use super::Res;
use crate::error::{CompileError, CompileErrorKind};
use crate::float::FloatPort;

/// One array of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleArray {
    /// Name of the model's input.
    pub name: String,
    /// Samples first, then the shape of the input, with or without its leading 1.
    pub shape: Vec<usize>,
    /// Elements, the last axis fastest.
    pub data: Vec<f32>,
}

/// Samples of every input of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    count: usize,
    /// Per input in the model's order: elements per sample, and all samples.
    inputs: Vec<(usize, Vec<f32>)>,
}

impl Samples {
    /// Binds arrays to a model's inputs by name; one array and one input belong together whatever its name.
    ///
    /// # Shapes
    /// `[n, ..input]`, or `[n, ..rest]` where the input is `[1, ..rest]`.
    ///
    /// # Errors
    /// Arrays missing, surplus, of other shapes or numbers of samples; no samples; numbers that are not finite.
    pub fn new(arrays: Vec<SampleArray>, inputs: &[FloatPort]) -> Res<Self> {
        let refuse = |place: &str, reason: String, remedy: &str| {
            CompileError::new(CompileErrorKind::Inconsistent, format!("array '{place}'"), reason, remedy)
        };
        let listed = || inputs.iter().map(|i| format!("'{}' {:?}", i.name, i.shape)).collect::<Vec<_>>().join(", ");
        let mut left = arrays;
        let mut bound = Vec::with_capacity(inputs.len());
        let mut count = None;
        for input in inputs {
            let only = left.len() == 1 && inputs.len() == 1;
            let Some(at) = left.iter().position(|array| only || array.name == input.name) else {
                return Err(refuse(
                    &input.name,
                    "it is missing".into(),
                    "give one array per input, named as the input",
                ));
            };
            let array = left.remove(at);
            let Some((&samples, rest)) = array.shape.split_first() else {
                return Err(refuse(
                    &array.name,
                    "it has no axis of samples".into(),
                    "stack samples along a first axis",
                ));
            };
            let fits = rest == input.shape || matches!(input.shape.as_slice(), [1, own @ ..] if rest == own);
            if !fits || array.data.len() != samples.saturating_mul(input.elements()) {
                let reason =
                    format!("shape {:?} holds no samples of input '{}' {:?}", array.shape, input.name, input.shape);
                return Err(refuse(&array.name, reason, "stack samples along a first axis"));
            }
            if samples == 0 {
                return Err(refuse(
                    &array.name,
                    "it holds no samples".into(),
                    "give 100 or more that are like real inputs",
                ));
            }
            if *count.get_or_insert(samples) != samples {
                return Err(refuse(
                    &array.name,
                    format!("it holds {samples} samples, other arrays another number"),
                    "give as many for each input",
                ));
            }
            if let Some(i) = array.data.iter().position(|v| !v.is_finite()) {
                let sample = i / input.elements().max(1);
                return Err(refuse(
                    &array.name,
                    format!("sample {sample} holds a number that is not finite"),
                    "remove it",
                ));
            }
            bound.push((input.elements(), array.data));
        }
        if let Some(array) = left.first() {
            return Err(refuse(
                &array.name,
                format!("the model has no such input; it has {}", listed()),
                "leave it out",
            ));
        }
        Ok(Self { count: count.unwrap_or(0), inputs: bound })
    }

    /// Returns the number of samples.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns sample `i`, one slice per input; empty slices beyond the last.
    pub fn sample(&self, i: usize) -> Vec<&[f32]> {
        self.inputs
            .iter()
            .map(|(elements, data)| {
                data.get(i.saturating_mul(*elements)..).and_then(|d| d.get(..*elements)).unwrap_or(&[])
            })
            .collect()
    }

    /// Returns the first `n` samples.
    pub fn prefix(&self, n: usize) -> Self {
        self.split(n).0
    }

    /// Returns the samples before `at`, and the rest.
    pub fn split(&self, at: usize) -> (Self, Self) {
        let at = at.min(self.count);
        let part = |range: std::ops::Range<usize>| Self {
            count: range.len(),
            inputs: self
                .inputs
                .iter()
                .map(|(elements, data)| {
                    (*elements, data.get(range.start * elements..range.end * elements).unwrap_or(&[]).to_vec())
                })
                .collect(),
        };
        (part(0..at), part(at..self.count))
    }

    /// Returns every `step`th pair of samples, from the first: an even sample and the odd one behind it.
    pub(crate) fn pairs(&self, step: usize) -> Self {
        let picked: Vec<usize> = (0..self.count).filter(|i| (i / 2).is_multiple_of(step.max(1))).collect();
        let inputs = self.inputs.iter().map(|(elements, data)| {
            let of = |&i: &usize| data.get(i * elements..(i + 1) * elements).unwrap_or(&[]).to_vec();
            (*elements, picked.iter().flat_map(of).collect())
        });
        Self { inputs: inputs.collect(), count: picked.len() }
    }
}
