//! From what clients send to the core instance. Tolerant: by name, nulls ignored, numbers as texts and texts as
//! numbers, both spellings of old keys, unknown keys skipped.

use std::borrow::Cow;

use madang_base::parse_duration;

use super::value::{Object, Value};
use super::words;
use crate::instance::{Check, Instance, InstanceId, Pages, Port, Probe, Status, Terms};
use crate::pairs::Pairs;

/// Reads the body of a registration at `apps/{app}`; the error is for the client, in Eureka's words where it has any.
/// `shown` is the application name when it is no name of ours.
pub(super) fn instance(body: &Value<'_>, app: &str, shown: Option<String>, now_ms: u64) -> Result<Instance, String> {
    let root = body.as_object().ok_or("Malformed body: an instance object is needed")?;
    let fields = match root.get("instance") {
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("Malformed body: `instance` must be an object".to_owned()),
        None => root,
    };
    let read = Reader { fields };
    let host = read.text("hostName")?;
    let center = match fields.get("dataCenterInfo") {
        Some(Value::Object(center)) => Some(center),
        None | Some(Value::Null) => None,
        Some(_) => return Err("dataCenterInfo must be an object".to_owned()),
    };
    let center_meta = texts(center.and_then(|center| center.get("metadata")), "dataCenterInfo.metadata")?;
    // discovery-wire §1.3, in this order.
    let of_center = center_meta.iter().rev().find(|(key, _)| *key == "instance-id").map(|(_, id)| id.clone());
    let id = [read.text("instanceId")?, of_center, host.clone()];
    let id = id.into_iter().flatten().find(|id| !id.trim().is_empty()).ok_or("Missing instanceId")?;
    let host = needed(host, "hostname")?;
    let address = needed(read.text("ipAddr")?, "ip address")?;
    let name = needed(read.text("app")?, "appName")?;
    // The plain way first: other alphabets have a table.
    if !app.eq_ignore_ascii_case(&name) && app.to_uppercase() != name.to_uppercase() {
        let (path, name) = (app.to_uppercase(), name.to_uppercase());
        return Err(format!("Mismatched appName, expecting {path} but was {name}"));
    }
    let center = center.ok_or("Missing dataCenterInfo")?;
    let center = needed(Reader { fields: center }.text("name")?, "dataCenterInfo Name")?;
    let notes = notes(&read, &center, center_meta, &id, shown)?;
    let metadata: Pairs = texts(fields.get("metadata"), "metadata")?.into_iter().collect();
    let status = read.text("status")?.map_or(Status::Up, |word| words::status(&word).unwrap_or(Status::Unknown));
    Ok(Instance {
        id: InstanceId::parse(&id).map_err(|error| error.to_string())?,
        host: host.into_owned(),
        address: address.into_owned(),
        port: read.port("port", Port { number: 7001, enabled: true })?,
        secure_port: read.port("securePort", Port { number: 7002, enabled: false })?,
        status,
        terms: read.terms()?,
        check: check(&metadata)?,
        metadata,
        group: read.own_text("appGroupName")?,
        aliases: read.own_text("vipAddress")?,
        secure_aliases: read.own_text("secureVipAddress")?,
        pages: Pages {
            home: read.own_text("homePageUrl")?,
            status: read.own_text("statusPageUrl")?,
            health: read.own_text("healthCheckUrl")?,
            secure_health: read.own_text("secureHealthCheckUrl")?,
        },
        stamp_ms: read.number("lastDirtyTimestamp")?.unwrap_or(now_ms),
        notes,
    })
}

/// Our own keys of the metadata, because Eureka has no field for it: `madang.check` is `tcp` or a path.
fn check(metadata: &Pairs) -> Result<Option<Check>, String> {
    let Some(asked) = metadata.get(words::CHECK).filter(|asked| !asked.is_empty()) else { return Ok(None) };
    if asked.to_ascii_lowercase().starts_with("https:") {
        return Err(format!("metadata `{}`: https checks are not supported yet; use `tcp` or a path", words::CHECK));
    }
    let is_path = asked.starts_with('/') && asked.bytes().all(|byte| byte.is_ascii_graphic());
    let probe = match asked {
        "tcp" => Probe::Tcp,
        path if is_path => Probe::Http(path.to_owned()),
        _ => return Err(format!("metadata `{}` must be `tcp` or a path such as `/health`", words::CHECK)),
    };
    let mut check = Check::new(probe);
    if let Some(interval) = metadata.get(words::CHECK_INTERVAL) {
        let seconds = parse_duration(interval).map(|interval| interval.as_secs());
        let seconds = seconds.ok().filter(|seconds| (1..=3600).contains(seconds)).and_then(|s| u32::try_from(s).ok());
        check.interval_s = seconds
            .ok_or_else(|| format!("metadata `{}` must be from 1s to 1h, such as `10s`", words::CHECK_INTERVAL))?;
    }
    Ok(Some(check))
}

/// A text that must be there.
fn needed<'a>(text: Option<Cow<'a, str>>, what: &str) -> Result<Cow<'a, str>, String> {
    text.filter(|text| !text.trim().is_empty()).ok_or_else(|| format!("Missing {what}"))
}

