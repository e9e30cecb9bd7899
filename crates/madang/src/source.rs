//! Where settings come from, and reading them: the same way at the start, for `check`, and for every reload.

use std::path::{Path, PathBuf};

use madang_settings::{Node, Problems, load};

use crate::cli::{Sets, Which};
use crate::codes;
use crate::failure::{Failure, Report};
use crate::settings::Settings;

/// The name a settings file has unless another is given.
const FILE_NAME: &str = "madang.toml";
/// The data folder beside it.
const DATA: &str = ".madang";

/// A settings file with what the command line lays over it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    sets: Vec<String>,
    which: Which,
    services: Services,
}

/// Whether services with a command are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Services {
    Run,
    Leave,
}

/// Settings as they were read.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// The same as a tree, to compare with the next reading.
    pub(crate) node: Node,
    /// What works, perhaps not as meant.
    pub(crate) warnings: Problems,
}

impl Source {
    /// The settings file that `place` names: itself, or `madang.toml` in it.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn find(place: &Path, sets: &Sets, house: &Which) -> Result<Self, Failure> {
        let path = if place.is_dir() { settings_file_in(place) } else { place.to_owned() };
        if !path.exists() {
            return Err(missing(place, &path).into());
        }
        Ok(Self { path, sets: sets.sets.clone(), which: house.clone(), services: Services::Run })
    }

    /// The same, with no service that Madang would run: the platform only.
    pub(crate) fn without_services(self) -> Self {
        Self { services: Services::Leave, ..self }
    }

    /// The file, as the operator wrote it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder relative paths in the settings count from.
    pub(crate) fn base(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Where state and logs are kept unless told otherwise: beside the settings file.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.path.with_file_name(DATA)
    }

    /// The command line that starts the same, without a port offset.
    pub(crate) fn command(&self, verb: &str, place: &Path) -> String {
        let sets: String = self.sets.iter().map(|set| format!(" --set '{set}'")).collect();
        if place == Path::new(".") {
            format!("madang {verb}{sets}")
        } else {
            format!("madang {verb} {}{sets}", place.display())
        }
    }

    pub(crate) fn port_offset(&self) -> u16 {
        self.which.port_offset
    }

    /// Reads the file, variables and flags.
    ///
    /// # Errors
    /// Everything that is wrong, warnings included.
    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let node = load(&self.path, variables, &self.sets)?;
        let mut problems = Problems::new();
        match Settings::read(&node, self.base(), &self.which, &mut problems) {
            Some(mut settings) if !problems.has_errors() => {
                if self.services == Services::Leave {
                    settings.supervise.services.clear();
                }
                Ok(Loaded { settings, node, warnings: problems })
            }
            _ => Err(problems),
        }
    }
}

/// `madang.toml` in a folder, without a needless `./` in front: it is shown with every problem.
pub(crate) fn settings_file_in(place: &Path) -> PathBuf {
    if place == Path::new(".") { PathBuf::from(FILE_NAME) } else { place.join(FILE_NAME) }
}

fn missing(place: &Path, path: &Path) -> Report {
    let report = Report::wrong(format!("there is no `{}`", path.display())).code(&codes::NO_SETTINGS);
    let report = if place == Path::new(".") {
        report.hint("`madang init` writes one for what is in this folder")
    } else if place.is_dir() {
        report.hint(format!("`madang init {}` writes one for what is in that folder", place.display()))
    } else {
        report.hint("name a settings file, or the folder that holds madang.toml")
    };
    report.hint("or name another place: madang up examples/shop")
}
