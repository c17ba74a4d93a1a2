//! The task of the uplink: alarms at once, events until they are acknowledged, reports in turn, the time, what the gateway asks.

use embassy_futures::select::{Either, select};
use tanbo_board_api::{Clock as _, Port, Reference, TimeSource, Uplink as _, UplinkError};
use tanbo_fragments::Answer;
use tanbo_store::RECORD_BYTES;
use tanbo_wire::v1::{
    Ack, Alarm, Applied, Command, Event, Firmware, Heartbeat, Message, Opened, Outcome, Readings, Set, Telemetry,
    Unverified,
};
use tanbo_wire::{Direction, Link, Window};

use crate::agenda::{End, after_ms, after_s, following};
use crate::board::{Board, Stop};
use crate::duty::Mode;
use crate::faults::Trouble;
use crate::inbox::{Inbox, Letter, Told};
use crate::observe::Note;
use crate::outbox::{ALSO_EACH, Outbox, READINGS, report_s};
use crate::plan::{AIR, ANSWER, QUIET, RadioState, Retry, retry};
use crate::settings::key;
use crate::shared::{FlashError, Shared, Stored};

/// Numbers below the highest one sent that an acknowledgement holds: an event further back gets a new one, since the gateway may
/// neither accept nor confirm the old one any more. It knows a second copy by the event's time.
const REACH: u32 = 32;
/// How long the gateway may go on after its acknowledgement, ms: with a setting, or the time.
const LINGER_MS: u32 = 300;
/// Time from one long report to the next, s.
const TELEMETRY_S: u32 = 86_400;

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Alarm,
    Applied,
    Boot,
    Time,
    Event(u32),
    Report,
    /// How an update of model or firmware goes.
    Update(Told),
    /// On the port of fragments.
    Answer(Answer),
}

/// A frame that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: u32,
    /// The event that its acknowledgement settles, where that has another number.
    event: Option<u32>,
    /// When it had gone, by the board's clock.
    sent_us: u64,
    settled: bool,
    /// The answer with the time came.
    timed: bool,
}

/// The uplink's state.
struct Sender<'s, 'p, B: Board, I> {
    shared: &'s Shared<'p, B>,
    uplink: &'s mut B::Uplink,
    /// Who takes models.
    inbox: &'s I,
    /// Numbers accepted from the gateway; in flash as of the last one that asked for something.
    window: Window,
    random: u64,
    /// Events that nobody acknowledged, in a row, and when the next may go.
    failures: u32,
    event_us: u64,
    report_us: u64,
    telemetry_us: u64,
    /// Reports with readings so far.
    reports: u32,
    /// Questions for the time that nobody answered, in a row, and when the next may go.
    time_failures: u32,
    time_us: u64,
    /// How often the device failed in a row.
    broken: u32,
}

/// Sends and receives until the gateway asks for a restart.
pub(crate) async fn run<B: Board, I: Inbox>(
    shared: &Shared<'_, B>,
    uplink: &mut B::Uplink,
    inbox: &I,
) -> Stop<FlashError<B>> {
    let now_us = shared.now_us();
    let window = shared.store.lock().await.window();
    // Never zero.
    let random = (shared.setup.seed ^ u64::from(shared.starts)) << 1 | 1;
    let mut sender = Sender {
        shared,
        uplink,
        inbox,
        window,
        random,
        failures: 0,
        event_us: now_us,
        report_us: now_us,
        telemetry_us: now_us,
        reports: 0,
        time_failures: 0,
        time_us: now_us,
        broken: 0,
    };
    while !sender.go_on().await {}
    Stop::Restart
}

