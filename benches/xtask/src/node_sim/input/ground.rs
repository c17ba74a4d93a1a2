//! The ground: the accelerometer's noise, people by day, and earthquakes.

use std::f64::consts::{PI, TAU};

use super::{Kind, Readings, normal, of_day};
use crate::workspace::{Error, root};

/// The earthquake: South Napa 2014 at CE.68150, 200 Hz, gal without gravity.
const QUAKE: &str = "models/zoo/seismic/fixtures/south-napa-2014-ce68150.csv";
const QUAKE_HZ: f64 = 200.0;
/// Rate of the ADXL355, and of the looks of the ADXL362.
const HZ: f64 = 31.25;
const LOOK_HZ: f64 = 6.0;
/// Steps of the ADXL355 in ±2 g, and of the ADXL362, in a gal.
const STEPS_PER_GAL: f64 = 256_000.0 / 980.665;
const MG_PER_GAL: f64 = 1000.0 / 980.665;
const G_STEPS: f64 = 256_000.0;
/// Noise of the instruments of OpenEEW in the field, between 1 and 10 Hz, rms per axis: 0.065 to 0.073 gal.
const NOISE_GAL: f64 = 0.07;
/// By how much people raise it at the busiest hour.
const CULTURE: f64 = 0.5;
/// Steps and trucks per hour at the busiest hour.
const BURSTS_PER_HOUR: f64 = 6.0;
/// First earthquake, from one to the next, and the sizes in turn, in those of the recording.
const FIRST_S: f64 = 2.0 * 3600.0 + 100.0;
const APART_S: f64 = 29.0 * 3600.0;
const SIZES: [f64; 3] = [1.0, 0.2, 0.05];

/// How busy people are, 0 to 1: from 6 to 22 h, most in the middle.
fn busy(second: f64) -> f64 {
    let hour = of_day(second) * 24.0;
    if (6.0..22.0).contains(&hour) { (PI * (hour - 6.0) / 16.0).sin().powi(2) } else { 0.0 }
}

/// A step or a truck.
#[derive(Clone, Copy)]
struct Burst {
    begins_s: f64,
    hz: f64,
    gal: f64,
    fades_s: f64,
}

struct Ground {
    kind: Kind,
    random: fastrand::Rng,
    quake: Vec<[f64; 3]>,
    second: f64,
    step_s: f64,
    burst: Option<Burst>,
}

impl Ground {
    fn next_gal(&mut self) -> [f64; 3] {
        let second = self.second;
        self.second += self.step_s;
        let busy = if self.kind.quiet { 0.0 } else { busy(second) };
        let noise = NOISE_GAL * (1.0 + CULTURE * busy);
        let mut gal = [(); 3].map(|()| noise * normal(&mut self.random));
        if self.kind.quiet {
            return gal;
        }
        if self.random.f64() < BURSTS_PER_HOUR * busy * self.step_s / 3600.0 {
            let (hz, size) = (5.0 + 3.0 * self.random.f64(), 0.3 + 1.5 * self.random.f64());
            self.burst = Some(Burst { begins_s: second, hz, gal: size, fades_s: 0.3 + self.random.f64() });
        }
        if let Some(Burst { begins_s, hz, gal: size, fades_s }) = self.burst {
            let age = second - begins_s;
            let value = size * (-age / fades_s).exp() * (TAU * hz * age).sin();
            gal = [gal[0] + 0.5 * value, gal[1] + 0.3 * value, gal[2] + value];
            self.burst = self.burst.filter(|_| age < 20.0 * fades_s);
        }
        let (first_s, apart_s) =
            self.kind.quakes_s.map_or((FIRST_S, APART_S), |apart_s| (apart_s as f64, apart_s as f64));
        let since = second - first_s;
        if since >= 0.0 {
            let (number, into) = ((since / apart_s) as usize, since % apart_s);
            // The mean over the time of a reading, as the chip's filter takes it.
            let (from, to) = ((into * QUAKE_HZ) as usize, ((into + self.step_s) * QUAKE_HZ) as usize);
            if let Some(span) = self.quake.get(from..to).filter(|span| !span.is_empty()) {
                let size = SIZES[number % SIZES.len()];
                for (axis, gal) in gal.iter_mut().enumerate() {
                    *gal += size * span.iter().map(|sample| sample[axis]).sum::<f64>() / span.len() as f64;
                }
            }
        }
        gal
    }
}

fn quake() -> Result<Vec<[f64; 3]>, Error> {
    let path = root().join(QUAKE);
    let failed = |error: csv::Error| Error(format!("{}: {error}", path.display()));
    let mut reader = csv::Reader::from_path(&path).map_err(failed)?;
    let rows = reader.deserialize::<(f64, f64, f64, f64)>();
    rows.map(|row| row.map(|(_, x, y, z)| [x, y, z]).map_err(failed)).collect()
}

/// Returns what the two accelerometers measure.
pub fn feeds(kind: Kind, start_s: u64) -> Result<Vec<Readings>, Error> {
    let quake = quake()?;
    let ground = |hz: f64, salt: u64| Ground {
        kind,
        random: fastrand::Rng::with_seed(kind.seed ^ salt << 32 ^ start_s << 8),
        quake: quake.clone(),
        second: start_s as f64,
        step_s: 1.0 / hz,
        burst: None,
    };
    let (mut fine, mut coarse) = (ground(HZ, 0), ground(LOOK_HZ, 1));
    let fine = std::iter::repeat_with(move || {
        let [x, y, z] = fine.next_gal().map(|gal| gal * STEPS_PER_GAL);
        [x, y, z + G_STEPS].map(|steps| steps.round() as i32).to_vec()
    });
    let coarse =
        std::iter::repeat_with(move || coarse.next_gal().map(|gal| (gal * MG_PER_GAL).round() as i32).to_vec());
    Ok(vec![Box::new(fine), Box::new(coarse)])
}
