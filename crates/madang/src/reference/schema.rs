//! Values of the API in words: what they are, which fields they have, and what these mean.

use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::slug;

/// All of them with their names, which start with the tag they belong to.
pub(super) fn all(api: &OpenApi) -> impl Iterator<Item = (&str, &Schema)> {
    let all = api.components.iter().flat_map(|components| &components.schemas);
    all.filter_map(|(name, schema)| Some((name.as_str(), resolved(api, schema)?)))
}

/// The value itself, wherever it is described.
pub(super) fn resolved<'a>(api: &'a OpenApi, schema: &'a RefOr<Schema>) -> Option<&'a Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(to) => match api.components.as_ref()?.schemas.get(name(&to.ref_location))? {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        },
    }
}

/// The name at the end of a reference.
pub(super) fn name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}

/// What a value is, with a link to where its fields are.
pub(super) fn kind(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(to) if name(&to.ref_location) == "Problem" => "[problem](#problems)".to_owned(),
        RefOr::Ref(to) => format!("[{}](#{})", name(&to.ref_location), slug(name(&to.ref_location))),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => format!("list of {}", kind(items)),
            ArrayItems::False => "list".to_owned(),
        },
        RefOr::T(Schema::Object(object)) => object_kind(object),
        RefOr::T(Schema::OneOf(choice)) => {
            let kinds: Vec<_> = choice.items.iter().map(kind).filter(|kind| !kind.is_empty()).collect();
            kinds.join(" or ")
        }
        // Only at the top, where fields are.
        RefOr::T(_) => "object".to_owned(),
    }
}

/// Nothing for what is only ever null.
fn object_kind(object: &Object) -> String {
    if let Some(values) = &object.enum_values {
        let words: Vec<_> = values.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref() {
        return format!("table of {}s", kind(values));
    }
    let own = match &object.schema_type {
        SchemaType::Type(own) => Some(own),
        SchemaType::Array(all) => all.iter().find(|own| **own != Type::Null),
        SchemaType::AnyValue => None,
    };
    let word = match own {
        Some(Type::String) => "text",
        Some(Type::Integer) => "integer",
        Some(Type::Number) => "number",
        Some(Type::Boolean) => "true or false",
        Some(Type::Array) => "list",
        Some(Type::Object) | None => "object",
        Some(Type::Null) => "",
    };
    word.to_owned()
}

/// The section of one named value.
pub(super) fn section(api: &OpenApi, name: &str, schema: &Schema, out: &mut String) {
    let _ = write!(out, "\n#### {name}\n\n{}\n", description(schema));
    match schema {
        Schema::Object(object) if object.enum_values.is_some() => {
            let _ = write!(out, "\nOne of {}.\n", object_kind(object));
        }
        schema => fields(api, schema, out),
    }
}

/// The table of its fields.
pub(super) fn fields(api: &OpenApi, schema: &Schema, out: &mut String) {
    out.push_str("\n| field | value | meaning |\n|---|---|---|\n");
    rows(api, schema, out);
}

fn rows(api: &OpenApi, schema: &Schema, out: &mut String) {
    match schema {
        Schema::Object(object) => {
            for (field, schema) in &object.properties {
                let if_any = if object.required.contains(field) { "" } else { ", if any" };
                let _ = writeln!(out, "| `{field}` | {}{if_any} | {} |", kind(schema), meaning(schema));
            }
        }
        Schema::AllOf(parts) => {
            parts.items.iter().filter_map(|part| resolved(api, part)).for_each(|part| rows(api, part, out))
        }
        Schema::OneOf(choice) => choice.items.iter().for_each(|variant| match variant {
            RefOr::T(Schema::Object(object)) => variant_rows(object, out),
            other => _ = writeln!(out, "|  | {} | {} |", kind(other), meaning(other)),
        }),
        Schema::Array(_) | Schema::AnyOf(_) => {}
        _ => {}
    }
}

/// A variant is a word, or an object that one word tells from the others.
fn variant_rows(object: &Object, out: &mut String) {
    let meaning = object.description.as_deref().map(one_line).unwrap_or_default();
    if object.enum_values.is_some() {
        let _ = writeln!(out, "| {} |  | {meaning} |", object_kind(object));
    }
    let is_tag = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(tag)) if tag.enum_values.is_some());
    for (field, schema) in object.properties.iter().filter(|(_, schema)| is_tag(schema)) {
        let _ = writeln!(out, "| `{field}`: {} |  | {meaning} |", kind(schema));
    }
    for (field, schema) in object.properties.iter().filter(|(_, schema)| !is_tag(schema)) {
        let _ = writeln!(out, "| `{field}` | {} | {} |", kind(schema), self::meaning(schema));
    }
}

fn meaning(schema: &RefOr<Schema>) -> String {
    let text = match schema {
        RefOr::Ref(to) => to.description.as_str(),
        // A choice with null has its text at what is not null.
        RefOr::T(Schema::OneOf(choice)) if choice.description.is_none() => {
            return choice.items.iter().map(meaning).find(|text| !text.is_empty()).unwrap_or_default();
        }
        RefOr::T(schema) => description(schema),
    };
    one_line(text)
}

fn description(schema: &Schema) -> &str {
    let description = match schema {
        Schema::Array(array) => &array.description,
        Schema::Object(object) => &object.description,
        Schema::OneOf(choice) => &choice.description,
        Schema::AllOf(parts) => &parts.description,
        Schema::AnyOf(choice) => &choice.description,
        _ => &None,
    };
    description.as_deref().unwrap_or_default()
}

/// Fit for a cell of a table.
pub(super) fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
