//! The schemas of recipe.yaml and of profiles, made from the types that read them.
//!
//! A schema describes one file as it is written, and a file may be one of several that are merged and may refer to values that
//! are elsewhere. So outside of lists no key is required (but `recipe` and `target_col` where a recipe names no
//! `defaults`), and a reference may stand wherever a value may. It refuses what no other file can make right;
//! `recipe validate` has the last word.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::File;
use crate::data::source::SourceConfig;
use crate::data::sql::{Query, TableOutput};
use crate::data::{Contract, DataTest, SplitConfig};
use crate::ml::estimators::ESTIMATORS;
use crate::ml::metric::{self, METRICS};
use crate::ml::target::TargetTransform;
use crate::ml::transformers::TRANSFORMERS;
use crate::ml::{EstimatorEntry, Task};
use crate::recipe::TEMPLATES;
use crate::recipe::parameters::Parameter;
use crate::recipe::sections::{EvaluateSection, PredictSection, RegisterSection, Root, TrainSection};
use crate::steps::evaluate::CustomMetric;
use crate::steps::predict::FileOutput;
use crate::value::Value;

/// The schema (draft 2020-12) of a template's recipe.yaml, or of profiles.
#[must_use]
pub fn of(file: File) -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = root(file, &mut generator);
    let mut definitions = named(&mut generator, file);
    definitions.extend(generator.take_definitions(true));
    if let Some(metric) = definitions.get_mut("Criterion").and_then(|criterion| criterion.pointer_mut("/properties/metric")) {
        suggest_metrics(metric, file);
    }
    let estimators: Vec<&EstimatorEntry> = ESTIMATORS.iter().filter(|entry| takes(file, entry)).collect();
    let all: Vec<&str> = estimators.iter().flat_map(|entry| names(entry.name, entry.aliases)).collect();
    if let Some(names) = definitions.get_mut("AutomlSection").and_then(|automl| automl.pointer_mut("/properties/candidates")) {
        names["items"] = json!({"enum": all});
    }
    for name in ["Member", "CandidateSection"] {
        let Some(member) = definitions.get_mut(name) else { continue };
        member["properties"]["using"] = json!({"description": "The estimator; `recipe list estimators` shows them.", "enum": all});
        member["allOf"] = chosen(&estimators).collect();
    }
    definitions.values_mut().chain([&mut root]).for_each(tidy);

    let mut above_lists = Vec::new();
    require_nothing(&mut root, &mut above_lists);
    let mut seen = BTreeSet::new();
    while let Some(name) = above_lists.pop() {
        if let Some(definition) = definitions.get_mut(&name).filter(|_| seen.insert(name.clone())) {
            require_nothing(definition, &mut above_lists);
        }
    }
    definitions.values_mut().for_each(|definition| admit_references(definition, false));
    for (_, part) in parts(&mut root) {
        admit_references(part, false);
    }

    definitions.insert("reference".to_owned(), json!({"description": "Filled in when the recipe is read.", "type": "string", "pattern": REFERENCE}));
    if file != File::Profile {
        // With `defaults` these may stand in another file.
        root["if"] = json!({"not": {"required": ["defaults"]}});
        root["then"] = json!({"required": ["recipe", "target_col"]});
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["$defs"] = Json::Object(definitions);
    root
}

/// Can an estimator stand in it?
fn takes(file: File, estimator: &EstimatorEntry) -> bool {
    match file {
        File::Regression => (estimator.supports)(&Task::Regression),
        File::Classification => [2, 3].into_iter().any(|classes| (estimator.supports)(&Task::of_classes(classes))),
        _ => true,
    }
}

/// What a text holds that stands for another value: `${name}` or `{{NAME}}`.
const REFERENCE: &str = r"\$\{|\{\{";

