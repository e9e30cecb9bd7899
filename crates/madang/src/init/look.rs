//! What a folder holds that can be run: one reader per kind of file, each a few lines.
//!
//! The folder itself comes first; when it holds nothing, the folders directly inside it are looked at, each a service
//! of its own. A `Procfile` names its processes itself and wins over everything beside it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use madang_base::Name;
use madang_settings::{Node, Value, parse};

/// Folders that hold what others wrote.
const SKIPPED: [&str; 8] = ["node_modules", "target", "venv", "dist", "build", "vendor", "__pycache__", "docs"];
/// The most folders that are looked at, and the most that is read of one file.
const MOST_FOLDERS: usize = 200;
const MOST_BYTES: u64 = 1 << 20;

/// A service that could be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: Name,
    /// The file, and what in it, as shown in a comment.
    pub(crate) source: String,
    /// Below the settings file; empty when it is that folder.
    pub(crate) folder: PathBuf,
    pub(crate) command: String,
    pub(crate) port: Port,
}

/// How the program learns which port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// The command line says it, or we cannot know; `PORT` is in the environment in any case.
    Given,
    /// It has to read `PORT`, and nothing we saw says that it does.
    ShouldRead,
    /// It listens nowhere.
    None,
}

/// Everything in `dir`, each service with its own name.
pub(crate) fn at(dir: &Path) -> Vec<Found> {
    let mut found = in_folder(dir, Path::new(""));
    if found.is_empty() {
        found = folders(dir).iter().flat_map(|folder| in_folder(dir, folder)).collect();
    }
    unique_names(found)
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(MOST_FOLDERS * 10);
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !SKIPPED.contains(&name.as_str()))
        .map(PathBuf::from)
        .collect();
    folders.sort();
    folders.truncate(MOST_FOLDERS);
    folders
}

fn in_folder(dir: &Path, folder: &Path) -> Vec<Found> {
    let place = Place { path: dir.join(folder), folder: folder.to_owned() };
    let processes = procfile(&place);
    if !processes.is_empty() {
        return processes;
    }
    [node(&place), python(&place), java(&place), rust(&place)].into_iter().flatten().collect()
}

/// A folder that is looked at.
struct Place {
    path: PathBuf,
    folder: PathBuf,
}

impl Place {
    fn has(&self, file: &str) -> bool {
        self.path.join(file).is_file()
    }

    /// The start of a text file; none when it is not there or not text.
    fn read(&self, file: &str) -> Option<String> {
        let mut text = String::new();
        fs::File::open(self.path.join(file)).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// `name` when it can be a name, else the folder's.
    fn found(&self, name: Option<&str>, source: &str, command: impl Into<String>, port: Port) -> Found {
        let source = self.folder.join(source).display().to_string();
        let own = fs::canonicalize(&self.path).ok();
        let own = own.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let name = name.and_then(as_name).or_else(|| own.and_then(as_name)).unwrap_or_else(|| fallback("app"));
        Found { name, source, folder: self.folder.clone(), command: command.into(), port }
    }
}

/// `web: gunicorn app:app`, one process a line.
fn procfile(place: &Place) -> Vec<Found> {
    let text = place.read("Procfile").unwrap_or_default();
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let (name, command) = line.split_once(':')?;
        let (name, command) = (name.trim(), command.trim());
        // `release` runs once before a deployment: it is no service.
        if name.is_empty() || name.starts_with('#') || name == "release" || command.chars().all(|c| c == ':') {
            return None;
        }
        let port = if name == "web" || command.contains("PORT") { Port::Given } else { Port::None };
        Some(place.found(Some(name), &format!("Procfile, line {}", index + 1), shell(command), port))
    });
    lines.collect()
}

fn node(place: &Place) -> Option<Found> {
    let package: serde_json::Value = serde_json::from_str(&place.read("package.json")?).ok()?;
    let name = package["name"].as_str();
    // `@team/orders` is the scope and the name.
    let name = name.map(|name| name.rsplit('/').next().unwrap_or(name));
    if let Some(script) = package["scripts"]["start"].as_str() {
        let direct = script.starts_with("node ") && is_plain(script);
        let command = if direct { script } else { "npm start" };
        return Some(place.found(name, "package.json, scripts.start", command, Port::ShouldRead));
    }
    let main = package["main"].as_str().filter(|main| is_plain(main) && place.has(main));
    let main = main.or_else(|| ["server.js", "index.js", "app.js"].into_iter().find(|file| place.has(file)))?;
    Some(place.found(name, "package.json, main", format!("node {main}"), Port::ShouldRead))
}

