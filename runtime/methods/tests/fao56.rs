//! The worked examples of FAO-56, chapters 2 to 4: our values, rounded as the book rounds, are the book's.
//!
//! Where the book goes on with values that it had rounded, so does the test.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use tanbo_methods::fao56::*;

/// Degrees and minutes.
fn degrees(degrees: f64, minutes: f64) -> f64 {
    degrees + minutes / 60.0
}

/// Compares a value with the book's, to the book's number of decimals.
#[track_caller]
fn book(value: f64, printed: &str) {
    let places = printed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    assert_eq!(format!("{value:.places$}"), printed);
}

const PLAIN: Site = Site { latitude_deg: 0.0, elevation_m: 0.0, wind_height_m: 2.0, coastal: false };

fn day(day_of_year: u16, t_min: f64, t_max: f64) -> Day {
    Day { day_of_year, t_min, t_max, humidity: Humidity::Unknown, sun: Sun::Unknown, wind: None }
}

#[test]
fn example_2_pressure_and_psychrometric_constant_at_1800_m() {
    book(atmospheric_pressure(1800.0), "81.8");
    book(psychrometric_constant(81.8), "0.054");
}

#[test]
fn example_3_saturation_vapour_pressure() {
    book(saturation_pressure(24.5), "3.075");
    book(saturation_pressure(15.0), "1.705");
    book((saturation_pressure(24.5) + saturation_pressure(15.0)) / 2.0, "2.39");
}

#[test]
fn example_5_vapour_pressure_of_relative_humidities() {
    let humid = |humidity| vapour_pressure(&Day { humidity, ..day(1, 18.0, 25.0) });
    book(humid(Humidity::Range { least: 54.0, most: 82.0 }), "1.70");
    book(humid(Humidity::Mean(68.0)), "1.78");
}

#[test]
fn examples_8_and_9_extraterrestrial_radiation_and_daylight() {
    // 3 September at 20° S.
    book(extraterrestrial_radiation(-20.0, 246), "32.2");
    book(daylight_hours(-20.0, 246), "11.7");
}

#[test]
fn examples_10_to_12_radiation_at_rio_de_janeiro_in_may() {
    let latitude = -degrees(22.0, 54.0);
    let extraterrestrial = extraterrestrial_radiation(latitude, 135);
    book(extraterrestrial, "25.1");
    let daylight = daylight_hours(latitude, 135);
    book(daylight, "10.9");
    let solar = radiation_of_sunshine(7.1, daylight, extraterrestrial);
    book(solar, "14.5");
    let clear = clear_sky_radiation(0.0, 25.1);
    book(clear, "18.8");
    book(net_longwave(19.1, 25.1, 2.1, 14.5 / 18.8), "3.5");
}

#[test]
fn example_14_wind_at_2_m() {
    book(wind_at_2m(3.2, 10.0), "2.4");
}

#[test]
fn example_15_radiation_of_temperatures_at_lyon_in_july() {
    let extraterrestrial = extraterrestrial_radiation(degrees(45.0, 43.0), 196);
    book(extraterrestrial, "40.6");
    let site = Site { elevation_m: 200.0, ..PLAIN };
    book(radiation_of_temperatures(&site, 14.8, 26.6, 40.6), "22.3");
}

#[test]
fn example_17_monthly_means_at_bangkok_in_april() {
    // 13°44' N, 2 m, 8.5 h of sunshine, vapour pressure 2.85 kPa, wind 2 m/s, heat into the soil 0.14.
    let latitude = degrees(13.0, 44.0);
    book(extraterrestrial_radiation(latitude, 105), "38.06");
    book(daylight_hours(latitude, 105), "12.31");
    book(radiation_of_sunshine(8.5, daylight_hours(latitude, 105), extraterrestrial_radiation(latitude, 105)), "22.65");
    // The book leaves the 2 m out.
    book(clear_sky_radiation(0.0, extraterrestrial_radiation(latitude, 105)), "28.54");
    book(net_longwave(25.6, 34.8, 2.85, 22.65 / 28.54), "3.11");
    book(saturation_slope(30.2), "0.246");
    let psychrometric = psychrometric_constant(101.3);
    book(psychrometric, "0.0674");
    let terms =
        Terms { t: 30.2, slope: 0.246, psychrometric, available: 14.33 - 0.14, wind: 2.0, deficit: 4.42 - 2.85 };
    // The book's 5.72 is the sum of two terms that it had rounded.
    book(penman_monteith(&terms), "5.7");
}

