//! Scopes: a tree of named tasks that ends as a whole.
//!
//! A scope has tasks and child scopes. [`Scope::cancel`] tells all of them to end, [`Scope::shutdown`] also waits, and
//! after the grace aborts what is left and says its name: a program that hangs while ending should say where.
//! Each scope has its own lock, taken when a task starts and ends, so that workers with a scope each share nothing.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use crate::task::{Task, contain};

/// How long an abort may take to be noticed before [`Scope::shutdown`] returns anyway. A task that blocks its thread
/// notices never.
const ABORT_WAIT: Duration = Duration::from_millis(100);

/// A handle to one node of the tree. Clones are the same scope.
///
/// Dropping handles ends nothing; tasks end by themselves, by [`Scope::cancel`] or by [`Scope::shutdown`].
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

/// How a shutdown ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Every task ended by itself.
    All,
    /// These were aborted after the grace, named `scope/child/task`, sorted.
    Abandoned(Vec<String>),
}

struct Inner {
    path: Arc<str>,
    /// Keeps the way down from the root whole while anything below runs, whoever still has a handle.
    _parent: Option<Arc<Inner>>,
    cancelled: watch::Sender<bool>,
    running: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    tasks: HashMap<u64, Entry>,
    children: Vec<Weak<Inner>>,
}

struct Entry {
    name: &'static str,
    /// Missing for the short while between registering and spawning.
    abort: Option<AbortHandle>,
}

impl Scope {
    /// A root: a scope nobody else ends.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Inner::new(name.into(), None, false))
    }

    /// A scope below this one: it ends with this one, and can be ended alone.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let path: Arc<str> = format!("{}/{name}", self.0.path).into();
        let mut state = self.0.state();
        // Under the lock `cancel` takes after raising its flag: either we see the flag or it sees the child.
        let child = Inner::new(path, Some(Arc::clone(&self.0)), *self.0.cancelled.borrow());
        state.children.retain(|known| known.strong_count() > 0);
        state.children.push(Arc::downgrade(&child));
        Self(child)
    }

    /// Names from the root down: `madang/gateway`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Runs `future` on the current tokio runtime.
    ///
    /// A cancelled scope still runs what is spawned into it: work on the way out may need help.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_on(&Handle::current(), name, future)
    }

    /// Runs `future` on the runtime behind `handle`.
    pub fn spawn_on<F>(&self, handle: &Handle, name: &'static str, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let running = Running::enter(&self.0, name);
        let id = running.id;
        self.adopt(id, handle.spawn(run(running, name, Box::pin(future))))
    }

    /// Runs `future` on this thread, for what cannot move between threads.
    ///
    /// # Panics
    /// Outside a `tokio::task::LocalSet`.
    pub fn spawn_local<F>(&self, name: &'static str, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let running = Running::enter(&self.0, name);
        let id = running.id;
        self.adopt(id, tokio::task::spawn_local(run(running, name, Box::pin(future))))
    }

    fn adopt<T>(&self, id: u64, handle: tokio::task::JoinHandle<Option<T>>) -> Task<T> {
        let task = Task::new(handle);
        if let Some(entry) = self.0.state().tasks.get_mut(&id) {
            entry.abort = Some(task.abort_handle());
        }
        task
    }

    /// Tasks running in this scope, without those of child scopes.
    #[must_use]
    pub fn running(&self) -> usize {
        *self.0.running.borrow()
    }

    /// Tells this scope and all below to end; returns at once.
    pub fn cancel(&self) {
        let mut waiting = vec![Arc::clone(&self.0)];
        while let Some(scope) = waiting.pop() {
            // First the flag, then the children: see `child`.
            scope.cancelled.send_replace(true);
            waiting.extend(scope.state().children.iter().filter_map(Weak::upgrade));
        }
    }

    /// Whether this scope was told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.cancelled.borrow()
    }

    /// Waits until this scope is told to end.
    pub async fn cancelled(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.0.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// Runs `future` unless this scope is told to end first: `None` then, and the future is dropped.
    pub async fn until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.cancelled() => None,
            output = future => Some(output),
        }
    }

    /// Tells this scope and all below to end, waits up to `grace`, then aborts the rest and names it.
    ///
    /// Not from a task of the scope itself: it would wait for its own end.
    pub async fn shutdown(&self, grace: Duration) -> Finished {
        self.cancel();
        if tokio::time::timeout(grace, self.empty()).await.is_ok() {
            debug!(scope = %self.0.path, "scope ended");
            return Finished::All;
        }
        let names = self.abort();
        if names.is_empty() {
            return Finished::All;
        }
        warn!(scope = %self.0.path, tasks = names.join(", "), "tasks did not end in time and were aborted");
        // An abort is seen at the task's next turn; giving it one lets sockets and files close before we return.
        let _ = tokio::time::timeout(ABORT_WAIT, self.empty()).await;
        Finished::Abandoned(names)
    }

    /// Aborts everything in this scope and below; the names of what was running.
    fn abort(&self) -> Vec<String> {
        let mut names = Vec::new();
        for scope in self.0.tree() {
            for entry in scope.state().tasks.values() {
                names.push(format!("{}/{}", scope.path, entry.name));
                if let Some(abort) = &entry.abort {
                    abort.abort();
                }
            }
        }
        names.sort_unstable();
        names
    }

    /// Waits until no task runs in this scope and below.
    async fn empty(&self) {
        // A task on its way out may start another, also in a scope already seen: look until a whole pass finds none.
        loop {
            let busy: Vec<_> = self.0.tree().into_iter().filter(|scope| *scope.running.borrow() > 0).collect();
            if busy.is_empty() {
                return;
            }
            for scope in busy {
                // Fails only when the sender is gone, and `scope` holds it.
                let _ = scope.running.subscribe().wait_for(|running| *running == 0).await;
            }
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("path", &self.0.path).field("running", &self.running()).finish_non_exhaustive()
    }
}

impl Inner {
    fn new(path: Arc<str>, parent: Option<Arc<Self>>, cancelled: bool) -> Arc<Self> {
        Arc::new(Self {
            path,
            _parent: parent,
            cancelled: watch::Sender::new(cancelled),
            running: watch::Sender::new(0),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, and each change is one step: a poisoned state is still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This scope and all below, parents first. One lock at a time.
    fn tree(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut tree = vec![Arc::clone(self)];
        let mut seen = 0;
        while let Some(scope) = tree.get(seen).map(Arc::clone) {
            tree.extend(scope.state().children.iter().filter_map(Weak::upgrade));
            seen += 1;
        }
        tree
    }
}

/// A task's place in its scope; given back however the task ends, also when it never ran.
struct Running {
    scope: Arc<Inner>,
    id: u64,
}

impl Running {
    fn enter(scope: &Arc<Inner>, name: &'static str) -> Self {
        let mut state = scope.state();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, Entry { name, abort: None });
        drop(state);
        scope.running.send_modify(|running| *running += 1);
        Self { scope: Arc::clone(scope), id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.scope.state().tasks.remove(&self.id);
        self.scope.running.send_modify(|running| *running -= 1);
    }
}

/// Boxed, because what is awaited here and below has a place for its argument and another one while it runs.
async fn run<F: Future>(running: Running, name: &'static str, future: Pin<Box<F>>) -> Option<F::Output> {
    let output = contain(&running.scope.path, name, future).await;
    drop(running);
    output
}

#[cfg(test)]
mod tests;
