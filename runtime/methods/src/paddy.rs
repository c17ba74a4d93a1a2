//! A rice paddy: its water balance, and when alternate wetting and drying (AWD) wants water.
//!
//! The level is that in the field tube, in mm over the soil's surface; below the surface it is negative.

use crate::error::{ParameterError, within};

/// A season's day: 0 is the day of transplanting.
pub type SeasonDay = u16;

/// How the field loses water, and how high its bund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Percolation and seepage, µm per day: 1,000 to 5,000 in puddled soils, 0 to 100,000 here. Only while there is water.
    pub losses_um: i32,
    /// Height of the bund's outlet, mm: what stands above it runs off. 0 to 500.
    pub outlet_mm: i32,
    /// Depth below which the level does not fall, mm below the surface: 0 to 2000.
    pub bottom_mm: i32,
    /// Drainable porosity below the surface, thousandths: 1 mm of water moves the level there by 1000 / this mm.
    /// 1 to 1000; 1000 is the plain balance.
    pub porosity_permille: i32,
}

/// A crop's coefficients (FAO-56, table 12, rice: 1.05, 1.20, 0.90 to 0.60), thousandths of the reference
/// evapotranspiration, by the day of the season at which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// From transplanting.
    pub initial_permille: i32,
    /// From `mid_day` to `late_day`.
    pub mid_permille: i32,
    /// At `harvest_day`.
    pub end_permille: i32,
    /// Last day of the initial coefficient; it rises to the next until `mid_day`.
    pub development_day: SeasonDay,
    /// First day of the middle coefficient.
    pub mid_day: SeasonDay,
    /// Last day of the middle coefficient; it falls to the last until `harvest_day`.
    pub late_day: SeasonDay,
    /// Harvest.
    pub harvest_day: SeasonDay,
}

impl Crop {
    /// Rice of 150 days from sowing, transplanted after 30 (FAO-56, table 11: 30, 30, 60, 30 days).
    pub const RICE: Self = Self {
        initial_permille: 1050,
        mid_permille: 1200,
        end_permille: 900,
        development_day: 0,
        mid_day: 30,
        late_day: 90,
        harvest_day: 120,
    };

    /// Returns the coefficient of a day, thousandths (FAO-56, equation 66).
    pub fn coefficient_permille(&self, day: SeasonDay) -> i32 {
        let between = |from: (SeasonDay, i32), to: (SeasonDay, i32)| {
            let (since, span) = (i32::from(day.saturating_sub(from.0)), i32::from(to.0.saturating_sub(from.0)));
            if span == 0 { to.1 } else { from.1 + (to.1 - from.1) * since.min(span) / span }
        };
        if day < self.mid_day {
            between((self.development_day, self.initial_permille), (self.mid_day, self.mid_permille))
        } else {
            between((self.late_day, self.mid_permille), (self.harvest_day, self.end_permille))
        }
    }
}

/// What comes and goes in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Length of the span, minutes; at most a day.
    pub minutes: u16,
    /// Rain in it, µm.
    pub rain_um: i32,
    /// Irrigation in it, µm.
    pub irrigation_um: i32,
    /// Reference evapotranspiration, µm per day.
    pub reference_um_per_day: i32,
    /// Crop coefficient, thousandths.
    pub crop_permille: i32,
}

impl Field {
    /// Checks every parameter against its documented range.
    ///
    /// # Errors
    ///
    /// The first parameter that is out of range.
    pub fn validate(&self) -> Result<(), ParameterError> {
        within("losses_um", self.losses_um, 0, 100_000)?;
        within("outlet_mm", self.outlet_mm, 0, 500)?;
        within("bottom_mm", self.bottom_mm, 0, 2000)?;
        within("porosity_permille", self.porosity_permille, 1, 1000)
    }

    /// Returns the level after a span, µm over the surface, from the level before.
    ///
    /// `h' = h + rain + irrigation − Kc·ET0 − percolation − seepage`, and what is above the outlet runs off. Below the
    /// surface the level moves by more than the water does, as the soil holds it in its pores.
    pub fn after(&self, level_um: i32, flows: &Flows) -> i32 {
        let minutes = i64::from(flows.minutes.min(MINUTES));
        let losses = if level_um > -1000 * self.bottom_mm { i64::from(self.losses_um) } else { 0 };
        let crop = i64::from(flows.reference_um_per_day) * i64::from(flows.crop_permille) / 1000;
        let out = (crop + losses) * minutes / i64::from(MINUTES);
        let change = i64::from(flows.rain_um) + i64::from(flows.irrigation_um) - out;
        let porosity = i64::from(self.porosity_permille.max(1));
        // Water over the surface, or wanting to it, µm.
        let water = |level: i64| if level < 0 { level * porosity / 1000 } else { level };
        let after = water(i64::from(level_um)) + change;
        let level = if after < 0 { after * 1000 / porosity } else { after };
        level.clamp(-1000 * i64::from(self.bottom_mm), 1000 * i64::from(self.outlet_mm)) as i32
    }

