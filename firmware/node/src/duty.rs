//! How much the node does on the power it has.
//!
//! A pure function of the supply, the hazard and the mode before; the mode before is all there is of a state. More charge,
//! more harvest or more hazard never gives less; a supply that trembles by less than the hysteresis does not make the
//! mode tremble; and a node that went out stays out until the voltage that carries a transmission is reached, so that it
//! does not die of each one's load.

use tanbo_board_api::Supply;

/// How much the node does. In order: each does what the one before does, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing: it sleeps and looks at the supply now and then. No sensor, no radio.
    Out,
    /// It watches as cheaply as it can, and sends alarms and one sign of life per day.
    Survive,
    /// It measures as in [`Mode::Full`], and sends readings rarely.
    Save,
    /// All of it.
    Full,
}

impl Mode {
    /// All modes, least first.
    pub const ALL: [Self; 4] = [Self::Out, Self::Survive, Self::Save, Self::Full];
}

/// How much is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stake {
    /// Nothing is known of a hazard.
    Calm,
    /// The gateway, the season or a neighbour announces one.
    Watch,
    /// The node itself is in an alarm: it spends what it has.
    Alarm,
}

/// Charge at which a mode begins, and below which it ends, thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// It begins at this charge …
    pub up_permille: u16,
    /// … and ends below this one; less than `up_permille`.
    pub down_permille: u16,
}

/// Parameters of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Below this supply the node goes out, mV: the least that the board runs on, with the load of a transmission.
    pub out_mv: u16,
    /// A node that is out starts again at this supply, mV; above `out_mv` by more than a transmission's dip.
    pub restart_mv: u16,
    /// Supply of an empty battery, mV: for boards that measure no charge. At least `out_mv`.
    pub empty_mv: u16,
    /// Supply of a full one, mV.
    pub full_mv: u16,
    /// Charge for [`Mode::Save`].
    pub save: Step,
    /// Charge for [`Mode::Full`]; both limits at least those of `save`.
    pub full: Step,
    /// What a mW of harvest counts as, thousandths of charge.
    pub harvest_permille_per_mw: u16,
    /// The most that harvest counts as.
    pub harvest_most_permille: u16,
    /// What [`Stake::Watch`] counts as, thousandths of charge.
    pub watch_permille: u16,
}

impl Policy {
    /// Two alkaline cells in series, on a board that runs down to 1.8 V.
    pub const TWO_AA: Self = Self {
        out_mv: 1900,
        restart_mv: 2300,
        empty_mv: 1900,
        full_mv: 3100,
        save: Step { up_permille: 150, down_permille: 100 },
        full: Step { up_permille: 350, down_permille: 250 },
        harvest_permille_per_mw: 5,
        harvest_most_permille: 200,
        watch_permille: 150,
    };
    /// One lithium thionyl chloride cell: its voltage is flat, so the thresholds of a charge that is counted, not measured.
    pub const LITHIUM: Self = Self { out_mv: 2400, restart_mv: 3100, empty_mv: 2400, full_mv: 3600, ..Self::TWO_AA };
    /// Two rechargeable nickel cells in series, charged by the sun.
    pub const TWO_NIMH: Self = Self { out_mv: 2000, restart_mv: 2400, empty_mv: 2000, full_mv: 2700, ..Self::TWO_AA };

    /// Returns whether the limits are in order.
    pub const fn valid(&self) -> bool {
        self.out_mv < self.restart_mv
            && self.out_mv <= self.empty_mv
            && self.empty_mv < self.full_mv
            && self.save.down_permille < self.save.up_permille
            && self.full.down_permille < self.full.up_permille
            && self.save.up_permille <= self.full.up_permille
            && self.save.down_permille <= self.full.down_permille
    }

    /// Returns the mode after `mode`.
    ///
    /// Where the board measures neither voltage nor charge, nothing is known to save for and nothing to spend: it is
    /// [`Mode::Save`].
    pub fn next(&self, mode: Mode, supply: &Supply, stake: Stake) -> Mode {
        if let Some(mv) = supply.mv
            && mv < if mode == Mode::Out { self.restart_mv } else { self.out_mv }
        {
            return Mode::Out;
        }
        let Some(charge) = supply.charge_permille.or_else(|| supply.mv.map(|mv| self.charge_permille(mv))) else {
            return Mode::Save;
        };
        if stake == Stake::Alarm {
            return Mode::Full;
        }
        let harvest = u32::from(supply.harvest_mw.unwrap_or(0)) * u32::from(self.harvest_permille_per_mw);
        let watch = if stake == Stake::Watch { self.watch_permille } else { 0 };
        let means = u32::from(charge) + harvest.min(self.harvest_most_permille.into()) + u32::from(watch);
        let reached =
            |of: Mode, step: Step| means >= u32::from(if mode >= of { step.down_permille } else { step.up_permille });
        if reached(Mode::Full, self.full) {
            Mode::Full
        } else if reached(Mode::Save, self.save) {
            Mode::Save
        } else {
            Mode::Survive
        }
    }