#[test]
fn example_18_a_day_at_uccle() {
    let site = Site { latitude_deg: degrees(50.0, 48.0), elevation_m: 100.0, wind_height_m: 10.0, coastal: false };
    book(extraterrestrial_radiation(site.latitude_deg, 187), "41.09");
    book(daylight_hours(site.latitude_deg, 187), "16.1");
    let (daylight, extraterrestrial) =
        (daylight_hours(site.latitude_deg, 187), extraterrestrial_radiation(site.latitude_deg, 187));
    book(radiation_of_sunshine(9.25, daylight, extraterrestrial), "22.07");
    book(wind_at_2m(10.0 / 3.6, 10.0), "2.078");
    let weather = Day {
        humidity: Humidity::Range { least: 63.0, most: 84.0 },
        sun: Sun::Hours(9.25),
        wind: Some(10.0 / 3.6),
        ..day(187, 12.3, 21.5)
    };
    book(vapour_pressure(&weather), "1.409");
    let found = reference(&site, &weather).unwrap();
    book(found.mm, "3.9");
    assert_eq!(found.method, Method::PenmanMonteith);
    assert_eq!(found.um() / 10, 388);
}

#[test]
fn example_19_an_hour_at_n_diaye() {
    // 1 October, 14 to 15 h local time: 1.25° west of the zone's meridian, equation of time 0.1889 h.
    let latitude = degrees(16.0, 13.0);
    let middle = 14.5 - 1.25 / 15.0 + 0.1889;
    book(extraterrestrial_between(latitude, 274, middle - 0.5, middle + 0.5), "3.543");
    // Night; and the hours of a day are the day.
    assert_eq!(extraterrestrial_between(latitude, 274, 2.0, 3.0), 0.0);
    let day: f64 =
        (0..24).map(|hour| extraterrestrial_between(latitude, 274, hour.into(), f64::from(hour) + 1.0)).sum();
    assert!((day - extraterrestrial_radiation(latitude, 274)).abs() < 1e-9);
}

#[test]
fn example_20_temperatures_alone_at_lyon_in_july() {
    let site = Site { latitude_deg: degrees(45.0, 43.0), elevation_m: 200.0, wind_height_m: 2.0, coastal: false };
    // With 2 m/s named, humidity and radiation are estimated; without, Hargreaves' equation stands in.
    let windy = reference(&site, &Day { wind: Some(2.0), ..day(196, 14.8, 26.6) }).unwrap();
    book(windy.mm, "4.6");
    assert_eq!(windy.method, Method::PenmanMonteith);
    let bare = reference(&site, &day(196, 14.8, 26.6)).unwrap();
    book(bare.mm, "5.0");
    assert_eq!(bare.method, Method::Hargreaves);
}

#[test]
fn the_same_bits_everywhere() {
    // Pinned on one machine, compared on every other: real numbers, computed by software.
    let weather = Day { humidity: Humidity::Mean(71.0), sun: Sun::Hours(6.5), wind: Some(1.7), ..day(200, 23.4, 31.8) };
    let site = Site { latitude_deg: 14.6, elevation_m: 41.0, wind_height_m: 3.0, coastal: true };
    assert_eq!(reference(&site, &weather).unwrap().mm.to_bits(), 4_616_759_239_703_996_004);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |site: Site, day: Day| reference(&site, &day).err().unwrap().name;
    assert_eq!(refused(Site { latitude_deg: 91.0, ..PLAIN }, day(1, 0.0, 1.0)), "latitude_deg");
    assert_eq!(refused(PLAIN, day(0, 0.0, 1.0)), "day_of_year");
    assert_eq!(refused(PLAIN, day(1, 2.0, 1.0)), "t_max");
    assert_eq!(refused(PLAIN, day(1, f64::NAN, 1.0)), "t_min");
    assert_eq!(refused(PLAIN, Day { wind: Some(-1.0), ..day(1, 0.0, 1.0) }), "wind");
    let upside_down = Humidity::Range { least: 80.0, most: 60.0 };
    assert_eq!(refused(PLAIN, Day { humidity: upside_down, ..day(1, 0.0, 1.0) }), "least humidity");
    let error = reference(&PLAIN, &day(1, 2.0, 1.0)).err().unwrap();
    assert_eq!(error.to_string(), "t_max = 1 cannot be: check the sensor, or leave the day out");
}

#[test]
fn poles_have_finite_values() {
    for latitude_deg in [-90.0, -70.0, 0.0, 70.0, 90.0] {
        for day_of_year in 1..=366 {
            let site = Site { latitude_deg, ..PLAIN };
            for sun in [Sun::Unknown, Sun::Hours(0.0), Sun::Hours(24.0)] {
                let found = reference(&site, &Day { sun, wind: Some(3.0), ..day(day_of_year, -30.0, 5.0) }).unwrap();
                assert!((0.0..30.0).contains(&found.mm), "{latitude_deg}°, day {day_of_year}: {found:?}");
            }
        }
    }
}