/// Names and values, as they came.
type Texts<'a> = Vec<(&'a str, Cow<'a, str>)>;

fn notes(read: &Reader<'_>, center: &str, meta: Texts<'_>, id: &str, shown: Option<String>) -> Result<Pairs, String> {
    let mut notes: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    if center != words::MY_OWN {
        notes.push((words::DATA_CENTER.into(), center.into()));
    }
    if center == "Amazon" {
        // One that it names itself comes later, and counts.
        notes.push((format!("{}instance-id", words::DATA_CENTER_META).into(), id.into()));
    }
    notes.extend(meta.into_iter().map(|(key, value)| (format!("{}{key}", words::DATA_CENTER_META).into(), value)));
    let sid = read.some_text("sid")?.filter(|sid| !matches!(&**sid, "na" | "unknown"));
    let country = read.number("countryId")?.filter(|country| *country != 1).map(|country| country.to_string().into());
    let coordinating = read.text("isCoordinatingDiscoveryServer")?.filter(|text| text == "true");
    for (key, value) in [
        (words::APP, shown.map(Cow::from)),
        (words::SID, sid),
        (words::COUNTRY, country),
        (words::COORDINATING, coordinating),
        (words::ASG, read.some_text("asgName")?),
    ] {
        notes.extend(value.map(|value| (key.into(), value)));
    }
    Ok(notes.into_iter().collect())
}

struct Reader<'a> {
    fields: &'a Object<'a>,
}

impl<'a> Reader<'a> {
    fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        scalar(self.fields.get(name)).map_err(|()| format!("{name} must be a text"))
    }

    fn some_text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    fn own_text(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.some_text(name)?.map(Cow::into_owned))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.some_text(name)? else { return Ok(None) };
        // Some clients send the fractions of their clock along.
        let whole = text.trim().split('.').next().unwrap_or_default();
        whole.parse().map(Some).map_err(|_| format!("{name} must be a number"))
    }

    fn port(&self, name: &str, default: Port) -> Result<Port, String> {
        let wrong = || format!("{name} must be a number from 0 to 65535");
        let (number, enabled) = match self.fields.get(name) {
            Some(Value::Object(port)) => (port.get("$"), port.get("@enabled").or_else(|| port.get("enabled"))),
            other => (other, None),
        };
        let number = scalar(number).map_err(|()| wrong())?.filter(|text| !text.is_empty());
        let enabled = scalar(enabled).map_err(|()| format!("{name} @enabled must be true or false"))?;
        // discovery-wire §1.5: enabled unless it says no, secure only if it says yes.
        let enabled = match enabled.as_deref().map(str::trim) {
            Some(word) if word.eq_ignore_ascii_case("true") => true,
            Some(word) if word.eq_ignore_ascii_case("false") => false,
            Some(_) | None => default.enabled,
        };
        let number = match number.map(|text| text.trim().parse()) {
            Some(Ok(number)) => number,
            // A port that is closed may be -1.
            Some(Err(_)) if !enabled => 0,
            Some(Err(_)) => return Err(wrong()),
            None => default.number,
        };
        Ok(Port { number, enabled })
    }

    fn terms(&self) -> Result<Terms, String> {
        let lease = match self.fields.get("leaseInfo") {
            Some(Value::Object(lease)) => Reader { fields: lease },
            None | Some(Value::Null) => return Ok(Terms::default()),
            Some(Value::Text(text)) if text.is_empty() => return Ok(Terms::default()),
            Some(_) => return Err("leaseInfo must be an object".to_owned()),
        };
        let seconds = |name, default: u32| {
            let asked = lease.number(name)?.filter(|asked| *asked > 0);
            Ok::<_, String>(
                asked.map_or(default, |asked| u32::try_from(asked).unwrap_or(Terms::MAX_S).min(Terms::MAX_S)),
            )
        };
        Ok(Terms { renewal_s: seconds("renewalIntervalInSecs", 30)?, duration_s: seconds("durationInSecs", 90)? })
    }
}

/// A text, number or boolean as text; `None` for null and nothing.
fn scalar<'a>(value: Option<&'a Value<'_>>) -> Result<Option<Cow<'a, str>>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Value::Number(number)) => Ok(Some(Cow::Owned(number.to_string()))),
        Some(Value::Bool(true)) => Ok(Some(Cow::Borrowed("true"))),
        Some(Value::Bool(false)) => Ok(Some(Cow::Borrowed("false"))),
        Some(Value::List(_) | Value::Object(_)) => Err(()),
    }
}

/// A map of texts. The class of an empty map is no entry, nor is any other attribute of XML.
fn texts<'a>(value: Option<&'a Value<'_>>, name: &str) -> Result<Texts<'a>, String> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Text(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(format!("{name} must be an object")),
    };
    let mut found = Vec::new();
    for (key, value) in map.iter() {
        let value = scalar(Some(value)).map_err(|()| format!("{name}.{} must be a text", key.escape_debug()))?;
        found.extend(value.filter(|_| key != "@class").map(|value| (key, value)));
    }
    Ok(found)
}
