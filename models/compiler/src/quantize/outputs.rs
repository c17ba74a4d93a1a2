//! Outputs of a quantized model beside its float model's: how far apart, of the same class, of the right class.

use super::Res;
use super::report::{Report, TensorError};
use super::statistics::{Accuracy, ErrorSums, Proportion};
use crate::error::{CompileError, CompileErrorKind};
use crate::float::FloatPort;

/// How samples are judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judge {
    /// Class of each sample, if known.
    pub labels: Option<Vec<usize>>,
    /// A first output of one element means class 1 from this value on, class 0 below it.
    pub threshold: Option<f64>,
}

/// Compares outputs sample by sample.
#[derive(Clone, Debug)]
pub struct OutputComparison {
    ports: Vec<FloatPort>,
    sums: Vec<ErrorSums>,
    /// Value of a first output of one element, or class of a longer one: float, and other.
    answers: Vec<[Answer; 2]>,
}

/// What a first output says of a sample.
#[derive(Clone, Copy, Debug)]
struct Answer {
    first: f32,
    /// Index of the first of the largest elements.
    largest: usize,
}

impl Answer {
    fn of(output: &[f32]) -> Self {
        let mut largest = 0;
        let mut most = f32::NEG_INFINITY;
        for (index, &value) in output.iter().enumerate() {
            if value > most {
                (largest, most) = (index, value);
            }
        }
        Self { first: output.first().copied().unwrap_or(0.0), largest }
    }
}

impl OutputComparison {
    /// Returns a comparison without samples, for a model's outputs.
    pub fn new(ports: &[FloatPort]) -> Self {
        Self { ports: ports.to_vec(), sums: vec![ErrorSums::default(); ports.len()], answers: Vec::new() }
    }

    /// Adds the outputs of a sample: the float model's, and the other's in the same order and layout.
    ///
    /// # Errors
    /// Outputs of other lengths; numbers that are not finite.
    pub fn push(&mut self, float: &[Vec<f32>], other: &[Vec<f32>]) -> Res<()> {
        let sample = self.answers.len();
        for (index, port) in self.ports.iter().enumerate() {
            let refuse = |reason: String, remedy: &str| {
                let place = format!("output '{}', sample {sample}", port.name);
                Err(CompileError::new(CompileErrorKind::Inconsistent, place, reason, remedy))
            };
            let lengths = [float, other].map(|outputs| outputs.get(index).map_or(0, Vec::len));
            let (Some(one), Some(two), true) = (float.get(index), other.get(index), lengths[0] == lengths[1]) else {
                let reason = format!("{} elements against {} of the float model", lengths[1], lengths[0]);
                return refuse(reason, "give the float model that it was made of");
            };
            if !one.iter().chain(two).all(|value| value.is_finite()) {
                return refuse("a number that is not finite".into(), "leave this sample out");
            }
            if let Some(sums) = self.sums.get_mut(index) {
                sums.add(one, two);
            }
        }
        if let (Some(one), Some(two)) = (float.first(), other.first()) {
            self.answers.push([Answer::of(one), Answer::of(two)]);
        }
        Ok(())
    }

    /// Returns the figures; the report has no layers.
    ///
    /// # Errors
    /// Labels or a threshold that do not fit the first output, or the number of samples.
    pub fn finish(&self, judge: &Judge) -> Res<Report> {
        let outputs = self.ports.iter().zip(&self.sums);
        let mut report = Report {
            samples: self.answers.len(),
            layers: Vec::new(),
            outputs: outputs.map(|(port, sums)| TensorError::new(port, String::new(), sums)).collect(),
            agreement: None,
            disagreeing: Vec::new(),
            accuracy: None,
        };
        let Some(classes) = self.classes(judge)? else { return Ok(report) };
        let other = |pair: &[usize; 2]| pair[0] != pair[1];
        report.disagreeing = (0..classes.len()).filter(|&sample| classes.get(sample).is_some_and(other)).collect();
        report.agreement = Some(Proportion::wilson(classes.len() - report.disagreeing.len(), classes.len()));
        if let Some(labels) = &judge.labels {
            let pairs = classes.iter().zip(labels);
            let right: Vec<(bool, bool)> = pairs.map(|([one, two], label)| (one == label, two == label)).collect();
            report.accuracy = Some(Accuracy::of(&right));
        }
        Ok(report)
    }

