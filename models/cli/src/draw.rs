//! What the pictures have in common: colours, and the elements they are drawn with.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text, Title};

pub const PAPER: &str = "#fbfaf7";
pub const PANEL: &str = "#ffffff";
pub const INK: &str = "#22303c";
pub const FAINT: &str = "#7a8791";
pub const GRID: &str = "#e4e2dc";

/// One decimal is a tenth of a pixel: enough, and it keeps the file small.
pub fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The next of 1, 2, 5 × 10ⁿ at or above `value`; 1 for nothing.
pub fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * decade).find(|step| *step >= value * 0.999).unwrap_or(value)
}

/// Returns a page with its headline and a second line, both starting at `left`.
pub fn page(title: &str, subtitle: &str, width: f64, height: f64, left: f64) -> Document {
    Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "Inter, 'Helvetica Neue', Arial, sans-serif")
        .set("role", "img")
        .add(Title::new(title))
        .add(rectangle(0.0, 0.0, width, height, PAPER))
        .add(label(title, left, 36.0, 24.0, INK).set("font-weight", 600))
        .add(label(subtitle, left, 60.0, 13.0, FAINT))
}

/// Returns a filled rectangle.
pub fn rectangle(x: f64, y: f64, width: f64, height: f64, fill: &str) -> Rectangle {
    Rectangle::new()
        .set("x", tenth(x))
        .set("y", tenth(y))
        .set("width", tenth(width.max(0.0)))
        .set("height", tenth(height))
        .set("fill", fill)
}

/// Returns a line.
pub fn line(from: (f64, f64), to: (f64, f64), stroke: &str) -> Line {
    Line::new()
        .set("x1", tenth(from.0))
        .set("y1", tenth(from.1))
        .set("x2", tenth(to.0))
        .set("y2", tenth(to.1))
        .set("stroke", stroke)
}

/// Returns a text; control characters, which XML 1.0 does not allow, are left out.
pub fn label(text: &str, x: f64, y: f64, size: f64, fill: &str) -> Text {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    Text::new(text).set("x", tenth(x)).set("y", tenth(y)).set("font-size", size).set("fill", fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        for (value, expected) in [(368.0, 500.0), (0.03, 0.05), (1.0, 1.0), (0.0, 1.0), (f64::NAN, 1.0), (5.1, 10.0)] {
            assert!((round_up(value) - expected).abs() < 1e-9 * expected, "{value}");
        }
    }
}
