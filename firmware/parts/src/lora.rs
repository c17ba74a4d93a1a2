//! Frames over LoRaWAN (class A), by `lorawan-device` on any radio that `lora-phy` drives.
//!
//! What this adds: the share of the air that a region allows, frames no longer than the data rate carries, joining when there is
//! something to send. `lorawan-device` keeps neither duty cycles nor dwell times.

use core::fmt;

use embassy_time::{Instant, Timer as Alarm};
pub use lorawan_device::JoinMode;
pub use lorawan_device::async_device::Timings;
pub use lorawan_device::async_device::radio::PhyRxTx;
use lorawan_device::async_device::radio::{RxConfig, RxQuality, RxStatus, Timer, TxConfig};
use lorawan_device::async_device::{Device, Error, JoinResponse, SendResponse};
use lorawan_device::region::{Configuration, DR, Subband, US915};
use lorawan_device::{AppEui, AppKey, DevEui, Prng, region};
use tanbo_board_api::{FRAGMENTS, Limits, Port, Uplink, UplinkError};
use tanbo_flash_map::Identity;
pub use tanbo_flash_map::Region;
use tanbo_wire::MAX_FRAME;

use crate::clock::instant;
use crate::lora_crypto::Crypto;

/// LoRaWAN's port of the node's frames.
pub const PORT: u8 = 1;
/// Of a MAC payload, what stands around the frame: header of 7 bytes, port.
const AROUND_BYTES: usize = 8;
/// Symbols of a preamble, without the sync word.
const PREAMBLE: u8 = 8;

/// The rules of a region ("RP002-1.0.4 LoRaWAN Regional Parameters"): its channels are those of `lorawan-device`.
fn configuration(region: Region) -> Configuration {
    match region {
        Region::In865 => Configuration::new(region::Region::IN865),
        Region::As923 => Configuration::new(region::Region::AS923_1),
        Region::Eu868 => Configuration::new(region::Region::EU868),
        Region::Us915 => {
            // The second sub-band, channels 8 to 15: that of most public networks.
            let mut plan = US915::new();
            plan.set_join_bias(Subband::_2);
            plan.into()
        }
    }
}

/// Whether a transmission may last 400 ms at most.
const fn dwells(region: Region) -> bool {
    matches!(region, Region::As923 | Region::Us915)
}

/// Slowest data rate that carries a frame of 11 bytes: the farthest.
const fn slowest(region: Region) -> DR {
    if matches!(region, Region::As923) { DR::_2 } else { DR::_0 }
}

/// Silence after a transmission, in its airtime: 99 for a share of 1 %, which is that of EU868's channels of every network.
const fn silence(region: Region) -> u64 {
    if matches!(region, Region::Eu868 | Region::As923) { 99 } else { 0 }
}

/// Returns how a node joins.
pub fn join(identity: &Identity) -> JoinMode {
    // Over the air, EUIs go least byte first.
    JoinMode::OTAA {
        deveui: DevEui::from(identity.node.to_le_bytes()),
        appeui: AppEui::from(identity.join_eui.to_le_bytes()),
        appkey: AppKey::from(identity.app_key),
    }
}

/// The radio's airtime is counted on the way.
struct Counted<R> {
    radio: R,
    /// On the air since it was looked at last, µs.
    airtime_us: u64,
}

impl<R: PhyRxTx> PhyRxTx for Counted<R> {
    type PhyError = R::PhyError;

    const ANTENNA_GAIN: i8 = R::ANTENNA_GAIN;
    const MAX_RADIO_POWER: u8 = R::MAX_RADIO_POWER;

    async fn tx(&mut self, config: TxConfig, buffer: &[u8]) -> Result<u32, R::PhyError> {
        // At most 255 bytes: a LoRa packet.
        self.airtime_us += u64::from(config.rf.bb.time_on_air_us(Some(PREAMBLE), true, buffer.len() as u8));
        self.radio.tx(config, buffer).await
    }

    async fn setup_rx(&mut self, config: RxConfig) -> Result<(), R::PhyError> {
        self.radio.setup_rx(config).await
    }

    async fn rx_continuous(&mut self, into: &mut [u8]) -> Result<(usize, RxQuality), R::PhyError> {
        self.radio.rx_continuous(into).await
    }

    async fn rx_single(&mut self, into: &mut [u8]) -> Result<RxStatus, R::PhyError> {
        self.radio.rx_single(into).await
    }

    async fn low_power(&mut self) -> Result<(), R::PhyError> {
        self.radio.low_power().await
    }
}

impl<R: Timings> Timings for Counted<R> {
    fn get_rx_window_lead_time_ms(&self) -> u32 {
        self.radio.get_rx_window_lead_time_ms()
    }

    fn get_rx_window_buffer(&self) -> u32 {
        self.radio.get_rx_window_buffer()
    }
}

/// Time of the receive windows. `lorawan-device` has one on an older embassy-time.
struct Windows(Instant);

impl Timer for Windows {
    fn reset(&mut self) {
        self.0 = Instant::now();
    }

    async fn at(&mut self, millis: u64) {
        Alarm::at(instant(self.0.as_micros() + millis * 1000)).await;
    }

    async fn delay_ms(&mut self, millis: u64) {
        Alarm::after_millis(millis).await;
    }
}

/// Why the radio or the network did not take a frame.
#[derive(Debug)]
pub enum LoraError<E> {
    /// The radio.
    Radio(E),
    /// No network let the node in.
    NotJoined,
    /// The network's answer makes no sense.
    Network,
}

