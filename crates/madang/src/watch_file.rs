//! Tells when a file may have changed, however its editor saves it.
//!
//! Editors replace files: they write a new one and rename it over the old, or move the old one away first. A watch on
//! the file would stay with the old one, so the folder is watched. Kubernetes swaps a link beside the file, so when the
//! file is a link everything in its folder counts.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// How long after the first sign of a change to look: saving is several events.
const SETTLE: Duration = Duration::from_millis(100);

/// A watch on one file.
pub(crate) struct FileWatch {
    signs: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Watches `path` from now on.
    ///
    /// # Errors
    /// When the system gives no watch: often its limit (`fs.inotify.max_user_watches`) is reached.
    pub(crate) fn start(path: &Path) -> notify::Result<Self> {
        let signs = Arc::new(Notify::new());
        let found = Arc::clone(&signs);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_owned();
        let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_sign(&event, &name, is_link)) {
                found.notify_one();
            }
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Self { signs, _watcher: watcher })
    }

    /// Waits for the next change and until it has settled. Cancel safe: a sign that was not waited out comes again.
    pub(crate) async fn changed(&self) {
        self.signs.notified().await;
        let again = Again(Some(&self.signs));
        tokio::time::sleep(SETTLE).await;
        again.settled();
    }
}

/// Gives a sign back when the wait for it is dropped.
struct Again<'a>(Option<&'a Notify>);

impl Again<'_> {
    fn settled(mut self) {
        self.0 = None;
    }
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        if let Some(signs) = self.0 {
            signs.notify_one();
        }
    }
}

fn is_sign(event: &Event, name: &OsStr, is_link: bool) -> bool {
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    };
    // Lost events (`Rescan`) name no path: look, to be sure.
    changes && (is_link || event.paths.is_empty() || event.paths.iter().any(|path| path.file_name() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn is_noticed(change: impl FnOnce(&Path), path: &Path) -> bool {
        let watch = FileWatch::start(path).unwrap();
        change(path);
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn every_way_to_save_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("madang.toml");
        fs::write(&path, "1").unwrap();
        let over = |path: &Path| {
            fs::write(path.with_extension("new"), "2").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        };
        let away = |path: &Path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path, "3").unwrap();
        };
        assert!(is_noticed(|path| fs::write(path, "4").unwrap(), &path).await, "written in place");
        assert!(is_noticed(over, &path).await, "renamed over");
        assert!(is_noticed(away, &path).await, "moved away and written anew");
        assert!(is_noticed(|path| fs::remove_file(path).unwrap(), &path).await, "removed");
    }

    #[test]
    fn other_files_and_mere_reading_are_no_signs() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let modified = EventKind::Modify(notify::event::ModifyKind::Any);
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        let name = OsStr::new("madang.toml");
        for (event, is_link, expected) in [
            (event(modified, "/a/madang.toml"), false, true),
            (event(modified, "/a/other.log"), false, false),
            (event(modified, "/a/..data"), true, true),
            (event(read, "/a/madang.toml"), false, false),
            (Event::new(EventKind::Other), false, true),
        ] {
            assert_eq!(is_sign(&event, name, is_link), expected, "{event:?}");
        }
    }
}
