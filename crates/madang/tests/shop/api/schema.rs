//! Whether a value is what a JSON schema says: the part of the language that the document uses.
//!
//! Stricter in one thing: a field that the schema does not name is a mistake.

use std::collections::BTreeMap;

use serde_json::Value;

/// What `#/components/…` leads to.
pub(super) fn resolved<'a>(api: &'a Value, to: &str) -> &'a Value {
    to.strip_prefix('#').and_then(|pointer| api.pointer(pointer)).unwrap_or(&Value::Null)
}

pub(super) fn must_fit(api: &Value, schema: &Value, value: &Value, what: &str) {
    if let Err(why) = fits(api, schema, value) {
        panic!("{what} answers other than documented: {why} in {value:#}");
    }
}

fn fits(api: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(to) = schema["$ref"].as_str() {
        return fits(api, resolved(api, to), value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let whys: Vec<_> = choices.iter().filter_map(|choice| fits(api, choice, value).err()).collect();
        return if whys.len() + 1 == choices.len() { Ok(()) } else { Err(format!("not one of its choices: {whys:?}")) };
    }
    if let Some(values) = schema["enum"].as_array() {
        return if values.contains(value) { Ok(()) } else { Err(format!("{value} is none of {values:?}")) };
    }
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |kind: &Value| kind == own || (kind == "number" && own == "integer");
    let fitting = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(is),
        Value::Null => true,
        kind => is(kind),
    };
    if !fitting {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    match value {
        Value::Array(all) => all.iter().try_for_each(|one| fits(api, &schema["items"], one)),
        Value::Object(all) => {
            let mut fields = BTreeMap::new();
            collect(api, schema, &mut fields);
            if let Some((missing, _)) = fields.iter().find(|(name, (_, needed))| *needed && !all.contains_key(**name)) {
                return Err(format!("`{missing}` is missing"));
            }
            all.iter().try_for_each(|(name, value)| match fields.get(name.as_str()) {
                Some((schema, _)) => fits(api, schema, value).map_err(|why| format!("{name}: {why}")),
                None if schema["additionalProperties"].is_object() => fits(api, &schema["additionalProperties"], value),
                None if *schema == serde_json::json!({}) => Ok(()),
                None => Err(format!("`{name}` is not documented")),
            })
        }
        _ => Ok(()),
    }
}

/// The fields of an object and whether each must be there, also those of its parts.
fn collect<'a>(api: &'a Value, schema: &'a Value, fields: &mut BTreeMap<&'a str, (&'a Value, bool)>) {
    if let Some(to) = schema["$ref"].as_str() {
        return collect(api, resolved(api, to), fields);
    }
    schema["allOf"].as_array().into_iter().flatten().for_each(|part| collect(api, part, fields));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let needed = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        fields.insert(name, (field, needed));
    }
}
