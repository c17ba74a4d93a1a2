//! What stands between readings and decision: a network behind its front end, or a classical method.

/// What a detector makes of a hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    /// False where the detector cannot judge: it warms up, or readings are missing.
    pub ready: bool,
    /// Short-term over running-average energy, log2 in Q8, of a detector with a gate; 0 of one without.
    pub gate_q8: i32,
    /// The score, on the detector's scale; `None` where its gate is closed.
    pub score: Option<i8>,
}

/// From readings to scores. A state machine: time is an argument, and nothing but readings and times matters.
pub trait Detector {
    /// A reading of the sensor.
    type Reading;
    /// What can go wrong.
    type Error;

    /// Takes a reading of `time_us` (microseconds) and hands each hop that it completes to `on_hop`.
    ///
    /// # Errors
    ///
    /// The detector's own.
    fn push(&mut self, time_us: u64, reading: Self::Reading, on_hop: impl FnMut(Scored)) -> Result<(), Self::Error>;

    /// Goes on after lost readings or a clock that was set, without an alarm from that alone.
    fn restart(&mut self);
}
