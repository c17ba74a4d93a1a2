//! Frozen ranges: what calibration found, as a file to read, keep and commit.
//!
//! With the float model, the file is all that quantization needs: the same two give the same bytes. It is TOML, sorted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Res;
use crate::error::{CompileError, CompileErrorKind};

/// Version of the file's form.
const VERSION: u32 = 1;
/// First lines of a file.
const HEADING: &str =
    "# Activation ranges of a float model, frozen by tanbo; quantizing with this file needs no data.\n";

/// How a range was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Least and greatest value seen.
    MinMax,
    /// A percentile of the values on either side.
    Percentile,
    /// Least squared error of the rounded values.
    Mse,
    /// Given, not found.
    Fixed,
}

/// Range of one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Least real value; at most 0.
    pub low: f32,
    /// Greatest real value; at least 0.
    pub high: f32,
    /// How it was found.
    pub method: Method,
    /// Bits of the integers; 8 where it is left out.
    #[serde(default = "eight", skip_serializing_if = "is_eight")]
    pub bits: u8,
}

fn eight() -> u8 {
    8
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_eight(bits: &u8) -> bool {
    *bits == 8
}

/// Everything that calibration decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    version: u32,
    /// SHA-256 of the float model's file, in hexadecimal.
    pub model_sha256: String,
    /// Samples that the ranges were calibrated on.
    pub samples: usize,
    /// Products with 4-bit weights, by their result's name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub int4: BTreeSet<String>,
    /// Range of each tensor that becomes integers, by its name in the float model.
    pub tensor: BTreeMap<String, Range>,
    /// By what the channels of a tensor are multiplied, and divided again in the weights that read it (cross-layer
    /// equalization), by the tensor's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub equalization: BTreeMap<String, Vec<f32>>,
    /// What is added to the biases, by the name of the product's result.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bias_correction: BTreeMap<String, Vec<f32>>,
}

impl Ranges {
    pub(crate) fn new(model: &[u8], samples: usize) -> Self {
        Self {
            version: VERSION,
            model_sha256: sha256(model),
            samples,
            int4: BTreeSet::new(),
            tensor: BTreeMap::new(),
            equalization: BTreeMap::new(),
            bias_correction: BTreeMap::new(),
        }
    }

    /// Returns the file's text.
    pub fn to_toml(&self) -> String {
        // The derived form is always a table, which is all that this can fail on.
        format!("{HEADING}{}", toml::to_string(self).unwrap_or_default())
    }

    /// Returns the ranges in a file's text; `place` is what messages call the file.
    ///
    /// # Errors
    /// Text that is not such a file; ranges that are not finite or do not hold 0.
    pub fn from_toml(text: &str, place: &str) -> Res<Self> {
        let refuse = |reason: String| {
            CompileError::new(CompileErrorKind::Malformed, place, reason, "calibrate again to write the file anew")
        };
        let ranges: Self =
            toml::from_str(text).map_err(|error| refuse(format!("not a file of ranges: {}", error.message())))?;
        if ranges.version != VERSION {
            return Err(refuse(format!("version {} of the file is not {VERSION}", ranges.version)));
        }
        for (name, range) in &ranges.tensor {
            let finite = range.low.is_finite() && range.high.is_finite();
            if !finite || range.low > 0.0 || range.high < 0.0 {
                return Err(refuse(format!("the range of '{name}' is not finite or does not hold 0")));
            }
            if range.bits != 8 && range.bits != 16 {
                return Err(refuse(format!("'{name}' has {} bits, neither 8 nor 16", range.bits)));
            }
        }
        if ranges.bias_correction.values().flatten().any(|c| !c.is_finite()) {
            return Err(refuse("a bias correction is not finite".into()));
        }
        if ranges.equalization.values().flatten().any(|f| !(f.is_finite() && *f > 0.0)) {
            return Err(refuse("a factor of an equalization is not a positive number".into()));
        }
        Ok(ranges)
    }

    /// Returns whether the ranges are those of a float model's file.
    pub fn fits(&self, model: &[u8]) -> bool {
        self.model_sha256 == sha256(model)
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
