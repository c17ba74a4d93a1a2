//! Work on samples, shared by as many threads as there are processors. Results come in order: no number depends on how
//! many there are.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

use super::Res;

/// Returns what `work` gives for each of `0..count`, in order; of several errors the first.
pub(crate) fn each<T: Send>(count: usize, work: impl Fn(usize) -> Res<T> + Sync) -> Res<Vec<T>> {
    let threads = threads().min(count);
    if threads < 2 {
        return (0..count).map(work).collect();
    }
    let work = &work;
    let parts: Vec<Vec<Res<T>>> = thread::scope(|scope| {
        let spawn = |first| scope.spawn(move || (first..count).step_by(threads).map(work).collect());
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    let next = |i: usize| parts.get_mut(i % threads).and_then(Iterator::next);
    (0..count).filter_map(next).collect()
}

/// Changes each of `items`; of several errors the first.
pub(crate) fn each_mut<T: Send>(items: &mut [T], work: impl Fn(usize, &mut T) -> Res<()> + Sync) -> Res<()> {
    let length = items.len().div_ceil(threads()).max(1);
    let chunks: Vec<_> = items.chunks_mut(length).map(Mutex::new).collect();
    each(chunks.len(), |n| {
        let Some(mut chunk) = chunks.get(n).and_then(|chunk| chunk.lock().ok()) else { return Ok(()) };
        chunk.iter_mut().enumerate().try_for_each(|(i, item)| work(n * length + i, item))
    })
    .map(|_| ())
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CompileError, CompileErrorKind};

    #[test]
    fn results_are_in_order_and_the_first_error_counts() {
        for count in [0, 1, 2, 7, 100] {
            assert_eq!(each(count, |i| Ok(i * i)).unwrap(), (0..count).map(|i| i * i).collect::<Vec<_>>());
        }
        let fails = |i: usize| match i {
            5 | 8 => Err(CompileError::new(CompileErrorKind::Inconsistent, format!("{i}"), "no", "none")),
            _ => Ok(i),
        };
        assert_eq!(each(20, fails).unwrap_err().place, "5");
    }
}