impl<B: Board, I: Inbox> Sender<'_, '_, B, I> {
    /// Sends a frame and hears its answer, or waits until one is to be sent; whether the gateway asks for a restart.
    async fn go_on(&mut self) -> bool {
        let shared = self.shared;
        let now_us = shared.now_us();
        if self.inbox.restarts() {
            return true;
        }
        if shared.mode() == Mode::Out {
            shared.pause(&QUIET, after_ms(now_us, QUIET.longest_ms)).await;
            return false;
        }
        let job = match self.next(now_us).await {
            Ok(job) => job,
            Err(at_us) => {
                shared.pause(&QUIET, at_us.min(after_ms(now_us, QUIET.longest_ms))).await;
                return false;
            }
        };
        let not_before_us = self.uplink.limits().not_before_us;
        if not_before_us > now_us {
            shared.pause(&AIR, not_before_us.min(after_ms(now_us, AIR.longest_ms))).await;
            return false;
        }
        let Some(mut flight) = self.send(job).await else {
            self.try_later(job);
            return false;
        };
        let restart = self.listen(&mut flight).await;
        if job == Job::Time && flight.timed {
            self.time_failures = 0;
            self.time_us = after_s(shared.now_us(), self.retry().clock_s);
        } else if matches!(job, Job::Event(_)) && flight.settled {
            self.failures = 0;
            self.event_us = shared.now_us();
        } else if matches!(job, Job::Update(_)) {
            self.inbox.said(flight.settled);
        } else if job == Job::Time || !flight.settled {
            self.try_later(job);
        }
        restart
    }

    fn retry(&self) -> Retry {
        retry(self.shared.mode())
    }

    /// Returns what is to be sent now, or when something is.
    async fn next(&mut self, now_us: u64) -> Result<Job, u64> {
        let shared = self.shared;
        let oldest = shared.store.lock().await.waiting().min();
        let report_s = report_s(&shared.plan());
        let mut outbox = shared.outbox();
        if core::mem::take(&mut outbox.send_all) {
            self.failures = 0;
            self.event_us = now_us;
            outbox.report = true;
        }
        // A plan that reports more often.
        self.report_us = self.report_us.min(after_s(now_us, report_s));
        if outbox.urgent() {
            return Ok(Job::Alarm);
        }
        if let Some(number) = outbox.untried.take() {
            return Ok(Job::Event(number));
        }
        if outbox.answers() {
            return Ok(Job::Applied);
        }
        if let Some(answer) = self.inbox.answer() {
            return Ok(Job::Answer(answer));
        }
        if let Some(report) = self.inbox.report() {
            return Ok(Job::Update(report));
        }
        if outbox.boot.is_some() {
            return Ok(Job::Boot);
        }
        if now_us >= self.time_us {
            return Ok(Job::Time);
        }
        if let Some(number) = oldest.filter(|_| now_us >= self.event_us) {
            return Ok(Job::Event(number));
        }
        if outbox.report || now_us >= self.report_us {
            return Ok(Job::Report);
        }
        let event_us = oldest.map_or(u64::MAX, |_| self.event_us);
        Err(event_us.min(self.time_us).min(self.report_us))
    }

    /// Nobody answered, or the device failed: the same again later.
    fn try_later(&mut self, job: Job) {
        let (failures, again_us) = match job {
            Job::Event(_) => (&mut self.failures, &mut self.event_us),
            Job::Time => (&mut self.time_failures, &mut self.time_us),
            // Its event follows, or the next one.
            Job::Alarm | Job::Applied | Job::Boot | Job::Report | Job::Update(_) | Job::Answer(_) => return,
        };
        *failures = failures.saturating_add(1);
        let Retry { first_s, longest_s, .. } = retry(self.shared.mode());
        let pause_s = first_s.checked_shl(*failures - 1).map_or(longest_s, |pause_s| pause_s.min(longest_s));
        // xorshift64 (Marsaglia): no crate without a standard library is in the tree for a spread of retries.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let pause_ms = u64::from(pause_s) * 1000;
        let less_ms = self.random % (pause_ms / 4).max(1);
        *again_us = self.shared.now_us().saturating_add((pause_ms - less_ms) * 1000);
    }