/// The top level.
fn root(file: File, generator: &mut SchemaGenerator) -> Json {
    let mut root = Root::json_schema(generator).to_value();
    let mut parameter = Parameter::json_schema(generator).to_value();
    for key in ["default", "value"] {
        parameter["properties"][key] = json!({"type": ["string", "number", "boolean", "null"]});
    }
    root["title"] = json!(format!("recipe: {}", file.name()));
    root["description"] = match file {
        File::Profile => json!("A profile: what an environment sets over recipe.yaml. UPPER_CASE keys are variables."),
        _ => json!("A recipe: what is predicted, from which data, through which steps."),
    };
    let names = json!({"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}]});
    let option = json!({
        "description": "`group: option` takes the file `group/option.yaml` or `steps/group/option.yaml`.",
        "type": "object", "additionalProperties": names, "minProperties": 1, "maxProperties": 1,
    });
    let properties = &mut root["properties"];
    properties["params"] = json!({
        "description": "Values that a run is asked for: `recipe run params.month=2016-03`. A plain value is a default.",
        "type": ["object", "null"],
        "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, parameter]},
    });
    properties["vars"] = json!({"description": "Free values, for `${name}` to refer to."});
    properties["custom_metrics"] = json!({
        "description": "Metrics of your own: SQL aggregates over `prediction`, `target`, `proba`, `weight` and the columns of the data.",
        "type": "array", "items": generator.subschema_for::<CustomMetric>(),
    });
    properties["steps"] = steps(file, generator);
    suggest_metrics(&mut properties["primary_metric"], file);
    if file == File::Profile {
        properties["recipe"] = json!({"description": "The template.", "enum": TEMPLATES});
        properties["extends"] = json!({"description": "Profiles that this one goes over.", "anyOf": names["anyOf"]});
        properties["default_recipe"] = json!({"description": "The recipe that is meant where `-r` does not say.", "type": "string"});
        properties["defaults"] =
            json!({"description": "Options that are chosen for groups.", "type": ["array", "null"], "items": {"anyOf": [{"const": "_self_"}, option]}});
        root["patternProperties"] = json!({"^[A-Z0-9_]*[A-Z][A-Z0-9_]*$": {"description": "A variable, for `{{NAME}}` in recipe.yaml."}});
    } else {
        properties["recipe"] = json!({"description": "The template.", "const": file.name()});
        properties["defaults"] = json!({
            "description": "Files that this one is laid over, in order; `_self_` is this one's own place.",
            "type": ["array", "null"],
            "items": {"anyOf": [{"type": "string"}, option]},
        });
    }
    if file == File::Regression
        && let Some(properties) = root["properties"].as_object_mut()
    {
        properties.remove("positive_class");
    }
    root
}

/// The section `steps`.
fn steps(file: File, generator: &mut SchemaGenerator) -> Json {
    let skip = json!({"description": "Leave the profile of the data out.", "type": "boolean"});
    let mut ingest = SourceConfig::json_schema(generator).to_value();
    admit(&mut ingest, &Query::json_schema(generator).to_value());
    ingest["properties"]["schema"] = generator.subschema_for::<Contract>().to_value();
    ingest["properties"]["tests"] =
        json!({"description": "Tests of the data; every failure is reported.", "type": ["array", "null"], "items": generator.subschema_for::<DataTest>()});
    ingest["properties"]["skip_data_profiling"] = skip.clone();

    let mut train = TrainSection::json_schema(generator).to_value();
    let estimators: Vec<&EstimatorEntry> = ESTIMATORS.iter().filter(|entry| takes(file, entry)).collect();
    let all: Vec<&str> = estimators.iter().flat_map(|entry| names(entry.name, entry.aliases)).collect();
    let several = ["automl", "automl/flaml", "compare"];
    train["properties"]["using"] = json!({
        "description": "The estimator; `recipe list estimators` shows them. Or `automl`, or `compare`.",
        "anyOf": [{"enum": all}, {"enum": several}, {"type": "null"}],
    });
    train["properties"]["estimator_params"] = json!({"description": "The estimator's parameters.", "type": ["object", "null"]});
    // Where another file chooses the estimator, the parameters must be some estimator's.
    let unknown = json!({
        "if": {"not": {"required": ["using"], "properties": {"using": {"type": "string"}}}},
        "then": {"properties": {"estimator_params": {"anyOf": estimators.iter().map(|entry| definition(entry)).collect::<Vec<_>>()}}},
    });
    train["allOf"] = chosen(&estimators).chain([unknown]).collect();
    if let Some(properties) = train["properties"].as_object_mut() {
        let others: &[&str] = match file {
            File::Regression => &["class_weight", "calibrate_proba", "decision_threshold"],
            File::Classification => &["conformal"],
            _ => &[],
        };
        properties.retain(|key, _| !others.contains(&key.as_str()));
    }
    let mut chain = json!({
        "type": "object",
        "properties": {"using": {"enum": ["auto", "identity", "chain", null]}, "steps": {"$ref": "#/$defs/chain"}, "skip_data_profiling": skip},
        "additionalProperties": false,
    });
    if file != File::Classification {
        let mut target = TargetTransform::json_schema(generator).to_value();
        if let Some(alternatives) = target["oneOf"].as_array_mut() {
            alternatives.extend([json!({"enum": TargetTransform::NAMES}), json!({"type": "null"})]);
        }
        target["description"] = json!("What the estimator learns in place of the target; predictions are in the target's own unit.");
        chain["properties"]["target"] = target;
    }

    let transform = json!({
        "description": "Transforms in a row, each fitted on training rows; `auto` picks them by type.",
        "anyOf": [
            {"enum": ["auto", "identity", null]},
            {"$ref": "#/$defs/chain"},
            chain,
        ],
    });
    let mut output = FileOutput::json_schema(generator).to_value();
    admit(&mut output, &TableOutput::json_schema(generator).to_value());
    output["description"] = json!("Where the scored rows go: a file, or a table of a database.");
    output["type"] = json!(["object", "null"]);
    let mut predict = PredictSection::json_schema(generator).to_value();
    predict["properties"]["output"] = output;
    let mut sections = json!({
        "ingest": ingest,
        "split": SplitConfig::json_schema(generator),
        "train": train,
        "evaluate": EvaluateSection::json_schema(generator),
        "register": RegisterSection::json_schema(generator),
        "ingest_scoring": ingest,
        "predict": predict,
    });
    for (name, description) in [
        ("ingest", "Reads the data and holds it against its contract."),
        ("split", "Parts the rows into training, validation and test."),
        ("train", "Fits the estimator."),
        ("evaluate", "Scores the model on all three parts, and the gate."),
        ("register", "Keeps a model that passed."),
        ("ingest_scoring", "Reads the rows to be scored."),
        ("predict", "Scores rows with a registered model."),
    ] {
        sections[name]["description"] = json!(description);
        // `split:` with nothing behind it means: all defaults.
        sections[name]["type"] = json!(["object", "null"]);
    }
    sections["transform"] = transform;
    json!({"description": "The steps.", "type": ["object", "null"], "properties": sections, "additionalProperties": false})
}

/// Lets the keys of another form stand as well; what `using` may be is what it may be in either.
fn admit(schema: &mut Json, other: &Json) {
    let using = json!({"description": schema["properties"]["using"]["description"], "anyOf": [schema["properties"]["using"], other["properties"]["using"]]});
    for (key, property) in other["properties"].as_object().into_iter().flatten() {
        if schema["properties"].get(key).is_none() {
            schema["properties"][key] = property.clone();
        }
    }
    schema["properties"]["using"] = using;
}

/// Where an estimator's parameters are defined.
fn definition(entry: &EstimatorEntry) -> Json {
    json!({"$ref": format!("#/$defs/estimator.{}", entry.name)})
}

/// For each estimator: where it is chosen, the parameters are its own.
fn chosen<'a>(estimators: &'a [&'static EstimatorEntry]) -> impl Iterator<Item = Json> + 'a {
    estimators.iter().map(|entry| {
        json!({
            "if": {"required": ["using"], "properties": {"using": {"enum": names(entry.name, entry.aliases)}}},
            "then": {"properties": {"estimator_params": definition(entry)}},
        })
    })
}

/// What is chosen by name: each estimator's and transform's parameters, and the chain.
fn named(generator: &mut SchemaGenerator, file: File) -> Map<String, Json> {
    let mut definitions = Map::new();
    for entry in ESTIMATORS.iter().filter(|entry| takes(file, entry)) {
        let parameters = documented((entry.schema)(generator), entry.doc, true);
        definitions.insert(format!("estimator.{}", entry.name), parameters);
    }
    let mut transforms = Map::new();
    let mut alone = Vec::new();
    for entry in TRANSFORMERS {
        let has_defaults = (entry.parse)(&Value::Null).is_ok();
        let definition = format!("transform.{}", entry.name);
        for name in names(entry.name, entry.aliases) {
            transforms.insert(name.to_owned(), json!({"$ref": format!("#/$defs/{definition}")}));
            alone.extend(has_defaults.then_some(name));
        }
        definitions.insert(definition, documented((entry.schema)(generator), entry.doc, has_defaults));
    }
    let one = json!({"type": "object", "properties": transforms, "additionalProperties": false, "minProperties": 1, "maxProperties": 1});
    definitions.insert("chain".to_owned(), json!({"type": "array", "items": {"anyOf": [one, {"enum": alone}]}}));
    definitions
}

fn names(name: &'static str, aliases: &'static [&'static str]) -> Vec<&'static str> {
    std::iter::once(name).chain(aliases.iter().copied()).collect()
}

/// A schema with the words of its page, and null allowed where all parameters have defaults.
fn documented(schema: Schema, doc: &str, or_nothing: bool) -> Json {
    let mut schema = schema.to_value();
    schema["description"] = json!(doc.trim().lines().next().unwrap_or_default());
    if or_nothing {
        schema["type"] = json!(["object", "null"]);
    }
    let mut parameters: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in doc.lines() {
        let begins = line.starts_with("- `");
        if begins {
            parameters.push(line.trim_start_matches("- ").to_owned());
        } else if let (true, Some(more), Some(last)) = (is_inside, line.strip_prefix("  "), parameters.last_mut()) {
            last.push(' ');
            last.push_str(more.trim());
        }
        is_inside = begins || (is_inside && line.starts_with("  "));
    }
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties {
            let quoted = format!("`{name}`");
            let is_named = |text: &&String| text.split([':', '(']).next().is_some_and(|names| names.contains(&quoted));
            if let Some(text) = parameters.iter().find(is_named) {
                let alone = text.strip_prefix(&quoted).filter(|rest| rest.starts_with([':', '(']));
                property["description"] = json!(alone.unwrap_or(text).trim_start_matches([':', ' ']));
            }
        }
    }
    schema
}

/// Names the metrics that are built in; any other name may be a custom one.
fn suggest_metrics(schema: &mut Json, file: File) {
    let fits = |kind: metric::Kind| file == File::Profile || (kind == metric::Kind::Regression) == (file == File::Regression);
    let names: Vec<&str> = METRICS.iter().filter(|metric| fits(metric.kind)).map(|metric| metric.name).collect();
    let any = schema["type"].take();
    *schema = json!({"description": "A metric: built in, or one of `custom_metrics`.", "anyOf": [{"enum": names}, {"type": any}]});
}

/// The schemas right inside of a schema, each with the keyword that it stands under.
fn parts(schema: &mut Json) -> Vec<(&str, &mut Json)> {
    let Json::Object(map) = schema else { return Vec::new() };
    let mut parts = Vec::new();
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            (keyword @ ("properties" | "patternProperties"), Json::Object(map)) => parts.extend(map.values_mut().map(|part| (keyword, part))),
            (keyword @ ("anyOf" | "oneOf" | "allOf"), Json::Array(list)) => parts.extend(list.iter_mut().map(|part| (keyword, part))),
            (keyword @ ("additionalProperties" | "items" | "then"), part) => parts.push((keyword, part)),
            _ => {}
        }
    }
    parts
}

/// Says what serde's aliases say, joins alternatives of one key each into one map, and leaves out what editors have no use for.
fn tidy(schema: &mut Json) {
    for (_, part) in parts(schema) {
        tidy(part);
    }
    let Json::Object(map) = schema else { return };
    map.remove("format");
    if map.get("default") == Some(&Json::Null) {
        map.remove("default");
    }
    if let Some(Json::String(text)) = map.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    if map.contains_key("const")
        && let Some(Json::Array(aliases)) = map.remove(ALIASES)
    {
        let name = map.remove("const");
        map.insert("enum".to_owned(), name.into_iter().chain(aliases).collect());
    }
    if let Some(Json::Object(properties)) = map.get_mut("properties") {
        under_aliases(properties);
    }
    if let Some(alternatives) = map.remove("oneOf") {
        map.insert("anyOf".to_owned(), alternatives);
    }
    if let Some(Json::Array(alternatives)) = map.get_mut("anyOf") {
        let mut one_key = Map::new();
        alternatives.retain_mut(|alternative| match only_key(alternative) {
            Some((name, schema)) => {
                one_key.insert(name, schema);
                false
            }
            None => true,
        });
        under_aliases(&mut one_key);
        if !one_key.is_empty() {
            alternatives.push(json!({"type": "object", "properties": one_key, "additionalProperties": false, "minProperties": 1, "maxProperties": 1}));
        }
    }
}

/// The keyword under which a type notes what `#[serde(alias)]` says; no schema keeps it.
const ALIASES: &str = "x-aliases";

fn under_aliases(properties: &mut Map<String, Json>) {
    let mut more = Vec::new();
    for schema in properties.values_mut() {
        if let Some(Json::Array(aliases)) = schema.as_object_mut().and_then(|map| map.remove(ALIASES)) {
            more.extend(aliases.iter().filter_map(Json::as_str).map(|alias| (alias.to_owned(), schema.clone())));
        }
    }
    properties.extend(more);
}

/// The one key, and what is below it, of a variant that holds something.
fn only_key(schema: &mut Json) -> Option<(String, Json)> {
    let map = schema.as_object_mut()?;
    if map.get("required")?.as_array()?.len() != 1 || map.get("properties")?.as_object()?.len() != 1 {
        return None;
    }
    let (name, mut inside) = map.get_mut("properties")?.as_object_mut()?.iter_mut().next().map(|(name, inside)| (name.clone(), inside.take()))?;
    for keyword in [ALIASES, "description"] {
        if let Some(value) = map.remove(keyword) {
            inside[keyword] = value;
        }
    }
    Some((name, inside))
}

/// Takes `required` out of all maps that are not inside of a list; `named` gets the definitions that are referred to there.
fn require_nothing(schema: &mut Json, named: &mut Vec<String>) {
    if let Json::Object(map) = schema {
        map.remove("required");
        named.extend(map.get("$ref").and_then(Json::as_str).and_then(|name| name.strip_prefix("#/$defs/")).map(str::to_owned));
    }
    parts(schema).into_iter().filter(|(keyword, _)| *keyword != "items").for_each(|(_, part)| require_nothing(part, named));
}

/// Lets a reference stand wherever a value may; an `alternative` gets it from the schema around it.
fn admit_references(schema: &mut Json, is_alternative: bool) {
    for (keyword, part) in parts(schema) {
        admit_references(part, matches!(keyword, "anyOf" | "allOf" | "then"));
    }
    let Json::Object(map) = schema else { return };
    if let Some(Json::Array(alternatives)) = map.get_mut("anyOf") {
        // What is defined elsewhere admits them itself.
        if alternatives.iter().all(|alternative| alternative.get("$ref").is_none()) {
            alternatives.push(json!({"$ref": "#/$defs/reference"}));
        }
        return;
    }
    let mut types: Vec<String> = match map.get("type") {
        Some(Json::String(only)) => vec![only.clone()],
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let is = |name: &str| types.iter().any(|kind| kind == name);
    let is_free = ["minLength", "pattern", "enum", "const"].iter().all(|keyword| !map.contains_key(*keyword));
    if is("string") && is_free {
        // Where a text is wanted, a number or a boolean is taken as it was written.
        types.extend(["number", "boolean"].into_iter().filter(|name| !is(name)).map(str::to_owned).collect::<Vec<_>>());
        map.insert("type".to_owned(), json!(types));
    } else if !is_alternative && (is("object") || is("array")) && is_free {
        // No alternatives: so an editor names the key that is wrong, not only the map.
        types.push("string".to_owned());
        map.insert("type".to_owned(), json!(types));
        map.insert("pattern".to_owned(), json!(REFERENCE));
    } else if !is_alternative && ["type", "enum", "const"].iter().any(|keyword| map.contains_key(*keyword)) {
        let (around, inside): (Map<String, Json>, Map<String, Json>) =
            std::mem::take(map).into_iter().partition(|(keyword, _)| ["description", "default", "examples"].contains(&keyword.as_str()));
        *map = around;
        map.insert("anyOf".to_owned(), json!([inside, {"$ref": "#/$defs/reference"}]));
    }
}
