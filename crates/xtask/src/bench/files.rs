//! The settings files in `bench/gateway/`, filled in with the ports of this run.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::process;
use crate::workspace;

/// What the upstream answers: 1 KiB.
pub(crate) const BODY_BYTES: usize = 1024;

/// Fills in settings files for one upstream.
pub(crate) struct Files {
    folder: PathBuf,
    upstream: SocketAddr,
}

impl Files {
    /// Files go to `folder`, which is made.
    pub(crate) fn new(folder: PathBuf, upstream: SocketAddr) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder, upstream })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the file of that name for a proxy that is to listen at `proxy`.
    pub(crate) fn write(&self, name: &str, proxy: SocketAddr) -> Result<PathBuf> {
        let template = workspace::root().join("bench/gateway").join(name);
        let mut text = fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
        for (mark, value) in [
            ("@FOLDER@", self.folder.display().to_string()),
            ("@UPSTREAM@", self.upstream.port().to_string()),
            ("@PROXY@", proxy.port().to_string()),
            ("@ADMIN@", process::free_address()?.port().to_string()),
            ("@BODY@", "m".repeat(BODY_BYTES)),
        ] {
            text = text.replace(mark, &value);
        }
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_files_leave_no_mark_unfilled() {
        let folder = std::env::temp_dir().join(format!("madang-xtask-{}", std::process::id()));
        let files = Files::new(folder.clone(), "127.0.0.1:9".parse().unwrap()).unwrap();
        for name in ["upstream.conf", "nginx.conf", "madang.toml"] {
            let text = fs::read_to_string(files.write(name, "127.0.0.1:8".parse().unwrap()).unwrap()).unwrap();
            let settings = text.lines().filter(|line| !line.starts_with('#')).collect::<String>();
            assert!(!settings.contains('@'), "{name}: {settings}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
