//! A battery: what is left in it, and its voltage. Tables in `firmware/node/cells/`.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use tanbo_node::duty::Policy;

use crate::models::unreadable;
use crate::workspace::{Error, root};

/// A battery's table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What it is.
    pub about: String,
    /// Which of the node's policies suits it.
    policy: String,
    /// When new, at 20 °C.
    pub capacity_mah: f64,
    self_discharge_permille_per_year: f64,
    /// How long it lasts unused.
    pub shelf_years: u32,
    /// Whether harvest goes into it.
    pub rechargeable: bool,
    /// Whether the node knows the charge from counting, else from the voltage.
    pub counted: bool,
    resistance_mohm: f64,
    voltage: Vec<(f64, f64)>,
    usable: Vec<(f64, f64)>,
    /// Where each value is from.
    #[allow(dead_code, reason = "for people; read so that a table without it is refused")]
    sources: BTreeMap<String, String>,
}

/// The value at `x` on the lines through `points`, constant beyond them.
fn on_lines(points: &[(f64, f64)], x: f64) -> f64 {
    let next = points.iter().position(|point| point.0 >= x);
    match next {
        None => points.last().map_or(0.0, |point| point.1),
        Some(0) => points[0].1,
        Some(at) => {
            let ((x0, y0), (x1, y1)) = (points[at - 1], points[at]);
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        }
    }
}

impl Cell {
    /// Reads all tables, by name of their files.
    ///
    /// # Errors
    /// A folder or file that cannot be read.
    pub fn all() -> Result<BTreeMap<String, Self>, Error> {
        let folder = root().join("firmware/node/cells");
        let mut cells = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
            let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            let cell = toml::from_str(&text).map_err(|error| Error(format!("{}: {error}", path.display())))?;
            cells.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), cell);
        }
        Ok(cells)
    }

    /// Returns the policy of a node with this battery.
    ///
    /// # Errors
    /// A table that names none.
    pub fn policy(&self) -> Result<Policy, Error> {
        match self.policy.as_str() {
            "TWO_AA" => Ok(Policy::TWO_AA),
            "LITHIUM" => Ok(Policy::LITHIUM),
            "TWO_NIMH" => Ok(Policy::TWO_NIMH),
            other => Err(Error(format!("{}: no policy {other}; see firmware/node/src/duty.rs", self.about))),
        }
    }

    /// Returns the voltage in mV with `left` of the capacity (0 to 1) at a temperature, under a load of `ma`.
    ///
    /// What the cold makes unusable counts as used up; it comes back with the warmth.
    pub fn millivolts(&self, left: f64, celsius: f64, ma: f64) -> f64 {
        let usable = on_lines(&self.usable, celsius) / 1000.0;
        let felt = ((left - (1.0 - usable)) / usable).max(0.0);
        on_lines(&self.voltage, 1000.0 * felt) - ma * self.resistance_mohm / 1000.0
    }

    /// Returns the share of the capacity that an hour at a temperature takes by itself: twice as much per 10 °C.
    pub fn self_discharge(&self, celsius: f64) -> f64 {
        self.self_discharge_permille_per_year / 1000.0 / 8766.0 * libm::exp2((celsius - 20.0) / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_and_their_curves_rise() {
        let cells = Cell::all().unwrap();
        assert_eq!(cells.keys().collect::<Vec<_>>(), ["aa", "lisocl2", "nimh-solar"]);
        for cell in cells.values() {
            assert!(cell.policy().unwrap().valid());
            for line in [&cell.voltage, &cell.usable] {
                assert!(line.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{}", cell.about);
            }
            assert!(cell.millivolts(0.5, 20.0, 0.0) > cell.millivolts(0.5, -10.0, 0.0));
            assert!(cell.millivolts(0.5, 20.0, 90.0) < cell.millivolts(0.5, 20.0, 0.0));
        }
        let aa = &cells["aa"];
        assert_eq!(aa.millivolts(0.625, 20.0, 0.0), 2630.0);
        assert_eq!(aa.millivolts(2.0, 50.0, 100.0), 3160.0 - 50.0);
        // 3 % in a year at 20 °C, 6 % at 30.
        assert!((aa.self_discharge(30.0) * 8766.0 - 0.06).abs() < 1e-9);
    }
}