fn python(place: &Place) -> Option<Found> {
    let python = [".venv/bin/python", "venv/bin/python"].into_iter().find(|file| place.has(file)).unwrap_or("python3");
    if place.has("manage.py") {
        let command = shell(&format!("{python} manage.py runserver --noreload 127.0.0.1:$PORT"));
        return Some(place.found(None, "manage.py", command, Port::Given));
    }
    let project = place.read("pyproject.toml").and_then(|text| parse(&text, Path::new("pyproject.toml")).ok());
    let project = project.as_ref().and_then(|root| root.get("project"));
    let name = project.and_then(|project| text(project, "name"));
    if let Some(file) = ["app.py", "main.py", "server.py"].into_iter().find(|file| place.has(file)) {
        let module = file.trim_end_matches(".py");
        let code = place.read(file).unwrap_or_default();
        let (command, port) = if code.contains("FastAPI(") || code.contains("Starlette(") {
            (shell(&format!("{python} -m uvicorn {module}:app --port $PORT")), Port::Given)
        } else if code.contains("Flask(") {
            (shell(&format!("{python} -m flask --app {module} run --port $PORT")), Port::Given)
        } else {
            (format!("{python} {file}"), if code.contains("PORT") { Port::Given } else { Port::ShouldRead })
        };
        return Some(place.found(name, file, command, port));
    }
    let Value::Table(scripts) = &project?.get("scripts")?.value else { return None };
    let (script, _) = scripts.first()?;
    let installed = format!("{}{script}", python.strip_suffix("python").unwrap_or_default());
    let source = format!("pyproject.toml, project.scripts.{script}");
    is_plain(script).then(|| place.found(name.or(Some(script)), &source, installed, Port::ShouldRead))
}

fn java(place: &Place) -> Option<Found> {
    let pom = place.read("pom.xml");
    if pom.is_none() && !place.has("mvnw") {
        return None;
    }
    let maven = if place.has("mvnw") { "./mvnw" } else { "mvn" };
    let (source, pom) = (if pom.is_some() { "pom.xml" } else { "mvnw" }, pom.unwrap_or_default());
    if pom.contains("spring-boot") || pom.is_empty() {
        let command = format!("{maven} -q spring-boot:run -Dspring-boot.run.arguments=--server.port=$PORT");
        return Some(place.found(None, source, shell(&command), Port::Given));
    }
    Some(place.found(None, source, format!("{maven} -q compile exec:java"), Port::ShouldRead))
}

fn rust(place: &Place) -> Option<Found> {
    let manifest = parse(&place.read("Cargo.toml")?, Path::new("Cargo.toml")).ok()?;
    let name = text(manifest.get("package")?, "name")?;
    let runs = place.has("src/main.rs") || manifest.get("bin").is_some();
    runs.then(|| place.found(Some(name), "Cargo.toml", "cargo run --quiet --release", Port::ShouldRead))
}

fn text<'a>(table: &'a Node, key: &str) -> Option<&'a str> {
    match &table.get(key)?.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A command with variables or several steps goes through a shell that makes room for it (`exec`), so that signals
/// reach the program itself.
fn shell(command: &str) -> String {
    if is_plain(command) {
        return command.to_owned();
    }
    let exec = if command.contains(['&', '|', ';']) { "" } else { "exec " };
    format!("sh -c '{exec}{}'", command.replace('\'', r"'\''"))
}

/// Nothing in it that a shell would act on.
fn is_plain(command: &str) -> bool {
    command.chars().all(|c| c.is_ascii_alphanumeric() || " -_./:=,@%+".contains(c))
}

/// `My Shop!` becomes `my-shop`.
pub(super) fn as_name(text: &str) -> Option<Name> {
    let kept = text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' });
    let kept: String = kept.take(40).collect();
    Name::parse(kept.trim_matches(|c: char| !c.is_ascii_alphanumeric())).ok()
}

pub(super) fn fallback(name: &'static str) -> Name {
    Name::parse(name).expect("a literal that is a name")
}

/// Two folders may hold packages of one name; the second becomes `web-2`.
fn unique_names(mut found: Vec<Found>) -> Vec<Found> {
    for index in 1..found.len() {
        let (before, rest) = found.split_at_mut(index);
        let wanted = rest[0].name.clone();
        let mut count = 2;
        while before.iter().any(|other| other.name == rest[0].name) {
            rest[0].name = Name::parse(&format!("{wanted}-{count}")).unwrap_or_else(|_| fallback("app"));
            count += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests;