    /// Sends what `job` says; `None` where nothing went.
    async fn send(&mut self, job: Job) -> Option<InFlight> {
        let shared = self.shared;
        let mut values = [0; 2 + 2 * READINGS];
        // Of an event: its number, or the one that an alarm in its place settles.
        let (mut number, mut settles) = (None, None);
        let message = match job {
            Job::Alarm => Message::Alarm(shared.outbox().next_alarm()?),
            Job::Applied => Message::Applied(shared.outbox().next_applied()?),
            Job::Boot => Message::Boot(shared.outbox().boot.take()?),
            Job::Time => Message::TimeRequest,
            Job::Event(waiting) => {
                let event = self.load(waiting).await?;
                let message = Message::Event(event);
                if !self.fits(&message) {
                    settles = Some(waiting);
                    Message::Alarm(Alarm::new(event.finding, event.time_us))
                } else {
                    let far = shared.next_number().saturating_sub(waiting) > REACH;
                    number = Some(if far { self.renumber(waiting, &message).await.ok()? } else { waiting });
                    message
                }
            }
            Job::Update(told) => told.message(),
            Job::Answer(answer) => return self.answer(answer).await,
            Job::Report => {
                let waiting = shared.store.lock().await.waiting().count();
                self.report(&shared.report(waiting), &mut values)
            }
        };
        let number = match number {
            Some(number) => number,
            None => {
                let mut store = shared.store.lock().await;
                shared.number(&mut store).await.ok()?
            }
        };
        let frame = shared.seal(number, &message);
        if frame.is_empty() {
            return None;
        }
        shared.set_radio(RadioState::Transmit);
        let sent = self.uplink.send(&frame).await;
        shared.set_radio(RadioState::Sleep);
        if sent.is_err() {
            self.broken().await;
            return None;
        }
        self.broken = 0;
        shared.note(Note::Sent { counter: number, message });
        Some(InFlight { number, event: settles, sent_us: shared.now_us(), settled: false, timed: false })
    }

    /// Sends an answer on the port of fragments, which no frame acknowledges.
    async fn answer(&mut self, answer: Answer) -> Option<InFlight> {
        let shared = self.shared;
        let (bytes, len) = answer.to_bytes();
        shared.set_radio(RadioState::Transmit);
        let sent = self.uplink.answer(bytes.get(..len).unwrap_or_default()).await;
        shared.set_radio(RadioState::Sleep);
        // Where there is no such port, nobody asked on it.
        sent.ok()?;
        // The number of no frame.
        let number = u32::MAX;
        Some(InFlight { number, event: None, sent_us: shared.now_us(), settled: false, timed: false })
    }

