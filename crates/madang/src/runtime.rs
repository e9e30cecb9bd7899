//! The runtime of the control plane: everything but the gateway's own threads.

use std::future::Future;
use std::time::Duration;

use crate::failure::{Failure, Report};

/// Threads of the control plane. It watches and decides; the work is done by the gateway's threads and the services.
const THREADS: usize = 2;
/// A call into the system that hangs (a name that is looked up) does not hold the end up longer than this.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Runs `work` to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).thread_name("madang").enable_all().build();
    let runtime = runtime.map_err(|error| Report::could_not(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    result
}
