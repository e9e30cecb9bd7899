//! The runtime of the control plane: everything but the gateway's own threads.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::failure::{Failure, Report};

/// Threads of the control plane. It watches and decides; the work is done by the gateway's threads and the services.
const THREADS: usize = 2;
/// A call into the system that hangs (a name that is looked up) does not hold the end up longer than this.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Runs `work` to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("madang").enable_all().build();
    let runtime = runtime.map_err(|error| Report::could_not(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    result
}

/// The thread of the registry's faces. Alone it needs no words with other threads for each of many small requests, and
/// a large document it makes holds up nothing but its own clients.
pub(crate) struct Faces(Option<Runtime>);

impl Faces {
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        // Not the runtime of one thread: that makes a system call for each waker that another thread wakes.
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("faces").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// What is spawned while this is held runs there.
    pub(crate) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }
}

impl Drop for Faces {
    fn drop(&mut self) {
        // Its tasks have ended with their scope; waiting for a thread is not allowed on another runtime's.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