    /// The charge that a voltage stands for, on a line from empty to full.
    fn charge_permille(&self, mv: u16) -> u16 {
        let span = u32::from(self.full_mv.saturating_sub(self.empty_mv).max(1));
        let above = u32::from(mv.saturating_sub(self.empty_mv));
        (above * 1000 / span).min(1000) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICIES: [Policy; 3] = [Policy::TWO_AA, Policy::LITHIUM, Policy::TWO_NIMH];

    fn supply(mv: u16, charge: Option<u16>, harvest: u16) -> Supply {
        Supply { mv: Some(mv), charge_permille: charge, harvest_mw: Some(harvest), ..Supply::default() }
    }

    #[test]
    fn goes_down_and_up_with_its_charge() {
        use Mode::{Full, Save, Survive};
        let policy = Policy::TWO_AA;
        let mut mode = Full;
        let mut run = |charges: &[u16]| -> Vec<Mode> {
            let next = |charge: &u16| {
                mode = policy.next(mode, &supply(2800, Some(*charge), 0), Stake::Calm);
                mode
            };
            charges.iter().map(next).collect()
        };
        assert_eq!(run(&[1000, 250, 249, 349, 100, 99]), [Full, Full, Save, Save, Save, Survive]);
        assert_eq!(run(&[149, 150, 349, 350]), [Survive, Save, Save, Full]);
        assert_eq!(policy.next(Full, &supply(1899, Some(1000), 1000), Stake::Alarm), Mode::Out);
        assert_eq!(policy.next(Mode::Out, &supply(2299, Some(1000), 1000), Stake::Alarm), Mode::Out);
        assert_eq!(policy.next(Mode::Out, &supply(2300, Some(0), 0), Stake::Calm), Survive);
        assert_eq!(policy.next(Survive, &supply(1900, Some(0), 0), Stake::Alarm), Full);
        assert_eq!(policy.next(Survive, &supply(2800, Some(0), 0), Stake::Watch), Save);
        assert_eq!(policy.next(Full, &Supply::default(), Stake::Alarm), Save, "nothing is measured");
        assert_eq!(policy.next(Survive, &supply(3100, None, 0), Stake::Calm), Full, "charge from the voltage");
    }

    #[test]
    fn the_policies_are_valid() {
        assert!(POLICIES.iter().all(Policy::valid));
        assert!(!Policy { restart_mv: 1900, ..Policy::TWO_AA }.valid());
        assert!(!Policy { save: Step { up_permille: 400, down_permille: 100 }, ..Policy::TWO_AA }.valid());
    }

    fn any_mode() -> impl Strategy<Value = Mode> {
        (0usize..4).prop_map(|index| Mode::ALL[index])
    }

    fn any_stake() -> impl Strategy<Value = Stake> {
        (0usize..3).prop_map(|index| [Stake::Calm, Stake::Watch, Stake::Alarm][index])
    }

    proptest! {
        #[test]
        fn more_never_gives_less(
            policy in (0usize..3).prop_map(|index| POLICIES[index]),
            modes in (any_mode(), any_mode()), stakes in (any_stake(), any_stake()),
            mv in (1500u16..4000, 0u16..1000), charge in (0u16..1000, 0u16..500), harvest in (0u16..200, 0u16..200),
            counted: bool,
        ) {
            let less = supply(mv.0, counted.then_some(charge.0), harvest.0);
            let more = supply(mv.0 + mv.1, counted.then_some(charge.0 + charge.1), harvest.0 + harvest.1);
            let (low, high) = (modes.0.min(modes.1), modes.0.max(modes.1));
            let (calm, grave) = (stakes.0.min(stakes.1), stakes.0.max(stakes.1));
            prop_assert!(policy.next(low, &less, calm) <= policy.next(high, &more, grave));
        }

        /// Whatever the supply does within the hysteresis, the mode changes at most once each way it was pulled before.
        #[test]
        fn noise_does_not_make_it_oscillate(
            policy in (0usize..3).prop_map(|index| POLICIES[index]), start in any_mode(), stake in any_stake(),
            mv in 1500u16..4000, charge in 0u16..1000,
            noise in proptest::collection::vec((0u16..300, 0u16..50), 2..200),
        ) {
            let mut mode = start;
            let mut changes = Vec::new();
            for (mv_noise, charge_noise) in noise {
                let next = policy.next(mode, &supply(mv + mv_noise, Some(charge + charge_noise), 0), stake);
                if next != mode {
                    changes.push((mode, next));
                }
                mode = next;
            }
            // From where it began to the mode of this supply, up to two steps up; no change is ever undone, but for the one from
            // out to on and back, which its own hysteresis (400 mV) forbids too.
            for pair in changes.windows(2) {
                prop_assert!(pair[1].1 != pair[0].0, "{changes:?}");
            }
            prop_assert!(changes.len() <= 3, "{changes:?}");
        }

        #[test]
        fn out_stays_out_below_the_restart_voltage(
            policy in (0usize..3).prop_map(|index| POLICIES[index]), stake in any_stake(),
            readings in proptest::collection::vec((0u16..4000, proptest::option::of(0u16..1001), 0u16..1000), 1..100),
        ) {
            let mut mode = Mode::Out;
            for (mv, charge, harvest) in readings {
                let next = policy.next(mode, &supply(mv, charge, harvest), stake);
                prop_assert!(mode != Mode::Out || mv >= policy.restart_mv || next == Mode::Out);
                prop_assert!(mv >= policy.out_mv || next == Mode::Out);
                mode = next;
            }
        }
    }
}
