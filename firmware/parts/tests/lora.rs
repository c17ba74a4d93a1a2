//! LoRaWAN's uplink on a radio that keeps what is sent.

mod time;

use std::cell::RefCell;
use std::collections::VecDeque;

use embassy_time::{Instant, Timer};
use lorawan::creator::DataPayloadCreator;
use lorawan::keys::{AppSKey, NewSKey};
use lorawan::parser::{DataHeader as _, DataPayload, DevAddr, FRMPayload, PhyPayload, parse};
use lorawan_device::JoinMode;
use lorawan_device::async_device::Timings;
use lorawan_device::async_device::radio::{PhyRxTx, RxConfig, RxQuality, RxStatus, TxConfig};
use tanbo_board_api::{Limits, Uplink as _, UplinkError};
use tanbo_parts::lora::{LoraError, LoraUplink, PORT, Region};
use time::Time;

const NETWORK_KEY: [u8; 16] = [2; 16];
const APPLICATION_KEY: [u8; 16] = [3; 16];
const ADDRESS: [u8; 4] = [4, 3, 2, 1];

#[derive(Default)]
struct Air {
    sent: RefCell<Vec<(TxConfig, Vec<u8>)>>,
    /// What the network sends in the next windows.
    down: RefCell<VecDeque<Vec<u8>>>,
}

struct Radio<'a>(&'a Air);

impl PhyRxTx for Radio<'_> {
    type PhyError = &'static str;

    const MAX_RADIO_POWER: u8 = 22;

    async fn tx(&mut self, config: TxConfig, bytes: &[u8]) -> Result<u32, &'static str> {
        self.0.sent.borrow_mut().push((config, bytes.to_vec()));
        Ok(0)
    }

    async fn setup_rx(&mut self, _: RxConfig) -> Result<(), &'static str> {
        Ok(())
    }

    async fn rx_continuous(&mut self, _: &mut [u8]) -> Result<(usize, RxQuality), &'static str> {
        Err("class C")
    }

    async fn rx_single(&mut self, into: &mut [u8]) -> Result<RxStatus, &'static str> {
        let Some(frame) = self.0.down.borrow_mut().pop_front() else { return Ok(RxStatus::RxTimeout) };
        into[..frame.len()].copy_from_slice(&frame);
        Ok(RxStatus::Rx(frame.len(), RxQuality::new(-80, 7)))
    }
}

impl Timings for Radio<'_> {
    fn get_rx_window_lead_time_ms(&self) -> u32 {
        50
    }
}

fn session() -> JoinMode {
    JoinMode::ABP {
        newskey: NewSKey::from(NETWORK_KEY),
        appskey: AppSKey::from(APPLICATION_KEY),
        devaddr: DevAddr::new(ADDRESS).expect("an address"),
    }
}

/// What a network server reads in a packet: port and frame.
fn decrypted(packet: &[u8], number: u32) -> (Option<u8>, Vec<u8>) {
    let Ok(PhyPayload::Data(DataPayload::Encrypted(data))) = parse(packet.to_vec()) else { panic!("no data") };
    let (network, application) = (NewSKey::from(NETWORK_KEY), AppSKey::from(APPLICATION_KEY));
    let Ok(data) = data.decrypt_if_mic_ok(network.inner(), application.inner(), number) else { panic!("another key") };
    let FRMPayload::Data(frame) = data.frm_payload() else { panic!("no frame") };
    (data.f_port(), frame.to_vec())
}

/// What a network server sends.
fn encrypted(port: u8, number: u32, frame: &[u8]) -> Vec<u8> {
    let (network, application) = (NewSKey::from(NETWORK_KEY), AppSKey::from(APPLICATION_KEY));
    let mut creator = DataPayloadCreator::new();
    creator.set_uplink(false).set_dev_addr(ADDRESS).set_f_port(port).set_fcnt(number);
    creator.build(frame, &[], &network, &application).expect("a packet").to_vec()
}

fn uplink(air: &Air, region: Region) -> LoraUplink<Radio<'_>> {
    LoraUplink::new(Radio(air), 1, region, session())
}

/// Region, its band in Hz, longest frame and spreading factor of the slowest data rate in use (RP002-1.0.4).
const REGIONS: [(Region, u32, u32, usize, u32); 4] = [
    (Region::In865, 865_000_000, 867_000_000, 51, 12),
    (Region::As923, 915_000_000, 928_000_000, 11, 10),
    (Region::Eu868, 868_000_000, 868_600_000, 51, 12),
    (Region::Us915, 902_000_000, 915_000_000, 11, 10),
];

