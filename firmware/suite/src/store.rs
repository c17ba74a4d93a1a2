//! The node's store in the board's flash.

use core::fmt;
use core::ops::Range;

use embedded_storage_async::nor_flash::{NorFlash, NorFlashError};
use tanbo_store::{RECORD_BYTES, Store, StoreError};
use tanbo_wire::v1::Ack;

/// Places for events.
const WAITING: usize = 4;
/// Numbers reserved at once.
const BLOCK: u32 = 10;

/// Why the test fails.
#[derive(Debug)]
pub enum Failure<E> {
    /// The store says so.
    Store(StoreError<E>),
    /// It has lost or changed something.
    Changed(&'static str, u32),
}

impl<E: NorFlashError> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Changed(what, number) => write!(f, "the store does not keep {what} (at number {number})"),
        }
    }
}

impl<E> From<StoreError<E>> for Failure<E> {
    fn from(error: StoreError<E>) -> Self {
        Self::Store(error)
    }
}

fn record(number: u32) -> [u8; RECORD_BYTES] {
    core::array::from_fn(|n| (n as u32 * 7 + number) as u8)
}

/// Erases the store; writes events and forgets the oldest until its pages have been erased and used again; opens it anew now and then and
/// looks for what it must hold.
///
/// # Errors
/// [`Failure`]: the first thing that is wrong.
pub async fn outlives_its_pages<F: NorFlash>(flash: F, range: Range<u32>) -> Result<(), Failure<F::Error>> {
    // An event and its end take more than this.
    let numbers = 2 * range.len() as u32 / RECORD_BYTES as u32;
    let mut store = Store::<F, WAITING>::format(flash, range.clone()).await?;
    let mut starts = store.starts();
    for number in 1..=numbers {
        if number > store.ceiling() {
            store.reserve(BLOCK).await?;
        }
        store.push(number, &record(number)).await?;
        if store.waiting().count() == WAITING {
            let highest = store.waiting().min().unwrap_or_default();
            store.acknowledge(Ack { highest, earlier: 0 }).await?;
        }
        if number % 50 > 0 && number < numbers {
            continue;
        }
        let ceiling = store.ceiling();
        store = Store::open(store.release(), range.clone()).await?;
        starts += 1;
        for (what, same) in [("its starts", store.starts() == starts), ("its ceiling", store.ceiling() == ceiling)] {
            if !same {
                return Err(Failure::Changed(what, number));
            }
        }
        // The last ones: the oldest of four is forgotten at once.
        let oldest = number.saturating_sub(WAITING as u32 - 2).max(1);
        if store.waiting().count() as u32 != number - oldest + 1 {
            return Err(Failure::Changed("as many events as wait", number));
        }
        for number in oldest..=number {
            let mut found = [0; RECORD_BYTES];
            if store.event(number, &mut found).await? != Some(RECORD_BYTES) || found != record(number) {
                return Err(Failure::Changed("an event", number));
            }
        }
    }
    Ok(())
}