    /// Returns how many classes the first output has; nothing where it is no class and nobody says it is.
    ///
    /// # Errors
    /// Labels or a threshold that do not fit that output, or `samples`.
    pub fn check(&self, judge: &Judge, samples: usize) -> Res<Option<usize>> {
        let refuse = |place: &str, reason: String, remedy: &str| {
            Err(CompileError::new(CompileErrorKind::Inconsistent, place, reason, remedy))
        };
        let shape = self.ports.first().map(|port| port.shape.as_slice()).unwrap_or_default();
        let elements: usize = shape.iter().product();
        let long_axes = shape.iter().filter(|&&axis| axis > 1).count();
        let count = match (elements, judge.threshold) {
            (1, Some(_)) => 2,
            (_, Some(_)) => {
                let reason = format!("the first output has shape {shape:?}: a threshold needs one element");
                return refuse("threshold", reason, "leave the threshold away");
            }
            (1, None) if judge.labels.is_some() => {
                let remedy = "give a threshold (--threshold T: class 1 from T on, class 0 below it)";
                return refuse("labels", "the first output has one element: it is no class by itself".into(), remedy);
            }
            (_, None) if long_axes == 1 => elements,
            (_, None) if judge.labels.is_some() => {
                let reason = format!("the first output has shape {shape:?}: no element per class");
                return refuse("labels", reason, "leave the labels away");
            }
            _ => return Ok(None),
        };
        if let Some(labels) = &judge.labels {
            if labels.len() != samples {
                let reason = format!("{} labels for {samples} samples", labels.len());
                return refuse("labels", reason, "give one label per sample");
            }
            if let Some((sample, label)) = labels.iter().enumerate().find(|(_, label)| **label >= count) {
                let reason = format!("sample {sample} has class {label}, the model has {count}, counted from 0");
                return refuse("labels", reason, "give classes as the model counts them");
            }
        }
        Ok(Some(count))
    }

    /// Returns both classes of each sample; nothing where the first output is no class.
    fn classes(&self, judge: &Judge) -> Res<Option<Vec<[usize; 2]>>> {
        let class = |answer: Answer| match judge.threshold {
            Some(threshold) => usize::from(f64::from(answer.first) >= threshold),
            None => answer.largest,
        };
        let known = self.check(judge, self.answers.len())?;
        Ok(known.map(|_| self.answers.iter().map(|pair| pair.map(class)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(shape: &[usize], samples: &[(&[f32], &[f32])]) -> OutputComparison {
        let mut comparison = OutputComparison::new(&[FloatPort { name: "y".into(), shape: shape.to_vec() }]);
        for (float, other) in samples {
            comparison.push(&[float.to_vec()], &[other.to_vec()]).unwrap();
        }
        comparison
    }

    #[test]
    fn classes_are_counted() {
        let comparison = compared(
            &[1, 3],
            &[
                (&[1.0, 2.0, 0.0], &[1.0, 2.0, 0.0]),
                // A tie takes the first.
                (&[0.0, 2.0, 2.0], &[0.0, 1.0, 1.5]),
                (&[5.0, 2.0, 2.0], &[0.0, 0.0, 9.0]),
            ],
        );
        let labels = Some(vec![1, 2, 2]);
        let report = comparison.finish(&Judge { labels, threshold: None }).unwrap();
        assert_eq!((report.samples, report.disagreeing), (3, vec![1, 2]));
        assert_eq!(report.agreement.unwrap().successes, 1);
        let accuracy = report.accuracy.unwrap();
        assert_eq!((accuracy.float.successes, accuracy.quantized.successes), (1, 3));
        assert_eq!((accuracy.float_only, accuracy.quantized_only), (0, 2));
    }

    #[test]
    fn a_threshold_makes_classes_of_one_element() {
        let comparison = compared(&[1, 1], &[(&[0.5], &[0.4]), (&[0.5], &[0.6]), (&[-1.0], &[-2.0])]);
        assert_eq!(comparison.finish(&Judge::default()).unwrap().agreement, None);
        let report = comparison.finish(&Judge { labels: Some(vec![1, 1, 0]), threshold: Some(0.5) }).unwrap();
        assert_eq!(report.disagreeing, [0]);
        assert_eq!(report.accuracy.unwrap().float.successes, 3);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let judge = |labels: Option<&[usize]>, threshold| Judge { labels: labels.map(<[usize]>::to_vec), threshold };
        let one = compared(&[1], &[(&[0.5], &[0.4])]);
        let three = compared(&[1, 3], &[(&[0.5; 3], &[0.4; 3])]);
        let map = compared(&[2, 2], &[(&[0.5; 4], &[0.4; 4])]);
        for (comparison, judge, reason) in [
            (&one, judge(Some(&[0]), None), "one element"),
            (&one, judge(Some(&[2]), Some(0.0)), "sample 0 has class 2"),
            (&three, judge(Some(&[0, 1]), None), "2 labels for 1 samples"),
            (&three, judge(Some(&[3]), None), "has class 3, the model has 3"),
            (&three, judge(None, Some(0.5)), "a threshold needs one element"),
            (&map, judge(Some(&[0]), None), "no element per class"),
        ] {
            let error = comparison.finish(&judge).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(map.finish(&Judge::default()).unwrap().agreement.is_none());
        let mut comparison = one.clone();
        assert!(comparison.push(&[vec![0.0, 1.0]], &[vec![0.0]]).is_err());
        assert!(comparison.push(&[vec![f32::NAN]], &[vec![0.0]]).is_err());
        assert!(comparison.push(&[], &[]).is_err());
    }
}
