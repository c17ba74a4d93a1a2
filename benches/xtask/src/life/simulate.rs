//! A node on a battery, hour by hour, by the node's own duty policy and plan.

use tanbo_board_api::Supply;
use tanbo_node::duty::{Mode, Stake};
use tanbo_node::energy::{Board, Draw, Times, draw};
use tanbo_node::plan::{Application, plan};

use super::cell::Cell;
use super::weather::{Place, Weather};
use crate::workspace::Error;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub application: Application,
    pub board: &'static Board,
    pub cell: &'a Cell,
    pub place: Place,
    pub times: Times,
    /// Peak power of the panel, mW; 0 without.
    pub panel_mw: f64,
    pub seed: u64,
    /// Longest time to simulate.
    pub years: u32,
}

/// A month of the record: means and sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Month {
    pub celsius: f64,
    /// What went into the battery.
    pub harvest_mah: f64,
    pub used_mah: f64,
    /// At its end.
    pub left: f64,
    /// Least in it, under the load of a transmission.
    pub least_mv: f64,
    /// Hours in each mode.
    pub hours: [u32; 4],
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Record {
    pub months: Vec<Month>,
    /// Hours until the node went out for good; `None` if it still runs.
    pub life_hours: Option<u64>,
    /// Charge left, at the end of each week, 0 to 1.
    pub weeks: Vec<f64>,
    /// Draw in each mode.
    pub draws: [Draw; 4],
}

/// What of the panel's power reaches the battery: not aimed, dirty, without tracking of its best voltage.
const PANEL_SHARE: f64 = 0.6;
/// What of the charge that goes into a nickel cell comes out again.
const CHARGE_SHARE: f64 = 0.75;
/// Hours of a month of 30.4 days.
const MONTH_HOURS: u64 = 730;
/// A node without harvest that was out for so long does not come back.
const GONE_HOURS: u64 = 24 * 60;

/// Runs a case.
///
/// # Errors
/// A battery whose table is wrong, or one that cannot feed the board.
pub fn simulate(case: &Case<'_>) -> Result<Record, Error> {
    let mut policy = case.cell.policy()?;
    policy.out_mv = policy.out_mv.max(u16::try_from(case.board.least_mv).unwrap_or(u16::MAX));
    policy.empty_mv = policy.empty_mv.max(policy.out_mv);
    if !policy.valid() {
        return Err(Error(format!(
            "{} needs {} mV, more than {} can give as they are: it takes a boost converter, which is not simulated",
            case.board.about, case.board.least_mv, case.cell.about
        )));
    }
    let draws = Mode::ALL.map(|mode| draw(case.application, &plan(case.application, mode), case.board, &case.times));
    let pulse_ma = f64::from(case.board.transmit_ua + case.board.run_ua) / 1000.0;
    let (mut left, mut mode, mut out_since) = (1.0f64, Mode::Full, None);
    let mut record = Record { months: Vec::new(), life_hours: None, weeks: Vec::new(), draws };
    for (hour, weather) in (0..u64::from(case.years) * 8760).zip(Weather::new(case.place, case.seed)) {
        if hour.is_multiple_of(MONTH_HOURS) {
            record.months.push(Month { least_mv: f64::INFINITY, ..Month::default() });
        }
        let millivolts = case.cell.millivolts(left, weather.celsius, pulse_ma).max(0.0);
        let harvest_mw =
            if case.cell.rechargeable { case.panel_mw * weather.watts_per_m2 / 1000.0 * PANEL_SHARE } else { 0.0 };
        let supply = Supply {
            mv: Some(millivolts as u16),
            charge_permille: case.cell.counted.then_some((1000.0 * left) as u16),
            harvest_mw: Some(harvest_mw as u16),
            ..Supply::default()
        };
        mode = policy.next(mode, &supply, Stake::Calm);
        let used_mah = draws[mode as usize].total_na() as f64 / 1e6;
        let open_mv = case.cell.millivolts(left, weather.celsius, 0.0).max(1.0);
        let offered = harvest_mw / open_mv * 1000.0 * CHARGE_SHARE / case.cell.capacity_mah;
        let spent = used_mah / case.cell.capacity_mah + left * case.cell.self_discharge(weather.celsius);
        // A full battery takes what is spent, and no more.
        let taken = offered.min(1.0 - left + spent);
        left = (left + taken - spent).max(0.0);
        if let Some(month) = record.months.last_mut() {
            month.celsius += weather.celsius / MONTH_HOURS as f64;
            month.harvest_mah += taken * case.cell.capacity_mah;
            month.used_mah += used_mah;
            month.left = left;
            month.least_mv = month.least_mv.min(millivolts);
            month.hours[mode as usize] += 1;
        }
        if hour % 168 == 167 {
            record.weeks.push(left);
        }
        out_since = if mode == Mode::Out { out_since.or(Some(hour)) } else { None };
        if let Some(since) = out_since.filter(|since| hour - since >= GONE_HOURS) {
            record.life_hours = Some(since);
            break;
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tanbo_node::energy::board;

    const DARK: Place =
        Place { latitude_deg: 35.7, clearness: 0.45, celsius: 20.0, yearly_celsius: 0.0, daily_celsius: 0.0 };
    const TIMES: Times = Times { awake_us: 2000, airtime_us: 206_000, receive_us: 100_000, frame_work_us: 20_000 };

    #[test]
    fn a_battery_lasts_as_long_as_its_charge() {
        let cells = Cell::all().unwrap();
        let case = Case {
            application: Application::Seismic,
            board: board("nrf52840").unwrap(),
            cell: &cells["lisocl2"],
            place: DARK,
            times: TIMES,
            panel_mw: 0.0,
            seed: 1,
            years: 20,
        };
        let record = simulate(&case).unwrap();
        let hours = record.life_hours.unwrap();
        // At 20 °C all the capacity is usable: what was drawn and what was lost by itself are what there was, but for a rest.
        let used: f64 = record.months.iter().map(|month| month.used_mah).sum();
        let lost: f64 = (0..hours).map(|_| 8500.0 * 0.5 * case.cell.self_discharge(20.0)).sum();
        let rest = record.months.last().unwrap().left * 8500.0;
        assert!((8500.0 - used - lost - rest).abs() < 170.0, "{used} + {lost} + {rest} mAh");
        let full_hours = 8500.0 / (record.draws[3].total_na() as f64 / 1e6);
        assert!((0.8..3.0).contains(&(hours as f64 / full_hours)));
        // A panel keeps the rechargeable ones for as long as is simulated.
        let sunny = simulate(&Case { cell: &cells["nimh-solar"], panel_mw: 500.0, years: 3, ..case.clone() }).unwrap();
        assert_eq!(sunny.life_hours, None);
        assert_eq!(sunny.weeks.len(), 3 * 8760 / 168);
        let refused = simulate(&Case { cell: &cells["aa"], board: board("esp32c3").unwrap(), ..case });
        assert!(refused.unwrap_err().0.contains("boost converter"));
    }
}
