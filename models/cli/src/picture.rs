//! The picture of a replay: waveforms, score and alarms over time, as one self-contained SVG.
//!
//! The document is put together with the `svg` crate (escaping, numbers, no dependencies of its own). The layout is our
//! own: `plotters` draws SVG in whole pixels and one element per segment, which for 13,000 samples gives a large and
//! coarse picture; here a trace is one path of the extremes of each pixel column.

use svg::node::element::path::Data;
use svg::node::element::{Group, Path, Text};

use crate::draw::{FAINT, GRID, INK, PANEL, label, line, page, rectangle, round_up, tenth};

/// What a replay saw. Times are seconds from the start of the recording.
pub struct Picture<'a> {
    /// Headline.
    pub title: &'a str,
    /// Second line: source, model, runner.
    pub subtitle: &'a str,
    /// Samples per second of `samples`.
    pub rate_hz: f64,
    /// The recording, gal per axis.
    pub samples: &'a [[f64; 3]],
    /// One point per hop.
    pub hops: &'a [ScorePoint],
    /// Score at which a hop votes for an alarm.
    pub on_score: f64,
    /// Score from which a hop keeps an alarm alive; `None` where any hop with an open gate does.
    pub off_score: Option<f64>,
    /// Alarms, in order.
    pub alarms: &'a [AlarmSpan],
}

/// The score of a hop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScorePoint {
    /// Time of the hop's last sample.
    pub t_s: f64,
    /// Score in real units; `None` where the gate was closed and the model slept.
    pub score: Option<f64>,
}

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmSpan {
    /// When it was raised.
    pub on_s: f64,
    /// When it ended; `None` if it lasts to the end of the recording.
    pub off_s: Option<f64>,
}

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = 1172.0;
const TOP: f64 = 92.0;
const TRACE_HEIGHT: f64 = 112.0;
const SCORE_HEIGHT: f64 = 150.0;
const GAP: f64 = 12.0;
const BOTTOM: f64 = 52.0;

const ALARM: &str = "#c8321e";
const SCORE: &str = "#1f6f54";
const AWAKE: &str = "#e6f1ec";
const AXES: [(&str, &str); 3] = [("x", "#2f5d8a"), ("y", "#5b7f3a"), ("z", "#8a5a2b")];

/// Returns the SVG document.
pub fn svg(picture: &Picture<'_>) -> String {
    let span_s = (picture.samples.len() as f64 / positive(picture.rate_hz)).max(1.0);
    let x = |t_s: f64| LEFT + (t_s / span_s).clamp(0.0, 1.0) * (RIGHT - LEFT);
    let traces_end = TOP + 3.0 * (TRACE_HEIGHT + GAP);
    let score_end = traces_end + SCORE_HEIGHT;
    let height = score_end + BOTTOM;

    let mut document = page(picture.title, picture.subtitle, WIDTH, height, LEFT).add(verdict(picture.alarms));

    // Panels, and the time grid through all of them.
    for number in 0..3 {
        let top = TOP + f64::from(number) * (TRACE_HEIGHT + GAP);
        document = document.add(rectangle(LEFT, top, RIGHT - LEFT, TRACE_HEIGHT, PANEL));
    }
    document = document.add(rectangle(LEFT, traces_end, RIGHT - LEFT, SCORE_HEIGHT, PANEL));
    for awake in awake_spans(picture.hops) {
        document = document.add(rectangle(x(awake.0), traces_end, x(awake.1) - x(awake.0), SCORE_HEIGHT, AWAKE));
    }
    document = document.add(time_axis(span_s, score_end, &x));
    for alarm in picture.alarms {
        let (from, to) = (x(alarm.on_s), x(alarm.off_s.unwrap_or(span_s)));
        let band = rectangle(from, TOP, (to - from).max(1.0), score_end - TOP, ALARM).set("fill-opacity", 0.10);
        document = document.add(band);
    }

    let peak = round_up(picture.samples.iter().flatten().fold(0.0, |peak: f64, value| peak.max(value.abs())));
    for (axis, (name, colour)) in AXES.iter().enumerate() {
        let top = TOP + axis as f64 * (TRACE_HEIGHT + GAP);
        let values: Vec<f64> = picture.samples.iter().filter_map(|sample| sample.get(axis).copied()).collect();
        document = document.add(trace_panel(name, colour, top, peak)).add(
            Path::new()
                .set("d", envelope(&values, top + TRACE_HEIGHT / 2.0, (TRACE_HEIGHT / 2.0 - 6.0) / peak))
                .set("fill", "none")
                .set("stroke", *colour)
                .set("stroke-width", 1)
                .set("stroke-linejoin", "round"),
        );
    }
    document = document.add(score_panel(picture, traces_end, &x));
    for alarm in picture.alarms {
        document = document.add(alarm_mark(alarm.on_s, x(alarm.on_s), score_end));
    }
    document.to_string()
}

