//! Which stripe of a window a thread writes to.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Stripes of a window: so many threads count without meeting. More threads share them and stay right.
#[cfg(not(loom))]
pub(super) const COUNT: usize = 4;
#[cfg(loom)]
pub(super) const COUNT: usize = 1;

/// What a thread has before its first call.
const NONE: usize = usize::MAX;

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(NONE) };
}

/// This thread's stripe. Threads take them in turn as they come, so those of a pool get different ones.
#[inline]
pub(super) fn index() -> usize {
    let index = INDEX.get();
    // Also what keeps the compiler from checking the index again.
    if index < COUNT { index } else { choose() }
}

#[cold]
fn choose() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let index = NEXT.fetch_add(1, Relaxed) % COUNT;
    INDEX.set(index);
    index
}
