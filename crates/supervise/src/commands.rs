//! Programs: whether what a command names is there, before anything is started.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use madang_settings::{Problem, Problems, dotted};

use crate::{codes, settings::Service};

/// How to get what is missing most often.
const INSTALL: &[(&str, &str)] = &[
    ("node", "install Node.js from <https://nodejs.org> or with the package manager (`apt install nodejs`)"),
    ("npm", "install Node.js with npm from <https://nodejs.org> or with the package manager (`apt install npm`)"),
    ("npx", "install Node.js with npm from <https://nodejs.org> or with the package manager (`apt install npm`)"),
    ("python3", "install Python 3 with the package manager (`apt install python3`)"),
    ("java", "install a Java runtime with the package manager (`apt install default-jre-headless`)"),
    ("cargo", "install Rust from <https://rustup.rs>"),
    ("go", "install Go from <https://go.dev/dl>"),
    ("uv", "install uv from <https://docs.astral.sh/uv>"),
];

/// Names one program has on different systems.
const ALSO_CALLED: &[(&str, &str)] =
    &[("python", "python3"), ("python3", "python"), ("node", "nodejs"), ("pip", "pip3")];

/// One problem for every service whose program or folder is not there.
#[must_use]
pub fn check_commands<'a>(services: impl IntoIterator<Item = &'a Service>) -> Problems {
    let mut problems = Problems::new();
    for service in services {
        if service.dir.is_dir() {
            problems.extend(missing_program(service).map(Problems::from).unwrap_or_default());
        } else {
            let dir = service.dir.display();
            let key = dotted(&dotted("services", service.name.as_str()), "dir");
            let problem =
                problems.error(&codes::DIR_MISSING, key, format!("the working folder `{dir}` does not exist"));
            problem.at(&service.origin).hint("`dir` counts from the folder of the settings file");
        }
    }
    problems
}

/// The program as the system finds it from everywhere: one with a `/` counts from the service's folder.
pub(crate) fn program(service: &Service) -> Option<PathBuf> {
    let program = Path::new(service.command.first()?);
    let bare = program.components().count() == 1 && !service.command.first()?.contains('/');
    Some(if bare { program.to_owned() } else { service.dir.join(program) })
}

fn missing_program(service: &Service) -> Option<Problem> {
    let name = service.command.first()?;
    let path = program(service)?;
    let (message, hint) = if name.contains('/') {
        if is_program(&path) {
            return None;
        }
        let shown = path.display();
        if path.is_file() {
            (format!("`{shown}` may not be executed"), format!("`chmod +x {shown}`, or name its interpreter first"))
        } else {
            (
                format!("there is no program `{shown}`"),
                "a program with a `/` counts from the service's `dir`".to_owned(),
            )
        }
    } else {
        let search = search_path(service);
        if find(name, &search).is_some() {
            return None;
        }
        let other = ALSO_CALLED.iter().find(|(wanted, other)| wanted == name && find(other, &search).is_some());
        let hint = match (other, INSTALL.iter().find(|(wanted, _)| wanted == name)) {
            (Some((_, other)), _) => format!("`{other}` is there; write that instead"),
            (None, Some((_, how))) => (*how).to_owned(),
            (None, None) if is_program(&service.dir.join(name)) => {
                format!("write `./{name}` for the one in the service's folder")
            }
            (None, None) => "install it, write its whole path, or set PATH in the service's `env`".to_owned(),
        };
        (format!("`{name}` is not installed: no folder of PATH has it"), hint)
    };
    let key = dotted(&dotted("services", service.name.as_str()), "command");
    let mut problem = Problem::error(&codes::COMMAND_MISSING, key, message);
    problem.at(&service.origin).hint(hint);
    Some(problem)
}

/// The PATH the service will have.
fn search_path(service: &Service) -> OsString {
    let own = service.env.iter().rfind(|(name, _)| name == "PATH").map(|(_, value)| value.into());
    own.or_else(|| env::var_os("PATH")).unwrap_or_default()
}

fn find(name: &str, search: &OsString) -> Option<PathBuf> {
    env::split_paths(search).map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use madang_base::Name;
    use madang_settings::Origin;

    use super::*;

    fn problems_of(command: &[&str], dir: &Path) -> String {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let origin = Origin::File { path: Path::new("madang.toml").into(), line: 3, column: 1 };
        let mut service = Service::new(Name::parse("orders").unwrap(), command, dir.to_owned(), origin);
        service.env.push(("PATH".to_owned(), dir.join("bin").display().to_string()));
        check_commands([&service]).to_string()
    }

    #[test]
    fn a_missing_program_is_named_with_its_place_and_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        fs::create_dir(dir.join("bin")).unwrap();
        for (file, mode) in [("bin/python3", 0o755), ("run.sh", 0o644), ("server", 0o755)] {
            fs::write(dir.join(file), "").unwrap();
            fs::set_permissions(dir.join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        for (command, expected) in [
            (vec!["python3", "a.py"], vec![]),
            (vec!["./server"], vec![]),
            (
                vec!["node", "a.js"],
                vec!["`node` is not installed", "madang.toml:3:1, services.orders.command", "Node.js", "MD0205"],
            ),
            (vec!["python"], vec!["`python` is not installed", "`python3` is there"]),
            (vec!["server"], vec!["`server` is not installed", "write `./server`"]),
            (vec!["./run.sh"], vec!["run.sh` may not be executed", "chmod +x"]),
            (vec!["./none"], vec!["there is no program"]),
        ] {
            let found = problems_of(&command, dir);
            assert_eq!(found.is_empty(), expected.is_empty(), "{command:?}: {found}");
            for part in expected {
                assert!(found.contains(part), "{command:?} does not say {part:?}:\n{found}");
            }
        }
        let found = problems_of(&["node"], &dir.join("nowhere"));
        assert!(found.contains("nowhere` does not exist") && found.contains("MD0209"), "{found}");
    }
}
