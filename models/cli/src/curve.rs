//! The picture of accuracy against size: what each way to quantize a model gives for its bytes.

use svg::node::element::path::Data;
use svg::node::element::{Circle, Group, Path};

use crate::draw::{FAINT, GRID, INK, PANEL, label, line, page, rectangle, round_up, tenth};
use crate::output::grouped;

/// What is drawn.
pub struct Curve<'a> {
    /// Headline.
    pub title: &'a str,
    /// Second line: samples, and what they can tell.
    pub subtitle: &'a str,
    /// What [`Point::share`] is: `accuracy`, or `agreement with float`.
    pub measure: &'a str,
    /// The float model's share, where it has one.
    pub float: Option<f64>,
    /// The ways, in the order they are listed.
    pub points: &'a [Point],
}

/// One way to quantize the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name.
    pub label: String,
    /// Size of the artifact.
    pub bytes: usize,
    /// Signal-to-quantization-noise ratio of the output; infinite if it equals the float model's.
    pub sqnr_db: f64,
    /// Share of samples that come out right, with its 95 % interval: value, low, high.
    pub share: Option<[f64; 3]>,
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = 932.0;
const TOP: f64 = 84.0;
const PANEL_HEIGHT: f64 = 190.0;
const GAP: f64 = 18.0;
const ROW: f64 = 20.0;

const BEST: &str = "#1f6f54";
const OTHER: &str = "#2f5d8a";
const FLOAT: &str = "#c8321e";

/// Returns the SVG document.
pub fn svg(curve: &Curve<'_>) -> String {
    let shares: Vec<Option<[f64; 3]>> = curve.points.iter().map(|point| point.share).collect();
    // A point equal to the float model has no finite ratio: it stands at the top.
    let finite = |point: &Point| Some(point.sqnr_db).filter(|db| db.is_finite()).map(|db| [db, db, db]);
    let ratios: Vec<Option<[f64; 3]>> = curve.points.iter().map(finite).collect();
    let mut panels = Vec::new();
    if shares.iter().any(Option::is_some) {
        panels.push(Scale::of(format!("{} (%)", curve.measure), &shares, curve.float, 100.0, Some(1.0)));
    }
    panels.push(Scale::of("output SQNR (dB)".into(), &ratios, None, 1.0, None));

    let most = round_up_fine(curve.points.iter().map(|point| point.bytes).max().unwrap_or(0) as f64 * 1.02);
    let x = |bytes: usize| LEFT + bytes as f64 / most * (RIGHT - LEFT);
    let bottom = TOP + panels.len() as f64 * (PANEL_HEIGHT + GAP) - GAP;
    let height = bottom + 74.0 + ROW * (curve.points.len() + 1) as f64;
    let mut document = page(curve.title, curve.subtitle, WIDTH, height, LEFT);
    let mut top = TOP;
    let last = panels.len().saturating_sub(1);
    for (number, scale) in panels.iter().enumerate() {
        let values = if number == last { &ratios } else { &shares };
        let float = curve.float.filter(|_| number != last);
        document = document.add(panel(scale, values, float, curve.points, top, &x));
        top += PANEL_HEIGHT + GAP;
    }
    let step = round_up(most / 8.0);
    for tick in 0..=(most / step) as u32 {
        let bytes = (f64::from(tick) * step) as usize;
        let text = label(&grouped(bytes as u64), x(bytes), bottom + 18.0, 12.0, FAINT);
        document = document.add(text.set("text-anchor", "middle"));
    }
    let middle = (LEFT + RIGHT) / 2.0;
    document
        .add(label("artifact (bytes)", middle, bottom + 38.0, 13.0, INK).set("text-anchor", "middle"))
        .add(legend(curve, bottom + 66.0))
        .to_string()
}

/// The next of 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 × 10ⁿ: leaves less room unused than 1, 2, 5.
fn round_up_fine(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * decade).find(|end| *end >= value).unwrap_or(value)
}

/// A vertical scale.
struct Scale {
    name: String,
    low: f64,
    high: f64,
    /// Distance of the lines.
    step: f64,
    /// What a value is multiplied with where it is written.
    factor: f64,
}

impl Scale {
    /// Returns the scale for `[value, low, high]`; `most` is the largest value there can be.
    fn of(name: String, values: &[Option<[f64; 3]>], also: Option<f64>, factor: f64, most: Option<f64>) -> Self {
        let all = || values.iter().flatten().flatten().copied().chain(also);
        let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let step = round_up(((high - low) / 5.0).max(0.002));
        let up = most.map_or(f64::MAX, |most| (most / step).ceil() * step);
        Self {
            name,
            low: (low / step).floor() * step,
            high: ((high / step).ceil() * step).max((low / step).floor() * step + step).min(up),
            step,
            factor,
        }
    }

    fn y(&self, value: f64, top: f64) -> f64 {
        top + PANEL_HEIGHT - (value.clamp(self.low, self.high) - self.low) / (self.high - self.low) * PANEL_HEIGHT
    }
}