    /// Returns a report: readings where there are some, the health at length once a day and on request, else in short.
    fn report<'v>(&mut self, telemetry: &Telemetry, values: &'v mut [u8]) -> Message<'v> {
        let shared = self.shared;
        let now_us = shared.now_us();
        let wanted = core::mem::take(&mut shared.outbox().report);
        if now_us >= self.report_us {
            self.report_us = following(self.report_us, now_us, report_s(&shared.plan()));
        }
        if wanted || now_us >= self.telemetry_us {
            let long = Message::Telemetry(*telemetry);
            if self.fits(&long) {
                self.telemetry_us = after_s(now_us, TELEMETRY_S);
                return long;
            }
        } else if shared.mode() > Mode::Survive {
            let taken = {
                let Outbox { readings, also, .. } = &mut *shared.outbox();
                self.reports = self.reports.wrapping_add(1);
                let other = self.reports.is_multiple_of(ALSO_EACH.into()) && !also.is_empty();
                if other { also.take(values) } else { readings.take(values) }
            };
            if let Some((start_us, period_s, quantity, values)) = taken
                && let Some(utc) = shared.utc_at(start_us)
            {
                let start_s = u32::try_from(utc.unix_us / 1_000_000).unwrap_or(u32::MAX);
                let readings = Message::Readings(Readings { start_s, period_s, quantity, values });
                if self.fits(&readings) {
                    return readings;
                }
            }
        }
        Message::Heartbeat(short(telemetry))
    }

    /// Returns whether the uplink takes a message's frame, whatever its number.
    fn fits(&self, message: &Message<'_>) -> bool {
        (1..=self.uplink.limits().frame_bytes).contains(&self.shared.seal(0, message).len())
    }

    /// Reads an event from the store. One that cannot be read is dropped, so that it does not hold up the others.
    async fn load(&mut self, number: u32) -> Option<Event> {
        let shared = self.shared;
        let mut record = [0; RECORD_BYTES];
        let len = match shared.store.lock().await.event(number, &mut record).await {
            // Acknowledged meanwhile.
            Ok(None) => return None,
            Ok(Some(len)) => len,
            Err(_) => 0,
        };
        let frame = record.get(..len).unwrap_or_default();
        // On LoRaWAN the frame has the lower half of its number; the upper one follows from the number before.
        let before = number.checked_sub(1).map_or(Window::default(), |before| Window::default().with(before));
        let read = unverified(shared, frame, Direction::Up)
            .and_then(|unverified| unverified.open(&shared.setup.key, &before).ok());
        if let Some(Opened::Fresh { message: Message::Event(event), .. }) = read {
            return Some(event);
        }
        // A flash that fails keeps it, for the next try.
        let _ = shared.store.lock().await.acknowledge(Ack { highest: number, earlier: 0 }).await;
        shared.fault(Trouble::Unreadable(number)).await;
        None
    }

    /// Keeps an event under a new number in place of the old one; a cut between leaves both.
    async fn renumber(&mut self, old: u32, message: &Message<'_>) -> Stored<B, u32> {
        let shared = self.shared;
        let mut store = shared.store.lock().await;
        let number = shared.number(&mut store).await?;
        store.push(number, &shared.seal(number, message)).await?;
        shared.note(Note::Kept { number, before: Some(old) });
        store.acknowledge(Ack { highest: old, earlier: 0 }).await?;
        Ok(number)
    }

    /// The device failed: told to the fault log at the first, second, fourth, … time in a row; a pause, so that nothing spins.
    async fn broken(&mut self) {
        let shared = self.shared;
        self.broken = self.broken.saturating_add(1);
        if self.broken.is_power_of_two() {
            shared.fault(Trouble::Uplink).await;
        }
        shared.pause(&QUIET, after_s(shared.now_us(), self.retry().first_s)).await;
    }

    /// Hears what the gateway answers; whether it asks for a restart.
    async fn listen(&mut self, flight: &mut InFlight) -> bool {
        let shared = self.shared;
        let mut buffer = self.inbox.room();
        let mut until_us = after_ms(shared.now_us(), ANSWER.longest_ms);
        let mut restart = false;
        shared.set_radio(RadioState::Receive);
        while !restart {
            let called = async {
                while shared.pause(&ANSWER, until_us).await != End::Deadline
                    && !shared.outbox().urgent()
                    && !self.inbox.speaks()
                {}
            };
            match select(self.uplink.receive(buffer.as_mut(), until_us), called).await {
                Either::First(Ok(Some(len))) => {
                    let (window, frame) = (self.window, buffer.as_ref().get(..len).unwrap_or_default());
                    if self.uplink.port() == Port::Fragments {
                        self.inbox.put(&Letter::Fragments(frame));
                    } else if let Some(Opened::Fresh { counter, message }) = unverified(shared, frame, Direction::Down)
                        .and_then(|frame| frame.open(&shared.setup.key, &window).ok())
                    {
                        self.window = window.with(counter);
                        shared.note(Note::Received { counter, message });
                        restart = self.take(counter, &message, flight).await;
                    }
                }
                // Too long to be the gateway's.
                Either::First(Err(UplinkError::TooLong { .. })) => {}
                Either::First(Ok(None)) | Either::Second(()) => break,
                Either::First(Err(_)) => {
                    shared.set_radio(RadioState::Sleep);
                    self.broken().await;
                    break;
                }
            }
            if flight.settled {
                until_us = until_us.min(after_ms(shared.now_us(), LINGER_MS));
            }
        }
        shared.set_radio(RadioState::Sleep);
        restart
    }

    /// Does what an authentic frame asks for; whether that is a restart.
    async fn take(&mut self, counter: u32, message: &Message<'_>, flight: &mut InFlight) -> bool {
        let shared = self.shared;
        match message {
            Message::Ack(ack) => {
                let mut store = shared.store.lock().await;
                // What flash does not take is sent and acknowledged again.
                let _ = store.acknowledge(*ack).await;
                if ack.numbers().any(|number| number == flight.number) {
                    flight.settled = true;
                    if let Some(highest) = flight.event {
                        let _ = store.acknowledge(Ack { highest, earlier: 0 }).await;
                    }
                }
            }
            Message::Time(time) if time.request == flight.number => {
                let at_us = shared.now_us();
                let there = time.sent_us.saturating_sub(time.received_us);
                let way_us = at_us.saturating_sub(flight.sent_us).saturating_sub(there).div_ceil(2);
                flight.timed = true;
                shared.with_clock(|clock| {
                    clock.discipline(Reference {
                        at_us,
                        unix_us: time.sent_us.saturating_add(way_us),
                        error_us: u32::try_from(way_us).unwrap_or(u32::MAX).saturating_add(1),
                        source: TimeSource::Network,
                    });
                });
            }
            Message::Set(set) => self.change(counter, set).await,
            Message::Command(command) => return self.obey(*command).await,
            Message::Part(_) | Message::Firmware(Firmware::Part(_)) => {
                self.inbox.put(&Letter::Message(*message));
            }
            // What an old frame would ask again is in flash as accepted.
            Message::Offer(_) | Message::Try(_) | Message::Firmware(_)
                if self.inbox.put(&Letter::Message(*message)) =>
            {
                let _ = shared.store.lock().await.accept(self.window).await;
            }
            // Not asked for, or none of the gateway's.
            _ => {}
        }
        false
    }

    /// Changes a setting and answers. Where flash fails there is no answer, and the gateway asks again.
    async fn change(&mut self, request: u32, set: &Set) {
        let shared = self.shared;
        let mut store = shared.store.lock().await;
        if store.accept(self.window).await.is_err() {
            return;
        }
        let before = shared.setting(set.key);
        let unlocks = set.key == key::PUMP && set.value == 1;
        let outcome = if unlocks && shared.mode() <= Mode::Survive {
            Outcome::Refused
        } else {
            shared.with_settings(|settings| settings.set(set.key, set.value)).err().unwrap_or(Outcome::Applied)
        };
        if outcome == Outcome::Applied {
            if store.set(set.key, set.value).await.is_err() {
                // In force is what is stored.
                let _ = shared.with_settings(|settings| settings.set(set.key, before));
                return;
            }
            if set.key == key::DRAWN {
                shared.drawn_anew(set.value.unsigned_abs());
            }
        }
        let applied = Applied { request, key: set.key, value: shared.setting(set.key), outcome };
        shared.outbox().applied(applied);
        shared.agenda.sampling.call();
    }

    /// Does what the gateway commands; whether that is a restart.
    async fn obey(&mut self, command: Command) -> bool {
        let shared = self.shared;
        if shared.store.lock().await.accept(self.window).await.is_err() {
            // Not stored, not done: it could come a second time.
            return false;
        }
        let mut outbox = shared.outbox();
        match command {
            Command::Restart => return true,
            Command::SafeState => outbox.safe_state = true,
            Command::SelfTest => outbox.self_test = true,
            Command::SendAll => outbox.send_all = true,
        }
        shared.agenda.sampling.call();
        false
    }
}

/// Reads a frame of this node's link.
fn unverified<'f, B: Board>(shared: &Shared<'_, B>, frame: &'f [u8], direction: Direction) -> Option<Unverified<'f>> {
    let node = shared.setup.node;
    let read = match shared.setup.link {
        Link::Stream => Unverified::stream(frame, direction),
        Link::LoraWan => Unverified::lorawan(frame, node, direction),
    };
    read.ok().filter(|frame| frame.node() == node)
}

/// Returns the health in short.
fn short(telemetry: &Telemetry) -> Heartbeat {
    Heartbeat {
        // Steps of 20 mV.
        supply: telemetry.supply_mv.map(|mv| u8::try_from(mv / 20).unwrap_or(u8::MAX - 1).min(u8::MAX - 1)),
        temperature_c: telemetry.temperature_c,
        waiting: u8::try_from(telemetry.waiting).unwrap_or(u8::MAX),
        faults: u8::try_from(telemetry.faults).unwrap_or(u8::MAX),
    }
}