fn positive(value: f64) -> f64 {
    if value.is_finite() && value > 0.0 { value } else { 1.0 }
}

/// The result in one line, at the top right.
fn verdict(alarms: &[AlarmSpan]) -> Text {
    let (text, colour) = match alarms {
        [] => ("no alarm".to_owned(), SCORE),
        [one] => (format!("alarm at {:.2} s", one.on_s), ALARM),
        [first, ..] => (format!("{} alarms, first at {:.2} s", alarms.len(), first.on_s), ALARM),
    };
    label(&text, RIGHT, 36.0, 20.0, colour).set("text-anchor", "end").set("font-weight", 600)
}

/// Spans in which the model ran, from the hop before to the last hop.
fn awake_spans(hops: &[ScorePoint]) -> Vec<(f64, f64)> {
    let mut spans: Vec<(f64, f64)> = Vec::new();
    let mut before_s = 0.0;
    let mut running = false;
    for hop in hops {
        match (hop.score, spans.last_mut()) {
            (Some(_), Some(span)) if running => span.1 = hop.t_s,
            (Some(_), _) => spans.push((before_s, hop.t_s)),
            (None, _) => {}
        }
        running = hop.score.is_some();
        before_s = hop.t_s;
    }
    spans
}

fn time_axis(span_s: f64, bottom: f64, x: &impl Fn(f64) -> f64) -> Group {
    let step = round_up(span_s / 14.0);
    let mut group = Group::new();
    for tick in 0..=(span_s / step) as u32 {
        let t_s = f64::from(tick) * step;
        group = group
            .add(line((x(t_s), TOP), (x(t_s), bottom), GRID))
            .add(label(&format!("{t_s}"), x(t_s), bottom + 18.0, 12.0, FAINT).set("text-anchor", "middle"));
    }
    let middle = (LEFT + RIGHT) / 2.0;
    group.add(label("time (s)", middle, bottom + 38.0, 13.0, INK).set("text-anchor", "middle"))
}

fn trace_panel(name: &str, colour: &str, top: f64, peak: f64) -> Group {
    let middle = top + TRACE_HEIGHT / 2.0;
    let at = |value: f64| middle - value * (TRACE_HEIGHT / 2.0 - 6.0);
    let mut group = Group::new().add(line((LEFT, middle), (RIGHT, middle), GRID));
    for value in [1.0, 0.0, -1.0] {
        let text = format!("{}", tenth(value * peak));
        group = group.add(label(&text, LEFT - 8.0, at(value) + 4.0, 11.0, FAINT).set("text-anchor", "end"));
    }
    group.add(label(&format!("{name}  (gal)"), LEFT + 10.0, top + 18.0, 13.0, colour).set("font-weight", 600))
}

/// A path through the least and the greatest value of every pixel column.
fn envelope(values: &[f64], middle: f64, scale: f64) -> Data {
    let columns = (RIGHT - LEFT) as usize;
    let y = |value: f64| tenth(middle - value * scale);
    let mut data = Data::new();
    let mut started = false;
    let mut to = |x: f64, y: f64| {
        let data_before = std::mem::replace(&mut data, Data::new());
        data = if started { data_before.line_to((tenth(x), y)) } else { data_before.move_to((tenth(x), y)) };
        started = true;
    };
    if values.len() <= 2 * columns {
        for (index, value) in values.iter().enumerate() {
            to(LEFT + index as f64 / values.len() as f64 * (RIGHT - LEFT), y(*value));
        }
    } else {
        for (column, part) in values.chunks(values.len().div_ceil(columns)).enumerate() {
            let at = LEFT + (column * values.len().div_ceil(columns)) as f64 / values.len() as f64 * (RIGHT - LEFT);
            let (least, greatest) =
                part.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            // Up and down in turn, so that the line does not cross itself.
            let (first, second) = if column % 2 == 0 { (least, greatest) } else { (greatest, least) };
            to(at, y(first));
            to(at + 0.5, y(second));
        }
    }
    data
}

