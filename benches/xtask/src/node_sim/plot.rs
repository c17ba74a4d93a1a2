//! The picture of a simulation: what the node did when, and where its energy went.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 72.0;
const ROW: f64 = 26.0;
const COLORS: [&str; 7] = ["#1f6f54", "#c8321e", "#2f5d8a", "#8a6d2f", "#6b4a8a", "#57606a", "#b35c00"];

fn text(content: &str, x: f64, y: f64, size: u32) -> Text {
    Text::new(content).set("x", x).set("y", y).set("font-size", size).set("fill", "#24292f")
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// When what happened: the kinds of lines that begin with "at … us: ", and their seconds.
fn moments(lines: &[String]) -> Vec<(String, Vec<f64>)> {
    let mut kinds: Vec<(String, Vec<f64>)> = Vec::new();
    for line in lines {
        let Some((us, what)) = line.strip_prefix("at ").and_then(|rest| rest.split_once(" us: ")) else { continue };
        let Ok(us) = us.parse::<f64>() else { continue };
        // "sent 12, event": the number is another one each time.
        let what = match what.split_once(", ") {
            Some((verb, kind)) => format!("{} {kind}", verb.split(' ').next().unwrap_or_default()),
            None => what.split(|c: char| c.is_ascii_digit()).next().unwrap_or(what).trim().to_string(),
        };
        match kinds.iter_mut().find(|(known, _)| *known == what) {
            Some((_, seconds)) => seconds.push(us / 1e6),
            None => kinds.push((what, vec![us / 1e6])),
        }
    }
    kinds.sort_by(|one, other| one.0.cmp(&other.0));
    kinds
}

/// Returns the picture of a log and of energies, J, over so many seconds.
pub fn svg(title: &str, subtitle: &str, lines: &[String], energy: &[(String, f64)], seconds: u64) -> String {
    let kinds = moments(lines);
    let bottom = TOP + ROW * kinds.len() as f64;
    let height = bottom + 130.0;
    let x = |second: f64| tenth(LEFT + (RIGHT - LEFT) * second / seconds.max(1) as f64);
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("font-family", "sans-serif")
        .add(Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "#ffffff"))
        .add(text(title, 16.0, 30.0, 20))
        .add(text(subtitle, 16.0, 52.0, 13));
    let line = |x1: f64, y1: f64, x2: f64, y2: f64, color: &str| {
        Line::new().set("x1", x1).set("y1", y1).set("x2", x2).set("y2", y2).set("stroke", color)
    };
    let every = if seconds > 3 * 86_400 { 24 } else { 3 };
    for hour in (0..=seconds / 3600).step_by(every) {
        let at = x(hour as f64 * 3600.0);
        let label = text(&format!("{hour} h"), at, bottom + 16.0, 12).set("text-anchor", "middle");
        document = document.add(line(at, TOP - 6.0, at, bottom, "#d0d7de")).add(label);
    }
    for (number, ((what, seconds), color)) in kinds.iter().zip(COLORS.iter().cycle()).enumerate() {
        let y = TOP + ROW * number as f64;
        document = document.add(text(&format!("{what} ({})", seconds.len()), 16.0, y + 13.0, 12));
        for second in seconds {
            document = document.add(line(x(*second), y, x(*second), y + 18.0, color).set("stroke-width", 2));
        }
    }
    let all: f64 = energy.iter().map(|(_, joule)| joule).sum();
    let mut from = 16.0;
    for (number, ((part, joule), color)) in energy.iter().zip(COLORS.iter().cycle()).enumerate() {
        let width = (RIGHT - 16.0) * joule / all.max(f64::MIN_POSITIVE);
        let bar = Rectangle::new().set("x", tenth(from)).set("y", bottom + 34.0).set("height", 22);
        document = document.add(bar.set("width", tenth(width)).set("fill", *color));
        let (column, row) = ((number % 3) as f64, (number / 3) as f64);
        let (at, down) = (16.0 + 310.0 * column, bottom + 76.0 + 18.0 * row);
        let mark = Rectangle::new().set("x", at).set("y", down - 9.0).set("width", 10).set("height", 10);
        let label = format!("{part}: {:.2} J, {:.1} %", joule, 100.0 * joule / all.max(f64::MIN_POSITIVE));
        document = document.add(mark.set("fill", *color)).add(text(&label, at + 16.0, down, 12));
        from += width;
    }
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_sorted_by_kind() {
        let lines = [
            "at 1000000 us: sent 4, event",
            "at 3000000 us: sent 5, event",
            "at 2000000 us: ALARM",
            "event: x",
            "at 5 us: mode 3",
        ];
        let lines: Vec<String> = lines.map(String::from).into();
        let expected = [("ALARM", vec![2.0]), ("mode", vec![0.000_005]), ("sent event", vec![1.0, 3.0])];
        assert_eq!(moments(&lines), expected.map(|(what, seconds)| (String::from(what), seconds)));
        let picture = svg("t", "s", &lines, &[("core".into(), 1.0)], 10);
        assert_eq!(picture.matches("<line").count(), 1 + 4);
    }
}