    /// Returns the hours until a level falls to `start_mm`, if each hour is as `hourly` says; `None` if it does not within
    /// ten days.
    pub fn hours_until(&self, level_mm: i32, start_mm: i32, hourly: &Flows) -> Option<u16> {
        const LONGEST_HOURS: u16 = 240;
        let hourly = Flows { minutes: 60, ..*hourly };
        let mut level_um = level_mm.saturating_mul(1000);
        for hours in 0..=LONGEST_HOURS {
            if i64::from(level_um) <= 1000 * i64::from(start_mm) {
                return Some(hours);
            }
            level_um = self.after(level_um, &hourly);
        }
        None
    }
}

/// Minutes of a day.
const MINUTES: u16 = 1440;

/// "Safe" alternate wetting and drying, as the International Rice Research Institute teaches it: let the level fall to
/// 15 cm below the surface, flood to 5 cm, and keep the field ponded while the seedlings take root and around flowering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awd {
    /// Flood again when the level is this low, mm: −150 is safe. −500 to `flood_mm`.
    pub dry_mm: i32,
    /// Flood to this, mm: up to 300.
    pub flood_mm: i32,
    /// While the field is kept ponded, flood again at this level, mm; from `dry_mm` to below `flood_mm`.
    pub ponded_mm: i32,
    /// Kept ponded until this day: two weeks after transplanting, against weeds.
    pub established_day: SeasonDay,
    /// Kept ponded from this day, a week before flowering …
    pub flowering_from_day: SeasonDay,
    /// … to this one, a week after it.
    pub flowering_to_day: SeasonDay,
    /// No more water from this day: the field dries for the harvest.
    pub drain_day: SeasonDay,
}

/// What the field wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Water is wanted at this level and below, mm …
    pub start_mm: i32,
    /// … until it is reached to here.
    pub stop_mm: i32,
}

impl Awd {
    /// −15 cm, flowering around day 65 after transplanting, harvest at 120.
    pub const SAFE: Self = Self {
        dry_mm: -150,
        flood_mm: 50,
        ponded_mm: 10,
        established_day: 14,
        flowering_from_day: 58,
        flowering_to_day: 72,
        drain_day: 105,
    };

    /// Checks every parameter against its documented range.
    ///
    /// # Errors
    ///
    /// The first parameter that is out of range.
    pub fn validate(&self) -> Result<(), ParameterError> {
        within("flood_mm", self.flood_mm, 1, 300)?;
        within("dry_mm", self.dry_mm, -500, self.flood_mm - 1)?;
        within("ponded_mm", self.ponded_mm, self.dry_mm, self.flood_mm - 1)?;
        within("flowering_from_day", self.flowering_from_day, self.established_day, self.flowering_to_day)?;
        within("drain_day", self.drain_day, self.flowering_to_day, u16::MAX)
    }

    /// Returns what the field wants on a day; `None` where it is to dry.
    pub fn want(&self, day: SeasonDay) -> Option<Want> {
        let ponded = day < self.established_day || (self.flowering_from_day..=self.flowering_to_day).contains(&day);
        let start_mm = if ponded { self.ponded_mm } else { self.dry_mm };
        (day < self.drain_day).then_some(Want { start_mm, stop_mm: self.flood_mm })
    }
}

impl Want {
    /// Returns how much the field wants water at a level: 0 and more exactly where it does, −64 and less exactly where it has
    /// enough, −1 to −63 between; saturated.
    pub fn score(&self, level_mm: i32) -> i8 {
        let span = (i64::from(self.stop_mm) - i64::from(self.start_mm)).max(1);
        let score = ((i64::from(self.start_mm) - i64::from(level_mm)) * 64).div_euclid(span);
        let between = self.start_mm < level_mm && level_mm < self.stop_mm;
        let (least, most) = if between { (-63, -1) } else { (i8::MIN.into(), i8::MAX.into()) };
        score.clamp(least, most) as i8
    }
}

/// Score at which a field that wants water has enough: [`Want::score`].
pub const ENOUGH_SCORE: i8 = -64;
