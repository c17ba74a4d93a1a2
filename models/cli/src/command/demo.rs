//! `tanbo demo`: a real earthquake and real human motion through the seismic sensor node, no hardware needed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tanbo_format::emit::Aligned;
use tanbo_pipeline::Recording;

use crate::Verdict;
use crate::args::DemoArgs;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
use crate::session::{self, EventLine, Session};

/// Most lines of a timeline.
const LINES: usize = 24;

/// A recording of the demo, inside the program.
struct Fixture {
    /// Name of its picture.
    name: &'static str,
    title: &'static str,
    source: &'static str,
    text: &'static [u8],
    alarm_expected: bool,
}

macro_rules! fixture {
    ($file:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../zoo/seismic/fixtures/", $file))
    };
}

const FIXTURES: [Fixture; 2] = [
    Fixture {
        name: "quake",
        title: "South Napa earthquake, magnitude 6.0, 24 August 2014",
        source: "station CE.68150, strong-motion accelerometer",
        text: fixture!("south-napa-2014-ce68150.csv"),
        alarm_expected: true,
    },
    Fixture {
        name: "motion",
        title: "Human motion: standing, walking, running, badminton",
        source: "accelerometer on a wrist (BasicMotions)",
        text: fixture!("basic-motions-wrist.csv"),
        alarm_expected: false,
    },
];

#[derive(Serialize)]
struct Document {
    model: &'static str,
    artifact_bytes: usize,
    recordings: Vec<Replayed>,
    /// Whether the alarm was raised where it should be, and only there.
    as_expected: bool,
}

#[derive(Serialize)]
struct Replayed {
    name: &'static str,
    title: &'static str,
    seconds: f64,
    peak_gal: f64,
    alarm: bool,
    alarm_expected: bool,
    events: Vec<EventLine>,
    picture: String,
    #[serde(skip)]
    timeline: String,
}

/// Replays both recordings; the answer is no if the quake raises no alarm or the motion raises one.
pub fn demo(args: &DemoArgs, out: &Output) -> Result<Verdict, CliError> {
    let artifact = Aligned::new(tanbo_zoo::SEISMIC);
    let folder = args.output.clone().unwrap_or_else(default_folder);
    fs::create_dir_all(&folder).map_err(|error| CliError::file(&folder, &error))?;
    let recordings =
        FIXTURES.iter().map(|fixture| replay(fixture, &artifact, &folder)).collect::<Result<Vec<_>, _>>()?;
    let as_expected = recordings.iter().all(|replayed| replayed.alarm == replayed.alarm_expected);
    let document = Document { model: "seismic", artifact_bytes: artifact.len(), recordings, as_expected };
    out.document(&document, || text(&document))?;
    Ok(if as_expected { Verdict::Yes } else { Verdict::No })
}

/// Returns cargo's target folder, so that a clone stays clean; the current folder where there is none.
fn default_folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    if target.is_dir() { target.join("demo") } else { PathBuf::from(".") }
}

fn replay(fixture: &Fixture, artifact: &Aligned, folder: &Path) -> Result<Replayed, CliError> {
    let recording = Recording::parse(fixture.text)
        .map_err(|error| CliError::new(fixture.name, error, "build tanbo again from a clean clone"))?;
    let session = session::replay(Path::new("seismic"), artifact, &recording, |_| Ok(()))?;
    let picture = folder.join(format!("{}.svg", fixture.name));
    let svg = session::picture(fixture.title, fixture.source, &recording, &session);
    files::write(&picture, svg.as_bytes())?;
    let peaks: Vec<(f64, f64)> =
        recording.samples().map(|(time_us, sample)| (time_us as f64 / 1e6, peak(&sample))).collect();
    Ok(Replayed {
        name: fixture.name,
        title: fixture.title,
        seconds: peaks.last().map_or(0.0, |last| last.0) - peaks.first().map_or(0.0, |first| first.0),
        peak_gal: peaks.iter().fold(0.0, |most, &(_, gal)| gal.max(most)),
        alarm: session.events.iter().any(|event| event.event == session::ALARM_ON),
        alarm_expected: fixture.alarm_expected,
        picture: picture.display().to_string(),
        timeline: timeline(&peaks, &session),
        events: session.events,
    })
}

/// Returns the largest axis of a sample, gal.
fn peak(sample: &[i32; 3]) -> f64 {
    sample.iter().map(|axis| f64::from(axis.unsigned_abs()) / 1000.0).fold(0.0, f64::max)
}

/// Returns lines of equal time: largest acceleration, highest score, and what was decided.
fn timeline(peaks: &[(f64, f64)], session: &Session) -> String {
    let (Some(first), Some(last)) = (peaks.first(), peaks.last()) else { return String::new() };
    let step = ((last.0 - first.0) / LINES as f64).ceil().max(1.0);
    let most = peaks.iter().fold(1.0, |most, &(_, gal)| gal.max(most));
    let mut text = String::from("   time s   peak gal                          score\n");
    let mut from = first.0;
    while from <= last.0 {
        let within = |time: f64| from <= time && time < from + step;
        let gal = peaks.iter().filter(|p| within(p.0)).fold(0.0, |most: f64, p| p.1.max(most));
        let hops = session.hops.iter().filter(|hop| within(hop.time_us as f64 / 1e6));
        let score = hops.filter_map(|hop| hop.score).max().map(|q| session.score.real(q));
        let events: Vec<String> = session
            .events
            .iter()
            .filter(|event| within(event.t_s))
            .map(|event| {
                format!(
                    "  << {} at {:.3} s",
                    if event.event == session::ALARM_ON { "ALARM" } else { "all clear" },
                    event.t_s
                )
            })
            .collect();
        // Accelerations span orders of magnitude: the bar is logarithmic, from 0.1 gal to the largest.
        let share = ((gal / 0.1).max(1.0).ln() / (most / 0.1_f64).ln()).clamp(0.0, 1.0);
        let bar = "#".repeat((share * 20.0).round() as usize);
        let score = score.map_or_else(|| format!("{:>7}", "-"), |score| format!("{score:>7.2}"));
        text += &format!("{from:>9.1}  {gal:>9.2}  {bar:<20}  {score}{}\n", events.concat());
        from += step;
    }
    text
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    for replayed in &document.recordings {
        let Replayed { title, seconds, peak_gal, timeline, picture, .. } = replayed;
        text += &format!("{title}\n{seconds:.0} s, at most {peak_gal:.1} gal (1 gal = 1 cm/s2)\n\n{timeline}\n");
        text += match (replayed.alarm, replayed.alarm_expected) {
            (true, true) => "ALARM, as it should be.\n",
            (false, false) => "No alarm, as it should be.\n",
            (true, false) => "ALARM: THAT IS WRONG.\n",
            (false, true) => "NO ALARM: THAT IS WRONG.\n",
        };
        text += &format!("picture: {picture}\n\n");
    }
    text += &format!(
        "The model is an artifact of {} bytes; `-` in the column score: the gate was closed and the model slept.\n",
        document.artifact_bytes
    );
    text
}
