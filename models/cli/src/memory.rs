//! What lies where in the arena, and when: the storages of `inspect`, and their picture.

use serde::Serialize;
use svg::node::element::{Group, Title};
use tanbo_format::{Model, Step, Storage};

use crate::draw::{FAINT, GRID, INK, PANEL, label, line, page, rectangle, round_up};
use crate::error::CliError;
use crate::facts::Facts;
use crate::output::grouped;

/// What a storage of the arena holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// An input of the model, and views of it.
    Input,
    /// An output of the model.
    Output,
    /// What one step hands to others, whole.
    Tensor,
    /// The last rows of it.
    Ring,
    /// What a kernel works with.
    Scratch,
    /// What is kept from one inference to the next.
    State,
}

/// A storage of the arena.
#[derive(Clone, Debug, Serialize)]
pub struct StorageFacts {
    /// The model's input or output, or the step that writes it or works with it.
    pub name: String,
    pub holds: Holds,
    /// Rows of a ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// First byte in the arena.
    pub offset: usize,
    pub bytes: usize,
    /// First and last step while which the bytes are in use. Steps of one chain run in turns.
    pub steps: [u16; 2],
}

/// Returns the storages of a model's arena.
pub fn storages(model: &Model<'_>) -> Vec<StorageFacts> {
    let steps: Vec<(u16, Step<'_>)> =
        (0..model.step_count() as u16).filter_map(|number| Some((number, model.step(number)?))).collect();
    let lies_in = |tensor: u16, storage: u16| model.tensor(tensor).is_some_and(|tensor| tensor.storage == storage);
    let port = |ports: &[u16], storage: u16| {
        let tensor = ports.iter().find(|&&port| lies_in(port, storage)).and_then(|&port| model.tensor(port))?;
        Some(tensor.name().to_string())
    };
    let storages = (0..model.storage_count() as u16).filter_map(|number| {
        let (offset, bytes, rows, state) = match model.storage(number)? {
            Storage::Arena { offset, bytes, ring_rows } => (offset, bytes, Some(ring_rows).filter(|&n| n > 0), false),
            Storage::State { offset, bytes } => (offset, bytes, None, true),
            Storage::Constant { .. } => return None,
        };
        let (first, last) = model.storage_lifetime(number)?;
        let (input, output) = (port(model.inputs(), number), port(model.outputs(), number));
        let worker = steps.iter().find(|(_, step)| step.scratch == Some(number));
        let writer = steps.iter().find(|(_, step)| lies_in(step.output, number));
        let holds = match (state, rows, &input, &output) {
            (true, ..) => Holds::State,
            (_, Some(_), ..) => Holds::Ring,
            (_, _, Some(_), _) => Holds::Input,
            (_, _, _, Some(_)) => Holds::Output,
            _ if worker.is_some() => Holds::Scratch,
            _ => Holds::Tensor,
        };
        let of_step = worker.or(writer).map(|(step, of)| format!("{} {step}", of.op.name()));
        let name = input.or(output).filter(|name| !name.is_empty()).or(of_step).unwrap_or_default();
        let steps = [model.chain(first)?.start, model.chain(last)?.end.saturating_sub(1)];
        Some(StorageFacts { name, holds, rows, offset, bytes, steps })
    });
    storages.collect()
}

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = 1172.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 536.0;
const HEIGHT: f64 = 680.0;
/// Width of a character of the smallest letters, and their height.
const LETTER: (f64, f64) = (6.3, 13.0);

const PEAK: &str = "#c8321e";
const BOUND: &str = "#22303c";
const COLOURS: [(Holds, &str, &str); 6] = [
    (Holds::Input, "input", "#8fb3d4"),
    (Holds::Output, "output", "#e3b679"),
    (Holds::Tensor, "tensor", "#bcd4b0"),
    (Holds::Ring, "ring of rows", "#8cc3b4"),
    (Holds::Scratch, "scratch", "#d9c7dc"),
    (Holds::State, "state", "#d8a8a0"),
];

/// Returns the picture of a plan: steps from left to right, the arena from its first byte up.
///
/// # Errors
/// A model without steps or arena.
pub fn svg(facts: &Facts, title: &str) -> Result<String, CliError> {
    if facts.steps.is_empty() || facts.arena_bytes == 0 {
        return Err(CliError::new(title, "there is no memory to draw", "leave --svg away"));
    }
    let top = facts.arena_bytes.max(facts.arena_lower_bound as usize) as f64 * 1.04;
    let column = (RIGHT - LEFT) / facts.steps.len() as f64;
    let x = |step: usize| LEFT + step as f64 * column;
    let y = |bytes: f64| BOTTOM - bytes / top * (BOTTOM - TOP);
    let subtitle = format!("kernels: {}; bytes of the arena over the steps", facts.family);
    let mut document = page(title, &subtitle, WIDTH, HEIGHT, LEFT)
        .add(rectangle(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, PANEL))
        .add(scale(top, &y))
        .add(steps(facts, &x, column));
    for storage in &facts.storages {
        document = document.add(block(storage, &x, &y));
    }
    let (arena, bound) = (facts.arena_bytes as u64, u64::from(facts.arena_lower_bound));
    let text = format!("arena {}", grouped(arena));
    document = document.add(level(y(arena as f64), PEAK, "", &text, -5.0));
    let text = format!("lower bound {}", grouped(bound));
    document = document.add(level(y(bound as f64), BOUND, "6 4", &text, 14.0));
    Ok(document.add(legend(facts)).to_string() + "\n")
}

/// The bytes at the left edge.
fn scale(top: f64, y: &impl Fn(f64) -> f64) -> Group {
    let tick = round_up(top / 8.0).max(1.0);
    (0..=(top / tick) as u32).fold(Group::new(), |group, number| {
        let bytes = f64::from(number) * tick;
        group
            .add(line((LEFT, y(bytes)), (RIGHT, y(bytes)), GRID))
            .add(label(&grouped(bytes as u64), LEFT - 8.0, y(bytes) + 4.0, 11.0, FAINT).set("text-anchor", "end"))
    })
}

/// The steps below, a line at each chain's beginning.
fn steps(facts: &Facts, x: &impl Fn(usize) -> f64, column: f64) -> Group {
    let mut group = Group::new();
    // Beyond so many, not every step has room for its name.
    let every = (LETTER.1 / column).ceil().max(1.0) as usize;
    for (number, step) in facts.steps.iter().enumerate() {
        if step.begins_chain {
            group = group.add(line((x(number), TOP), (x(number), BOTTOM + 6.0), GRID));
        }
        if number.is_multiple_of(every) {
            let (middle, top) = (x(number) + column / 2.0 + 4.0, BOTTOM + 10.0);
            let name = label(&format!("{number} {}", step.op), middle, top, 11.0, INK).set("text-anchor", "end");
            group = group.add(name.set("transform", format!("rotate(-50 {middle:.1} {top:.1})")));
        }
    }
    group
}

fn block(storage: &StorageFacts, x: &impl Fn(usize) -> f64, y: &impl Fn(f64) -> f64) -> Group {
    let [first, last] = storage.steps.map(usize::from);
    let (left, right) = (x(first), x(last + 1));
    let (high, low) = (y((storage.offset + storage.bytes) as f64), y(storage.offset as f64));
    let colour = COLOURS.iter().find(|(holds, ..)| *holds == storage.holds).map_or(PANEL, |(_, _, colour)| colour);
    let rows = match storage.rows {
        Some(1) => ", 1 row".into(),
        Some(rows) => format!(", {rows} rows"),
        None => String::new(),
    };
    let text = format!("{}{rows}: {}", storage.name, grouped(storage.bytes as u64));
    let frame = rectangle(left, high, right - left, low - high, colour).set("stroke", INK).set("stroke-width", 0.5);
    let group = Group::new().add(frame.add(Title::new(format!("{text} bytes at {}", storage.offset))));
    let shown = [text.as_str(), storage.name.as_str()].into_iter().find(|text| {
        low - high >= LETTER.1 && right - left >= LETTER.0 * text.chars().count() as f64 && !text.is_empty()
    });
    match shown {
        Some(text) => group
            .add(label(text, (left + right) / 2.0, (high + low) / 2.0 + 4.0, 11.0, INK).set("text-anchor", "middle")),
        None => group,
    }
}

fn level(y: f64, colour: &str, dashes: &str, text: &str, below: f64) -> Group {
    let stroke = line((LEFT, y), (RIGHT, y), colour).set("stroke-width", 1.5).set("stroke-dasharray", dashes);
    Group::new().add(stroke).add(label(text, RIGHT - 6.0, y + below, 12.0, colour).set("text-anchor", "end"))
}

fn legend(facts: &Facts) -> Group {
    let shown = COLOURS.iter().filter(|(holds, ..)| facts.storages.iter().any(|storage| storage.holds == *holds));
    shown.zip(0u8..).fold(Group::new(), |group, ((_, name, colour), number)| {
        let left = LEFT + f64::from(number) * 130.0;
        group.add(rectangle(left, TOP - 22.0, 12.0, 12.0, colour)).add(label(name, left + 18.0, TOP - 12.0, 12.0, INK))
    })
}