impl<E: fmt::Debug> fmt::Display for LoraError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Radio(error) => write!(f, "radio: {error:?}"),
            Self::NotJoined => f.write_str("no network let the node in: is it registered, are region and keys right?"),
            Self::Network => f.write_str("the network's answer makes no sense"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for LoraError<E> {}

impl<E> From<Error<E>> for LoraError<E> {
    fn from(error: Error<E>) -> Self {
        match error {
            Error::Radio(error) => Self::Radio(error),
            Error::Mac(_) => Self::Network,
        }
    }
}

/// An uplink over LoRaWAN.
pub struct LoraUplink<R: PhyRxTx + Timings> {
    device: Device<Counted<R>, Crypto, Windows, Prng>,
    region: Region,
    join: JoinMode,
    joined: bool,
    limits: Limits,
    /// Whose it was what came last.
    port: Port,
}

impl<R: PhyRxTx<PhyError: fmt::Debug> + Timings> LoraUplink<R> {
    /// Returns the uplink of a node that joins by `join` when it first sends. `seed` must be random, another one after
    /// each reset: join requests follow it, and a network takes none twice.
    pub fn new(radio: R, seed: u64, region: Region, join: JoinMode) -> Self {
        let radio = Counted { radio, airtime_us: 0 };
        let mut device = Device::new_with_seed(configuration(region), radio, Windows(Instant::now()), seed);
        device.set_datarate(slowest(region));
        let limits = Limits { frame_bytes: 0, not_before_us: 0 };
        let mut uplink = Self { device, region, join, joined: false, limits, port: Port::Frames };
        uplink.look();
        uplink
    }

    /// Whether a network has let the node in.
    pub const fn is_joined(&self) -> bool {
        self.joined
    }

    /// Takes what was on the air and the data rate, which the network may have changed, into the limits.
    fn look(&mut self) {
        let rate = self.device.get_datarate();
        let payload = self.device.get_region().get_max_payload_length(rate, false, dwells(self.region));
        self.limits.frame_bytes = usize::from(payload).saturating_sub(AROUND_BYTES).min(MAX_FRAME);
    }

    /// Counts what was on the air from `begin_us` on.
    fn count(&mut self, begin_us: u64, airtime_us: u64) {
        self.limits.not_before_us = begin_us + airtime_us * (1 + silence(self.region));
        self.look();
    }

    async fn join(&mut self) -> Result<(), LoraError<R::PhyError>> {
        match self.device.join(&self.join).await? {
            JoinResponse::JoinSuccess => {
                self.device.set_datarate(slowest(self.region));
                self.joined = true;
                Ok(())
            }
            JoinResponse::NoJoinAccept => Err(LoraError::NotJoined),
        }
    }

    async fn exchange(&mut self, port: u8, frame: &[u8]) -> Result<(), LoraError<R::PhyError>> {
        if !self.joined {
            self.join().await?;
        }
        match self.device.send(frame, port, false).await? {
            // 2^32 frames: a new session.
            SendResponse::SessionExpired => self.joined = false,
            SendResponse::DownlinkReceived(_) | SendResponse::NoAck | SendResponse::RxComplete => {}
        }
        Ok(())
    }

    async fn send_on(&mut self, port: u8, frame: &[u8]) -> Result<(), UplinkError<LoraError<R::PhyError>>> {
        let Limits { frame_bytes, not_before_us } = self.limits;
        if frame.len() > frame_bytes {
            return Err(UplinkError::TooLong { bytes: frame.len(), room: frame_bytes });
        }
        let begin_us = Instant::now().as_micros();
        if begin_us < not_before_us {
            return Err(UplinkError::NotYet { not_before_us });
        }
        let result = self.exchange(port, frame).await;
        let airtime_us = core::mem::take(&mut self.device.get_mut_radio().airtime_us);
        self.count(begin_us, airtime_us);
        result.map_err(UplinkError::Device)
    }
}

impl<R: PhyRxTx<PhyError: fmt::Debug> + Timings> Uplink for LoraUplink<R> {
    type Error = LoraError<R::PhyError>;

    fn limits(&self) -> Limits {
        self.limits
    }

    /// Joins first where it has to. Takes until the second receive window is over: a class A node hears the network only then.
    async fn send(&mut self, frame: &[u8]) -> Result<(), UplinkError<Self::Error>> {
        self.send_on(PORT, frame).await
    }

    /// What the last transmission's windows brought; nothing else can come.
    async fn receive(&mut self, into: &mut [u8], until_us: u64) -> Result<Option<usize>, UplinkError<Self::Error>> {
        while let Some(downlink) = self.device.take_downlink() {
            // Other ports are other people's; port 0 is the network's own.
            let port = match downlink.fport {
                PORT => Some(Port::Frames),
                FRAGMENTS => Some(Port::Fragments),
                _ => None,
            };
            if let Some(port) = port {
                self.port = port;
                let too_long = UplinkError::TooLong { bytes: downlink.data.len(), room: into.len() };
                into.get_mut(..downlink.data.len()).ok_or(too_long)?.copy_from_slice(&downlink.data);
                return Ok(Some(downlink.data.len()));
            }
        }
        Alarm::at(instant(until_us)).await;
        Ok(None)
    }

    fn port(&self) -> Port {
        self.port
    }

    async fn answer(&mut self, payload: &[u8]) -> Result<(), UplinkError<Self::Error>> {
        self.send_on(FRAGMENTS, payload).await
    }
}