#[test]
fn frames_go_out_in_each_regions_band_at_its_slowest_rate() {
    let time = Time::start();
    for (region, from, to, longest, factor) in REGIONS {
        let air = Air::default();
        let mut uplink = uplink(&air, region);
        assert_eq!(uplink.limits(), Limits { frame_bytes: longest, not_before_us: 0 });
        let frame: Vec<u8> = (0..longest as u8).collect();
        time.run(uplink.send(&frame)).expect("sent");
        let (config, packet) = air.sent.borrow()[0].clone();
        assert!((from..to).contains(&config.rf.frequency), "{region:?}: {}", config.rf.frequency);
        assert_eq!(config.rf.bb.sf.factor(), factor, "{region:?}");
        assert_eq!(decrypted(&packet, 0), (Some(PORT), frame));
        // A frame of 51 bytes at SF12 is on the air for 2.8 s; one of 11 at SF10 less than the dwell time.
        let airtime_us = config.rf.bb.time_on_air_us(Some(8), true, packet.len() as u8);
        assert!(longest > 11 || airtime_us <= 400_000, "{region:?}: {airtime_us}");
        let too_long = time.run(uplink.send(&vec![0; longest + 1]));
        assert!(matches!(too_long, Err(UplinkError::TooLong { room, .. }) if room == longest), "{region:?}");
    }
}

#[test]
fn where_a_region_limits_the_air_the_next_frame_waits() {
    let time = Time::start();
    for (region, limited) in
        [(Region::Eu868, true), (Region::As923, true), (Region::In865, false), (Region::Us915, false)]
    {
        let air = Air::default();
        let mut uplink = uplink(&air, region);
        let begin_us = Instant::now().as_micros();
        time.run(uplink.send(&[7; 11])).expect("sent");
        let (config, packet) = air.sent.borrow()[0].clone();
        let airtime_us = u64::from(config.rf.bb.time_on_air_us(Some(8), true, packet.len() as u8));
        let waits_us = uplink.limits().not_before_us - begin_us;
        let times = if limited { 100 } else { 1 };
        assert_eq!(waits_us, times * airtime_us, "{region:?}");
        if limited {
            let again = time.run(uplink.send(&[7; 11]));
            let not_before_us = uplink.limits().not_before_us;
            assert!(matches!(again, Err(UplinkError::NotYet { not_before_us: told }) if told == not_before_us));
            assert_eq!(air.sent.borrow().len(), 1);
        }
    }
}

#[test]
fn what_comes_in_a_window_is_received_after_the_frame_that_opened_it() {
    let time = Time::start();
    let air = Air::default();
    let mut uplink = uplink(&air, Region::In865);
    let mut into = [0; 16];
    assert!(matches!(time.run(uplink.receive(&mut into, 0)), Ok(None)));
    air.down.borrow_mut().push_back(encrypted(PORT, 1, b"acknowledged"));
    time.run(uplink.send(&[1])).expect("sent");
    assert!(matches!(time.run(uplink.receive(&mut into, 0)), Ok(Some(12))));
    assert_eq!(&into[..12], b"acknowledged");
    assert!(matches!(time.run(uplink.receive(&mut into, 0)), Ok(None)));
}

#[test]
fn other_ports_replays_and_frames_that_do_not_fit_are_not_received() {
    let time = Time::start();
    let air = Air::default();
    let mut uplink = uplink(&air, Region::In865);
    let mut into = [0; 4];
    let mut after = |packet: Vec<u8>| {
        air.down.borrow_mut().extend([packet, vec![]]);
        // Until the frame before is off the air.
        let until = Instant::from_micros(uplink.limits().not_before_us);
        time.run(Timer::at(until));
        time.run(uplink.send(&[1])).expect("sent");
        air.down.borrow_mut().clear();
        time.run(uplink.receive(&mut into, 0))
    };
    assert!(matches!(after(encrypted(PORT + 1, 1, b"else")), Ok(None)));
    assert!(matches!(after(encrypted(PORT, 2, b"too long")), Err(UplinkError::TooLong { bytes: 8, room: 4 })));
    assert!(matches!(after(encrypted(PORT, 2, b"past")), Ok(None)));
}

#[test]
fn a_node_that_nobody_lets_in_says_so_and_keeps_to_its_share() {
    let time = Time::start();
    let air = Air::default();
    let join = JoinMode::OTAA { deveui: [1; 8].into(), appeui: [2; 8].into(), appkey: [3; 16].into() };
    let mut uplink = LoraUplink::new(Radio(&air), 1, Region::Eu868, join);
    assert!(matches!(time.run(uplink.send(&[1])), Err(UplinkError::Device(LoraError::NotJoined))));
    assert!(!uplink.is_joined());
    // A join request was on the air.
    assert_eq!(air.sent.borrow().len(), 1);
    assert!(matches!(time.run(uplink.send(&[1])), Err(UplinkError::NotYet { .. })));
}