fn score_panel(picture: &Picture<'_>, top: f64, x: &impl Fn(f64) -> f64) -> Group {
    let scores = || picture.hops.iter().filter_map(|hop| hop.score);
    let low = scores().fold(picture.off_score.unwrap_or(-1.0).min(-1.0), f64::min) - 0.5;
    let high = scores().fold(picture.on_score.max(1.0), f64::max) + 0.5;
    let y = |score: f64| top + SCORE_HEIGHT - 6.0 - (score - low) / (high - low) * (SCORE_HEIGHT - 12.0);
    let mut group = Group::new();
    let step = round_up((high - low) / 5.0);
    for tick in (low / step).ceil() as i64..=(high / step).floor() as i64 {
        let value = tick as f64 * step;
        let text = format!("{value}");
        group = group.add(label(&text, LEFT - 8.0, y(value) + 4.0, 11.0, FAINT).set("text-anchor", "end"));
    }
    // The words stand above and below: the two lines may be close.
    let on = (picture.on_score, "alarm", "7 4", -4.0);
    let off = picture.off_score.map(|score| (score, "calm", "2 4", 12.0));
    for (value, name, dashes, below) in [Some(on), off].into_iter().flatten() {
        group = group
            .add(line((LEFT, y(value)), (RIGHT, y(value)), ALARM).set("stroke-dasharray", dashes))
            .add(label(name, RIGHT - 6.0, y(value) + below, 11.0, ALARM).set("text-anchor", "end"));
    }
    let mut data = Data::new();
    let mut running = false;
    for hop in picture.hops {
        if let Some(score) = hop.score {
            let point = (tenth(x(hop.t_s)), tenth(y(score)));
            // A single hop still shows, as a dot of the round line cap.
            data = if running { data.line_to(point) } else { data.move_to(point).line_to(point) };
        }
        running = hop.score.is_some();
    }
    group = group.add(
        Path::new()
            .set("d", data)
            .set("fill", "none")
            .set("stroke", SCORE)
            .set("stroke-width", 2)
            .set("stroke-linecap", "round")
            .set("stroke-linejoin", "round"),
    );
    let awake = picture.hops.iter().filter(|hop| hop.score.is_some()).count();
    let share = 100.0 * awake as f64 / (picture.hops.len() as f64).max(1.0);
    let text = format!("score (the model is awake where shaded: {share:.0} % of the time)");
    group.add(label(&text, LEFT + 10.0, top + 18.0, 13.0, SCORE).set("font-weight", 600))
}

fn alarm_mark(on_s: f64, x: f64, bottom: f64) -> Group {
    let flag = Data::new()
        .move_to((tenth(x), TOP))
        .line_to((tenth(x - 6.0), TOP - 10.0))
        .line_to((tenth(x + 6.0), TOP - 10.0))
        .close();
    let anchor = if x > RIGHT - 100.0 { "end" } else { "middle" };
    Group::new()
        .add(line((x, TOP), (x, bottom), ALARM).set("stroke-width", 1.5))
        .add(Path::new().set("d", flag).set("fill", ALARM))
        .add(label(&format!("{on_s:.2} s"), x, TOP - 14.0, 12.0, ALARM).set("text-anchor", anchor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Vec<[f64; 3]> {
        (0..13_000).map(|n| [0.0, 1.0, 100.0].map(|size| size * (f64::from(n) / 7.0).sin())).collect()
    }

    fn picture<'a>(samples: &'a [[f64; 3]], hops: &'a [ScorePoint], alarms: &'a [AlarmSpan]) -> Picture<'a> {
        Picture {
            title: "A <quake> & more",
            subtitle: "source",
            rate_hz: 200.0,
            samples,
            hops,
            on_score: 2.0,
            off_score: Some(0.0),
            alarms,
        }
    }

    #[test]
    fn shows_traces_score_and_alarm() {
        let samples = recording();
        let hops: Vec<ScorePoint> = (0..250)
            .map(|n| ScorePoint { t_s: f64::from(n) * 0.256, score: (n > 100).then_some(f64::from(n % 7) - 3.0) })
            .collect();
        let alarms = [AlarmSpan { on_s: 28.5, off_s: None }];
        let text = svg(&picture(&samples, &hops, &alarms));
        assert!(text.contains("A &lt;quake&gt; &amp; more"));
        assert!(text.contains("alarm at 28.50 s"));
        assert!(text.contains("time (s)"));
        assert_eq!(text.matches("<path").count(), 3 + 1 + 1, "three traces, the score, one flag");
        assert!(text.len() < 200_000, "{} bytes", text.len());
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn empty_and_odd_input_still_gives_a_picture() {
        for (samples, rate_hz) in [(vec![], 0.0), (vec![[0.0; 3]], f64::NAN), (vec![[1e9, -1e9, 0.0]; 3], 1e-3)] {
            let text = svg(&Picture { rate_hz, ..picture(&samples, &[], &[]) });
            assert!(text.contains("no alarm"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn the_envelope_keeps_extremes() {
        let mut values = vec![0.0; 50_000];
        values[31_234] = 1.0;
        let path = Path::new().set("d", envelope(&values, 100.0, 50.0)).to_string();
        assert!(path.contains(",50 ") || path.contains(",50\"") || path.contains(",50L"), "the spike is at 100 - 50");
    }

    #[test]
    fn awake_spans_join_hops_in_a_row() {
        let hops = [None, Some(1.0), Some(1.0), None, Some(1.0)];
        let points: Vec<ScorePoint> =
            hops.iter().enumerate().map(|(n, score)| ScorePoint { t_s: n as f64, score: *score }).collect();
        assert_eq!(awake_spans(&points), [(0.0, 2.0), (3.0, 4.0)]);
    }
}
