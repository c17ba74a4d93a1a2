//! Enumerations and their numbers. A number is never given a second meaning.

use crate::BodyError;

/// Enumerations with their codes on the wire.
macro_rules! codes {
    ($($(#[$attr:meta])* $name:ident as $field:literal {
        $($(#[$variant_attr:meta])* $variant:ident = $code:literal,)+
    })+) => {
        $(
            $(#[$attr])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name {
                $($(#[$variant_attr])* $variant = $code,)+
            }

            impl $name {
                /// All of them, by code.
                pub const ALL: &[Self] = &[$(Self::$variant,)+];

                /// Returns the code on the wire.
                pub const fn code(self) -> u8 {
                    self as u8
                }

                pub(super) fn from_code(code: u8) -> Result<Self, BodyError> {
                    match code {
                        $($code => Ok(Self::$variant),)+
                        _ => Err(BodyError::Value { field: $field, value: code.into() }),
                    }
                }
            }
        )+
    };
}

codes! {
    /// What a node warns of. At most 8.
    Hazard as "hazard" {
        /// Strong motion.
        Earthquake = 0,
        /// High water: river, surge or tsunami.
        Flood = 1,
        /// Falling pressure, rising wind.
        Cyclone = 2,
        /// A paddy that wants water, or less of it.
        Paddy = 3,
        /// The node itself: broken, moved, opened, nearly flat.
        Node = 4,
    }

    /// How bad, in the words of CAP 1.2. At most 4.
    Severity as "severity" {
        /// No threat to life or property.
        Minor = 0,
        /// Possible threat.
        Moderate = 1,
        /// Significant threat.
        Severe = 2,
        /// Extraordinary threat.
        Extreme = 3,
    }

    /// Where the node's time comes from. At most 4.
    ClockQuality as "clock" {
        /// Nowhere yet: the node's times mean nothing.
        Unset = 0,
        /// From a reference that has been away for long.
        Holdover = 1,
        /// From the network, to tens of milliseconds.
        Network = 2,
        /// From a pulse per second.
        Pps = 3,
    }

    /// Why the node started.
    ResetCause as "reset cause" {
        /// The board does not say.
        Unknown = 0,
        /// Power came on.
        PowerOn = 1,
        /// The supply fell too low.
        BrownOut = 2,
        /// The watchdog.
        Watchdog = 3,
        /// The firmware asked for it.
        Software = 4,
        /// The reset pin.
        Pin = 5,
        /// A fault or panic.
        Fault = 6,
        /// The end of a sleep that loses RAM.
        Wake = 7,
    }

    /// What a number measures, and in which unit.
    Quantity as "quantity" {
        /// Acceleration, mGal.
        Acceleration = 0,
        /// Water level over the station's zero, mm.
        WaterLevel = 1,
        /// Air pressure, Pa.
        Pressure = 2,
        /// Air temperature, thousandths of a degree Celsius.
        Temperature = 3,
        /// Relative humidity, thousandths of a percent.
        Humidity = 4,
        /// Rain since the reading before, µm.
        Rain = 5,
        /// Wind speed, mm/s.
        WindSpeed = 6,
        /// Wind from, hundredths of a degree from north over east.
        WindDirection = 7,
        /// Volumetric soil moisture, parts per million.
        SoilMoisture = 8,
        /// Supply, mV.
        Supply = 9,
        /// Evapotranspiration, µm per day.
        Evapotranspiration = 10,
    }

    /// What became of a setting.
    Outcome as "outcome" {
        /// Stored, and in force.
        Applied = 0,
        /// No such key.
        UnknownKey = 1,
        /// The value is out of the key's range.
        OutOfRange = 2,
        /// Not now: the node is in an alarm or low on power.
        Refused = 3,
    }

    /// What the gateway asks of a node.
    Command as "command" {
        /// Restart.
        Restart = 0,
        /// Valve, pump and relay to their safe state.
        SafeState = 1,
        /// Run the self-test and report.
        SelfTest = 2,
        /// Send what is not acknowledged, at once.
        SendAll = 3,
    }

    /// How far a model's update is.
    Stage as "stage" {
        /// Nothing is going on.
        Settled = 0,
        /// Parts are expected.
        Receiving = 1,
        /// On trial.
        Trial = 2,
        /// The node's model now.
        Committed = 3,
        /// Failed on trial: the model before is the node's again.
        RolledBack = 4,
        /// Not taken; the report says why.
        Refused = 5,
    }
}
