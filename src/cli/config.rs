//! `recipe config`: the configuration as it is used, who set it, and how profiles differ.

use std::mem::ManuallyDrop;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::terminal::Style;
use super::{Program, out};
use crate::error::{Error, Result};
use crate::recipe::compose::{Composed, compose};
use crate::recipe::document::Document;
use crate::recipe::explain::{differences, one_line};
use crate::recipe::overrides::is_override;
use crate::value::{Path, Value, display_path, path_of};

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// A KEY such as steps.train, and KEY=VALUE overrides.
    #[arg(value_name = "KEY | KEY=VALUE", add = super::complete::keys_and_overrides())]
    words: Vec<String>,
    /// Every place that set KEY, which one won, and which steps a change of it reaches.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["diff", "output"])]
    explain: Option<String>,
    /// Only what is different with another profile.
    #[arg(long, value_name = "PROFILE", conflicts_with = "output")]
    diff: Option<String>,
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    /// Leave `${…}` as it is written.
    #[arg(long)]
    unresolved: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Yaml,
    Json,
    Toml,
}

pub fn config(program: &Program, args: &ConfigArgs) -> Result<ExitCode> {
    let (overrides, mut keys): (Vec<String>, Vec<String>) = args.words.iter().cloned().partition(|word| is_override(word));
    keys.extend(args.explain.iter().filter(|key| !key.is_empty()).cloned());
    if keys.len() > 1 {
        return Err(Error::usage(format!("one key is wanted, got {}: {}", keys.len(), keys.join(", "))).hint("a key has dots: `recipe config steps.train`"));
    }
    let path: Path = keys.first().map(|key| path_of(key)).unwrap_or_default();
    // The program ends with it: giving thousands of values back one by one was 8 % of its time.
    let composed = ManuallyDrop::new(compose(&program.selection(&overrides))?);
    let text = if args.explain.is_some() {
        explained(program, &composed, &path)?
    } else if let Some(profile) = &args.diff {
        let mut selection = program.selection(&overrides);
        selection.profiles = vec![profile.clone()];
        difference(program, &composed, &compose(&selection)?, &path)
    } else {
        let document = if args.unresolved { &composed.merged } else { &composed.document };
        let Some(value) = document.value.at(&path) else {
            composed.explain(&path)?;
            return Err(Error::usage(format!("`{}` was removed", display_path(&path))).hint("`--explain` shows by what"));
        };
        rendered(value, args.output)?
    };
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn rendered(value: &Value, format: Format) -> Result<String> {
    Ok(match format {
        Format::Yaml => Document::of(value.clone()).to_yaml(),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(value).map_err(|error| Error::bug(error.to_string()))?),
        Format::Toml => {
            let value = without_nulls(value);
            if !matches!(value, Value::Map(_)) {
                return Err(Error::usage(format!("TOML files are tables; this is {}", value.kind())).hint("`-o yaml` and `-o json` take any value"));
            }
            toml::to_string_pretty(&value).map_err(|error| Error::usage(format!("cannot be written as TOML: {error}")).hint("use `-o yaml` or `-o json`"))?
        }
    })
}

/// TOML has no null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(map.iter().filter(|(_, value)| **value != Value::Null).map(|(key, value)| (key.clone(), without_nulls(value))).collect()),
        Value::List(items) => Value::List(items.iter().filter(|value| **value != Value::Null).map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

fn explained(program: &Program, composed: &Composed, path: &Path) -> Result<String> {
    let mut text = String::new();
    let explained = composed.explain(path)?;
    let many = explained.len() > 1;
    for one in explained {
        let value = one.value.clone().unwrap_or_else(|| "(removed)".to_owned());
        text.push_str(&format!("{} = {value}\n", display_path(&one.path)));
        let width = one.settings.iter().map(|setting| setting.place.to_string().chars().count()).max().unwrap_or(0);
        for setting in &one.settings {
            let place = setting.place.to_string();
            let name = if place.starts_with(&setting.layer) { String::new() } else { format!("  ({})", setting.layer) };
            let line = format!("  {place:<width$}  {}{name}", setting.value);
            text.push_str(&if setting.wins {
                format!("{line}  {}\n", program.terminal.paint("<- wins", Style::Good))
            } else {
                format!("{}\n", program.terminal.paint(&line, Style::Dim))
            });
        }
        if !many {
            let steps = composed.reaches(&one.path);
            let steps = if steps.is_empty() { "no step: the results stay as they are".to_owned() } else { steps.join(", ") };
            text.push_str(&format!("a change reaches: {steps}\n"));
        }
    }
    if many {
        let steps = composed.reaches(path);
        text.push_str(&format!("a change reaches: {}\n", if steps.is_empty() { "no step".to_owned() } else { steps.join(", ") }));
    }
    Ok(text)
}

fn difference(program: &Program, here: &Composed, there: &Composed, path: &Path) -> String {
    let nothing = Value::Null;
    let (old, new) = (here.document.value.at(path).unwrap_or(&nothing), there.document.value.at(path).unwrap_or(&nothing));
    let label = |composed: &Composed| if composed.profiles.is_empty() { "no profile".to_owned() } else { composed.profiles.join("+") };
    let mut text = String::new();
    differences(old, new, &mut path.clone(), &mut |path, old, new| {
        let key = display_path(path);
        text.push_str(&match (old, new) {
            (Some(old), Some(new)) => format!("~ {key}: {} → {}\n", one_line(old), one_line(new)),
            (None, Some(new)) => program.terminal.paint(&format!("+ {key}: {}\n", one_line(new)), Style::Good),
            (Some(old), None) => program.terminal.paint(&format!("- {key}: {}\n", one_line(old)), Style::Bad),
            (None, None) => String::new(),
        });
    });
    if text.is_empty() {
        return format!("`{}` and `{}` give the same configuration\n", label(here), label(there));
    }
    format!("{} → {}\n{text}", label(here), label(there))
}
