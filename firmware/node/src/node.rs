//! A start of the node, and its two tasks until it stops.

use core::future::{Future, poll_fn};
use core::ops::Range;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_futures::select::{Either, select};
use tanbo_board_api::{Power as _, ResetCause};
use tanbo_methods::pump;
use tanbo_store::Store;
use tanbo_wire::v1::{self, Boot};

use crate::board::{Board, Parts, Setup, Stop};
use crate::duty::{Mode, Stake};
use crate::faults::Trouble;
use crate::link;
use crate::observe::Note;
use crate::plan::Application;
use crate::retained::{Retained, of_last_words};
use crate::sampling::{self, App};
use crate::settings::{COUNT, Settings};
use crate::shared::{EVENTS, FlashError, Kept, Shared, Stored};

/// Starts a node and runs it.
pub(crate) async fn run<B: Board, A: App<B>>(
    parts: &mut Parts<B>,
    setup: &Setup,
    application: Application,
    app: &mut A,
) -> Stop<FlashError<B>> {
    let Parts { clock, power, uplink, flash, flash_range, observer, .. } = parts;
    let opened = match apart(open::<B>(power, flash, flash_range.clone())).await {
        Ok(opened) => opened,
        Err(error) => return Stop::Store(error),
    };
    let shared = share::<B>(application, setup, (clock, power, observer), opened);
    begin(&shared).await;
    let sending = pin!(link::run(&shared, uplink, &()));
    let sampling = pin!(sampling::run(&shared, app));
    match work(&shared, sending, sampling).await {
        Some(stop) => stop,
        // It samples for ever.
        None => Stop::Restart,
    }
}

/// Waits for a part of the start. Polled in a frame of its own: what it has on the stack is gone when the node runs.
pub(crate) async fn apart<F: Future>(future: F) -> F::Output {
    #[inline(never)]
    fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        future.poll(context)
    }
    let mut future = pin!(future);
    poll_fn(|context| poll(future.as_mut(), context)).await
}

/// What flash holds. Apart from the work, so that the future needs no room for both.
pub(crate) async fn open<'p, B: Board>(
    power: &mut B::Power,
    flash: &'p mut B::Flash,
    range: Range<u32>,
) -> Stored<B, (Kept<'p, B>, Settings)> {
    let mut store = Store::<_, EVENTS>::open(flash, range).await?;
    let settings = restore::<B>(&mut store, power.last_words()).await?;
    // What was said is in flash, and is said no more.
    let _ = power.on_brownout(&[]);
    Ok((store, settings))
}

/// Returns what the tasks share, in its first mode.
#[inline(never)] // As `apart`.
pub(crate) fn share<'p, B: Board>(
    application: Application,
    setup: &'p Setup,
    (clock, power, observer): (&'p mut B::Clock, &'p mut B::Power, &'p mut B::Observer),
    (store, settings): (Kept<'p, B>, Settings),
) -> Shared<'p, B> {
    let cause = power.reset_cause();
    let retained = retained(power, cause, setup);
    Shared::new(application, setup, (clock, power, observer), store, settings, retained)
}

/// Tells that the node has started.
pub(crate) async fn begin<B: Board>(shared: &Shared<'_, B>) {
    let cause = shared.with_power(|power| power.reset_cause());
    shared.awake();
    shared.note(Note::Start { cause, starts: shared.starts });
    shared.note(Note::Mode(shared.mode()));
    shared.fault(Trouble::Start(cause)).await;
    shared.outbox().boot = Some(Boot { reset: told(cause), starts: shared.starts as u8 });
}

/// Runs the uplink and sampling, asleep between, until one of them ends; `None` where it is sampling. Pinned before, so that no future has
/// room for them twice.
pub(crate) async fn work<B: Board>(
    shared: &Shared<'_, B>,
    sending: Pin<&mut impl Future<Output = Stop<FlashError<B>>>>,
    sampling: Pin<&mut impl Future>,
) -> Option<Stop<FlashError<B>>> {
    let mut tasks = pin!(select(sending, sampling));
    loop {
        let polled = poll_fn(|context| Poll::Ready(tasks.as_mut().poll(context))).await;
        shared.agenda.woken_by(None);
        match polled {
            Poll::Ready(Either::First(stop)) => return Some(stop),
            Poll::Ready(Either::Second(_)) => return None,
            Poll::Pending if shared.agenda.called() => {}
            Poll::Pending => shared.sleep().await,
        }
    }
}

/// Puts an event back that a brown-out kept from flash, and reads the settings.
async fn restore<B: Board>(store: &mut Kept<'_, B>, words: &[u8]) -> Stored<B, Settings> {
    if let Some((start, number, frame)) = of_last_words(words) {
        // Of a start before this one, and not there: whatever starts came between have not worked before they had put it there. A second copy of
        // what was acknowledged the gateway knows by its number.
        let fresh = store.starts().wrapping_sub(start).wrapping_sub(1) < u32::MAX / 2 && number < store.ceiling();
        if fresh && store.waiting().all(|waiting| waiting != number) && store.waiting().count() < EVENTS {
            store.push(number, frame).await?;
        }
    }
    let mut settings = Settings::default();
    for key in 0..COUNT as u16 {
        if let Some(value) = store.setting(key).await? {
            // One out of range is of another version: the default holds.
            let _ = settings.set(key, value);
        }
    }
    Ok(settings)
}

/// Returns the mode and the pump's lock after a reset.
///
/// After a supply that was too low, or came on, the node is out until the restart voltage is there; what it does then the policy says.
/// Any other reset goes on as before, so that a battery that never reaches the restart voltage again is used up.
fn retained<P: tanbo_board_api::Power>(power: &mut P, cause: ResetCause, setup: &Setup) -> Retained {
    let kept = Retained::read(power.retained());
    let pump = kept.map_or(pump::Retained::default(), |kept| kept.pump);
    let mode = match (cause, kept) {
        (ResetCause::PowerOn | ResetCause::BrownOut, _) | (_, None) => Mode::Out,
        (_, Some(kept)) => kept.mode,
    };
    let mode = setup.policy.next(mode, &power.supply(), Stake::Calm);
    let retained = Retained { mode, pump };
    retained.write(power.retained());
    retained
}

/// Returns the cause as frames tell it.
fn told(cause: ResetCause) -> v1::ResetCause {
    match cause {
        ResetCause::Unknown => v1::ResetCause::Unknown,
        ResetCause::PowerOn => v1::ResetCause::PowerOn,
        ResetCause::BrownOut => v1::ResetCause::BrownOut,
        ResetCause::Watchdog => v1::ResetCause::Watchdog,
        ResetCause::Software => v1::ResetCause::Software,
        ResetCause::Pin => v1::ResetCause::Pin,
        ResetCause::Fault => v1::ResetCause::Fault,
        ResetCause::Wake => v1::ResetCause::Wake,
    }
}