fn panel(
    scale: &Scale,
    values: &[Option<[f64; 3]>],
    float: Option<f64>,
    points: &[Point],
    top: f64,
    x: &impl Fn(usize) -> f64,
) -> Group {
    let mut group = Group::new().add(rectangle(LEFT, top, RIGHT - LEFT, PANEL_HEIGHT, PANEL));
    let lines = ((scale.high - scale.low) / scale.step).round() as u32;
    for number in 0..=lines {
        let value = scale.low + f64::from(number) * scale.step;
        let y = scale.y(value, top);
        let text = format!("{}", (value * scale.factor * 100.0).round() / 100.0);
        group = group
            .add(line((LEFT, y), (RIGHT, y), GRID))
            .add(label(&text, LEFT - 8.0, y + 4.0, 11.0, FAINT).set("text-anchor", "end"));
    }
    if let Some(float) = float {
        let y = scale.y(float, top);
        group = group
            .add(line((LEFT, y), (RIGHT, y), FLOAT).set("stroke-dasharray", "7 4"))
            .add(label("float", RIGHT - 6.0, y - 5.0, 11.0, FLOAT).set("text-anchor", "end"));
    }
    // The line joins what nothing smaller equals.
    let value = |number: usize| values.get(number).copied().flatten().map_or(f64::INFINITY, |[value, ..]| value);
    let best = best(points, &value);
    let mut data = Data::new();
    for (turn, &number) in best.iter().enumerate() {
        let Some(point) = points.get(number) else { continue };
        let at = (tenth(x(point.bytes)), tenth(scale.y(value(number), top)));
        data = if turn == 0 { data.move_to(at) } else { data.line_to(at) };
    }
    group = group.add(Path::new().set("d", data).set("fill", "none").set("stroke", BEST).set("stroke-opacity", 0.5));
    for (number, point) in points.iter().enumerate() {
        let (at, y) = (x(point.bytes), scale.y(value(number), top));
        let colour = if best.contains(&number) { BEST } else { OTHER };
        if let Some([_, low, high]) = values.get(number).copied().flatten()
            && low < high
        {
            let whisker = line((at, scale.y(low, top)), (at, scale.y(high, top)), colour);
            group = group.add(whisker.set("stroke-opacity", 0.4).set("stroke-width", 2));
        }
        let circle = Circle::new().set("cx", tenth(at)).set("cy", tenth(y)).set("r", 4.5).set("fill", colour);
        let text = label(&(number + 1).to_string(), at + 8.0, y - 6.0, 12.0, colour).set("font-weight", 600);
        group = group.add(circle).add(text);
    }
    group.add(label(&scale.name, LEFT + 10.0, top + 18.0, 13.0, INK).set("font-weight", 600))
}

/// Returns the points that no smaller or equally large one equals, by size.
fn best(points: &[Point], value: &impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let bytes = |number: &usize| points.get(*number).map_or(0, |point| point.bytes);
    order.sort_by(|a, b| bytes(a).cmp(&bytes(b)).then(value(*b).total_cmp(&value(*a))));
    let mut most = f64::NEG_INFINITY;
    order.retain(|&number| {
        let better = value(number) > most;
        most = most.max(value(number));
        better
    });
    order
}

fn legend(curve: &Curve<'_>, top: f64) -> Group {
    let columns = [LEFT + 26.0, 560.0, 690.0, RIGHT];
    let mut group = Group::new();
    let mut row = |y: f64, colour: &str, cells: [String; 4], number: &str| {
        let mut row = Group::new().add(label(number, LEFT, y, 12.0, colour).set("font-weight", 600));
        for ((turn, cell), at) in cells.iter().enumerate().zip(columns) {
            let anchor = if turn == 0 { "start" } else { "end" };
            row = row.add(label(cell, at, y, 12.0, colour).set("text-anchor", anchor));
        }
        group = std::mem::take(&mut group).add(row);
    };
    let measured = curve.points.iter().any(|point| point.share.is_some());
    let heading = if measured { format!("{}, 95 % interval", curve.measure) } else { String::new() };
    row(top, FAINT, ["".into(), "bytes".into(), "SQNR (dB)".into(), heading], "");
    for (number, point) in curve.points.iter().enumerate() {
        let ratio = if point.sqnr_db.is_finite() { format!("{:.1}", point.sqnr_db) } else { "equal".into() };
        let share = point.share.map_or(String::new(), |[value, low, high]| {
            format!("{:.1} % ({:.1} to {:.1})", 100.0 * value, 100.0 * low, 100.0 * high)
        });
        let cells = [point.label.clone(), grouped(point.bytes as u64), ratio, share];
        row(top + ROW * (number + 1) as f64, INK, cells, &(number + 1).to_string());
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        let point = |label: &str, bytes, sqnr_db, share| Point { label: label.into(), bytes, sqnr_db, share };
        vec![
            point("int8 <all>", 5000, 40.0, Some([0.95, 0.93, 0.97])),
            point("int4: dense1", 4000, 30.0, Some([0.95, 0.93, 0.97])),
            point("int4: all", 3000, 12.5, Some([0.80, 0.77, 0.83])),
            point("int16", 6000, f64::INFINITY, Some([0.96, 0.94, 0.98])),
        ]
    }

    #[test]
    fn shows_every_point_with_its_interval() {
        let points = points();
        let curve = Curve { title: "A & b", subtitle: "c", measure: "accuracy", float: Some(0.96), points: &points };
        let text = svg(&curve);
        assert_eq!(text.matches("<circle").count(), 2 * 4);
        assert!(text.contains("int8 &lt;all&gt;") && text.contains("95.0 % (93.0 to 97.0)") && text.contains("equal"));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        // Without labels and classes only the ratio is left.
        let bare: Vec<Point> = points.iter().cloned().map(|point| Point { share: None, ..point }).collect();
        assert_eq!(svg(&Curve { points: &bare, float: None, ..curve }).matches("<circle").count(), 4);
    }

    #[test]
    fn odd_input_still_gives_a_picture() {
        let one = [Point { label: String::new(), bytes: 0, sqnr_db: f64::NEG_INFINITY, share: Some([0.0; 3]) }];
        for points in [&[][..], &one] {
            let text = svg(&Curve { title: "", subtitle: "", measure: "", float: None, points });
            assert!(text.starts_with("<svg") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn the_line_joins_what_nothing_smaller_equals() {
        let points = points();
        let share = |number: usize| points[number].share.unwrap()[0];
        assert_eq!(best(&points, &share), [2, 1, 3]);
    }
}
