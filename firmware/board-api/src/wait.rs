//! Waiting for a device and for the time at once.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use crate::{Depth, Power, WakeCause, WakeMask};

/// Sleeps as [`Power::sleep_until`], and returns `None` where something else woke the task before: an interrupt that a future of it
/// waits for.
pub async fn sleep<P: Power>(power: &mut P, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> Option<WakeCause> {
    let mut sleep = pin!(power.sleep_until(deadline_us, max_depth, wake));
    let mut polled = false;
    poll_fn(|context| match sleep.as_mut().poll(context) {
        Poll::Ready(cause) => Poll::Ready(Some(cause)),
        Poll::Pending if polled => Poll::Ready(None),
        Poll::Pending => {
            polled = true;
            Poll::Pending
        }
    })
    .await
}

/// Returns what `future` brings, asleep while it is pending: until `deadline_us`, when it is to be ready, or one of `wake`.
pub async fn asleep<F: Future, P: Power>(
    mut future: Pin<&mut F>,
    power: &mut P,
    deadline_us: u64,
    max_depth: Depth,
    wake: WakeMask,
) -> F::Output {
    loop {
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return output;
        }
        sleep(power, deadline_us, max_depth, wake).await;
    }
}
