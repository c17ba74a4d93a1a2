//! A recording sent through the pipeline of an artifact, as the firmware does it.

use std::path::Path;

use serde::Serialize;
use tanbo::{Engine, Model};
use tanbo_format::emit::Aligned;
use tanbo_pipeline::{Change, Event, Hop, Pipeline, Recording};

use crate::engine::Arena;
use crate::error::CliError;
use crate::picture::{AlarmSpan, Picture, ScorePoint, svg};

/// Name of the event when an alarm begins.
pub const ALARM_ON: &str = "alarm_on";
/// Name of the event when it ends.
pub const ALARM_OFF: &str = "alarm_off";

/// An event as `replay` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventLine {
    /// Time of the sample that completed the decision, seconds.
    pub t_s: f64,
    /// `alarm_on` or `alarm_off`.
    pub event: &'static str,
    /// Score of the model, dequantized; null where the gate had closed and the model did not run.
    pub score: Option<f32>,
    /// Score as the artifact has it.
    pub score_quantized: Option<i8>,
    /// Index of the sample, from 0.
    pub sample: u64,
}

/// What the pipeline made of a recording.
#[derive(Clone, Debug)]
pub struct Session {
    /// Every hop.
    pub hops: Vec<Hop>,
    /// Every event.
    pub events: Vec<EventLine>,
    /// How scores are quantized.
    pub score: Score,
    /// Least score that votes for an alarm.
    on_score: f32,
    /// Least score that keeps an alarm alive; `None` if any does while the gate is open.
    off_score: Option<f32>,
}

/// Quantization of the model's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    scale: f32,
    zero_point: i32,
}

impl Score {
    /// Returns the real score.
    pub fn real(self, quantized: i8) -> f32 {
        self.scale * (i32::from(quantized) - self.zero_point) as f32
    }
}

/// Sends `recording` through the pipeline of `artifact` and gives each event to `on_event` as it happens.
///
/// # Errors
/// An artifact that is no detector, a rate that cannot be bridged, and what `on_event` returns.
pub fn replay(
    place: &Path,
    artifact: &Aligned,
    recording: &Recording<'_>,
    mut on_event: impl FnMut(&EventLine) -> Result<(), CliError>,
) -> Result<Session, CliError> {
    let refused = |error: &dyn std::fmt::Display| CliError::new(place.display(), error, "");
    let model = Model::parse(artifact).map_err(|error| refused(&error))?;
    let mut arena = Arena::of(&model)?;
    let engine =
        Engine::new(&model, tanbo::table_or_reference(model.family()), arena.get()).map_err(|error| refused(&error))?;
    let mut pipeline = Pipeline::new(engine, recording.rate()).map_err(|error| refused(&error))?;
    let output = model.outputs().first().and_then(|&number| model.tensor(number));
    let score = output.map_or(Score { scale: 1.0, zero_point: 0 }, |tensor| Score {
        scale: tensor.scale,
        zero_point: tensor.zero_point,
    });
    let decision = pipeline.front_end().decision;
    let on_score = score.real(decision.on_score);
    // The least score stands for none: the alarm lasts as long as the gate is open.
    let off_score = (decision.off_score > i8::MIN).then(|| score.real(decision.off_score));
    let mut session = Session { hops: Vec::new(), events: Vec::new(), score, on_score, off_score };
    for (time_us, sample) in recording.samples() {
        let before = session.hops.len();
        pipeline.push(time_us, sample, |hop| session.hops.push(hop)).map_err(|error| refused(&error))?;
        for event in session.hops.iter().skip(before).filter_map(|hop| hop.event) {
            let line = line(&event, score);
            on_event(&line)?;
            session.events.push(line);
        }
    }
    Ok(session)
}

fn line(event: &Event, score: Score) -> EventLine {
    EventLine {
        t_s: event.time_us as f64 / 1e6,
        event: match event.change {
            Change::AlarmOn => ALARM_ON,
            Change::AlarmOff => ALARM_OFF,
        },
        score: event.score.map(|q| score.real(q)),
        score_quantized: event.score,
        sample: event.sample,
    }
}

/// Returns the picture of a session as an SVG document.
pub fn picture(title: &str, subtitle: &str, recording: &Recording<'_>, session: &Session) -> String {
    let start_us = recording.samples().next().map_or(0, |(time_us, _)| time_us);
    let seconds = |time_us: u64| time_us.saturating_sub(start_us) as f64 / 1e6;
    let samples: Vec<[f64; 3]> =
        recording.samples().map(|(_, sample)| sample.map(|axis| f64::from(axis) / 1000.0)).collect();
    let real = |quantized: i8| f64::from(session.score.real(quantized));
    let hops: Vec<ScorePoint> =
        session.hops.iter().map(|hop| ScorePoint { t_s: seconds(hop.time_us), score: hop.score.map(real) }).collect();
    let mut alarms: Vec<AlarmSpan> = Vec::new();
    for event in session.hops.iter().filter_map(|hop| hop.event) {
        match (event.change, alarms.last_mut()) {
            (Change::AlarmOn, _) => alarms.push(AlarmSpan { on_s: seconds(event.time_us), off_s: None }),
            (Change::AlarmOff, Some(alarm)) => alarm.off_s = Some(seconds(event.time_us)),
            (Change::AlarmOff, None) => {}
        }
    }
    svg(&Picture {
        title,
        subtitle,
        rate_hz: f64::from(recording.rate().numerator) / f64::from(recording.rate().denominator),
        samples: &samples,
        hops: &hops,
        on_score: f64::from(session.on_score),
        off_score: session.off_score.map(f64::from),
        alarms: &alarms,
    })
}
