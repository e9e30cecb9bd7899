use std::future::pending;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::*;

/// Longer than any test takes: reached only when something is wrong.
const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn shutdown_waits_for_tasks_that_end_by_themselves() {
    let root = Scope::new("root");
    let ended = Arc::new(AtomicUsize::new(0));
    // Nobody keeps a handle of the scope between `root` and `b`.
    for scope in [root.clone(), root.child("a"), root.child("x").child("b")] {
        let (own, ended) = (scope.clone(), Arc::clone(&ended));
        scope.spawn("polite", async move {
            own.cancelled().await;
            tokio::task::yield_now().await;
            ended.fetch_add(1, SeqCst);
        });
    }
    assert_eq!(root.shutdown(LONG).await, Finished::All);
    assert_eq!(ended.load(SeqCst), 3);
    assert_eq!(root.running(), 0);
}

#[tokio::test]
async fn a_task_that_does_not_end_is_aborted_and_named() {
    let root = Scope::new("root");
    let (held, released) = oneshot::channel::<()>();
    root.child("web").spawn("stubborn", async move {
        let _held = held;
        pending::<()>().await;
    });
    let own = root.clone();
    root.spawn("polite", async move { own.cancelled().await });
    let finished = root.shutdown(Duration::from_millis(20)).await;
    assert_eq!(finished, Finished::Abandoned(vec!["root/web/stubborn".to_owned()]));
    let released = tokio::time::timeout(LONG, released).await.expect("what an aborted task held is dropped");
    assert!(released.is_err());
}

#[tokio::test]
async fn a_task_started_on_the_way_out_is_waited_for_too() {
    let root = Scope::new("root");
    let early = root.child("early");
    let late = root.child("late");
    let ended = Arc::new(AtomicUsize::new(0));
    let (own, count) = (late.clone(), Arc::clone(&ended));
    late.spawn("first", async move {
        own.cancelled().await;
        early.spawn("second", async move {
            tokio::task::yield_now().await;
            count.fetch_add(1, SeqCst);
        });
    });
    assert_eq!(root.shutdown(LONG).await, Finished::All);
    assert_eq!(ended.load(SeqCst), 1);
}

#[tokio::test]
async fn cancel_goes_down_and_not_up() {
    let root = Scope::new("root");
    let (left, right) = (root.child("left"), root.child("right"));
    let below = left.child("below");
    left.cancel();
    let states = [&root, &right, &left, &below, &left.child("later")].map(Scope::is_cancelled);
    assert_eq!(states, [false, false, true, true, true]);
    assert_eq!(below.path(), "root/left/below");
}

#[tokio::test]
async fn until_cancelled_gives_the_output_or_drops_the_future() {
    let scope = Scope::new("scope");
    assert_eq!(scope.until_cancelled(async { 7 }).await, Some(7));
    scope.cancel();
    assert_eq!(scope.until_cancelled(async { 7 }).await, None);
    assert_eq!(scope.until_cancelled(pending::<()>()).await, None);
}

#[tokio::test]
async fn a_panic_is_logged_under_the_tasks_name_and_harms_nobody_else() {
    let page = Page::default();
    let maker = page.clone();
    let subscriber =
        tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || maker.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let scope = Scope::new("shop").child("web");
    let broken = scope.spawn("broken", async { assert_eq!(1 + 1, 3, "sums differ") });
    let sound = scope.spawn("sound", async { 7 });
    assert_eq!(broken.join().await, None);
    assert_eq!(sound.join().await, Some(7));
    drop(guard);
    let text = page.text();
    assert!(text.contains("ERROR") && text.contains("task panicked"), "{text}");
    assert!(text.contains("scope=\"shop/web\" task=\"broken\""), "{text}");
    assert!(text.contains("sums differ"), "{text}");
    assert_eq!(scope.shutdown(LONG).await, Finished::All);
}

#[test]
fn a_scope_reaches_over_runtimes() {
    let scope = Scope::new("root");
    let worker = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let own = scope.clone();
    let task = scope.spawn_on(worker.handle(), "elsewhere", async move {
        own.cancelled().await;
        7
    });
    let main = runtime();
    assert_eq!(main.block_on(scope.shutdown(LONG)), Finished::All);
    assert_eq!(main.block_on(task.join()), Some(7));
}

#[test]
fn a_task_that_cannot_move_runs_on_its_thread() {
    let scope = Scope::new("root");
    let set = LocalSet::new();
    let joined = set.block_on(&runtime(), async {
        let shared = std::rc::Rc::new(7);
        scope.spawn_local("local", async move { *shared }).join().await
    });
    assert_eq!(joined, Some(7));
    assert_eq!(scope.running(), 0);
}

#[test]
fn a_task_of_a_runtime_that_is_gone_is_not_waited_for() {
    let scope = Scope::new("root");
    let gone = runtime();
    let handle = gone.handle().clone();
    drop(gone);
    let task = scope.spawn_on(&handle, "never", async {});
    assert_eq!(scope.running(), 0);
    assert_eq!(runtime().block_on(task.join()), None);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What was logged.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
