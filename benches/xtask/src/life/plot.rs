//! The picture of a life: what is left in each battery, over the years.

use svg::Document;
use svg::node::element::path::Data;
use svg::node::element::{Line, Path, Rectangle, Text};

/// A line of the picture.
pub struct Curve<'a> {
    /// What it is.
    pub label: String,
    /// Charge left at the end of each week, 0 to 1.
    pub weeks: &'a [f64],
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 330.0;
const COLORS: [&str; 3] = ["#1f6f54", "#2f5d8a", "#c8321e"];

fn text(content: &str, x: f64, y: f64, size: u32) -> Text {
    Text::new(content).set("x", x).set("y", y).set("font-size", size).set("fill", "#24292f")
}

/// Returns the picture of `curves` over `years`.
pub fn svg(title: &str, subtitle: &str, years: u32, curves: &[Curve<'_>]) -> String {
    let x = |week: usize| LEFT + (RIGHT - LEFT) * (week + 1) as f64 / (f64::from(years) * 365.0 / 7.0);
    let y = |left: f64| BOTTOM - (BOTTOM - TOP) * left;
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, HEIGHT))
        .set("font-family", "sans-serif")
        .add(Rectangle::new().set("width", WIDTH).set("height", HEIGHT).set("fill", "#ffffff"))
        .add(text(title, LEFT, 32.0, 20))
        .add(text(subtitle, LEFT, 54.0, 13));
    let grid = |x1: f64, y1: f64, x2: f64, y2: f64| {
        Line::new().set("x1", x1).set("y1", y1).set("x2", x2).set("y2", y2).set("stroke", "#d0d7de")
    };
    for percent in [0, 25, 50, 75, 100] {
        let at = y(f64::from(percent) / 100.0);
        let label = text(&format!("{percent} %"), LEFT - 8.0, at + 4.0, 12).set("text-anchor", "end");
        document = document.add(grid(LEFT, at, RIGHT, at)).add(label);
    }
    for year in 0..=years {
        let at = tenth(LEFT + (RIGHT - LEFT) * f64::from(year) / f64::from(years.max(1)));
        let label = text(&format!("{year}"), at, BOTTOM + 18.0, 12).set("text-anchor", "middle");
        document = document.add(grid(at, TOP, at, BOTTOM)).add(label);
    }
    document = document.add(text("years", RIGHT, BOTTOM + 34.0, 12).set("text-anchor", "end"));
    for (number, (curve, color)) in curves.iter().zip(COLORS.iter().cycle()).enumerate() {
        let mut data = Data::new().move_to((LEFT, y(1.0)));
        for (week, left) in curve.weeks.iter().enumerate() {
            data = data.line_to((tenth(x(week)), tenth(y(*left))));
        }
        let path = Path::new().set("d", data).set("fill", "none").set("stroke", *color).set("stroke-width", 2);
        let row = BOTTOM + 34.0 + 18.0 * number as f64;
        let mark =
            Rectangle::new().set("x", LEFT).set("y", row - 9.0).set("width", 14).set("height", 4).set("fill", *color);
        document = document.add(path).add(mark).add(text(&curve.label, LEFT + 22.0, row - 3.0, 13));
    }
    format!("{document}\n")
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
