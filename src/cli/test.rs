//! `recipe test`: a recipe's own golden test.

use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::error::{Error, Kind, Result, counted};
use crate::recipe::Recipe;
use crate::run::golden::{self, Difference, Rows};

/// Differences that are printed.
const SHOWN: usize = 100;

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Write down what the chain gives now; the first time, also the rows it is run on.
    #[arg(long)]
    bless: bool,
    /// With --bless: draw the rows anew although there are some.
    #[arg(long, requires = "bless")]
    resample: bool,
    /// With --bless: make rows up, so that none of the data is kept.
    #[arg(long, requires = "bless")]
    synthetic: bool,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
    /// KEY=VALUE overrides.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub fn test(program: &Program, args: &TestArgs) -> Result<ExitCode> {
    let recipe = program.load(&args.overrides)?;
    let on_rows = |recipe: &Recipe| -> Result<serde_json::Value> {
        // The same recipe, on the rows that are kept.
        let overrides: Vec<String> = args.overrides.iter().cloned().chain(golden::overrides(recipe)).collect();
        golden::found(program.load(&overrides)?)
    };
    if args.bless {
        return bless(program, args, &recipe, on_rows);
    }
    let expected = golden::expected(&recipe)?;
    let differences = golden::differences(&expected, &on_rows(&recipe)?);
    if args.json {
        let list: Vec<serde_json::Value> =
            differences.iter().map(|d| serde_json::json!({ "place": d.place, "expected": d.expected, "found": d.found })).collect();
        out(&format!("{}\n", serde_json::json!({ "recipe": recipe.name, "passed": list.is_empty(), "differences": list })))?;
        return Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Kind::Gate.exit_code()) });
    }
    if differences.is_empty() {
        let count = |key: &str| expected.get(key).and_then(serde_json::Value::as_object).map_or(0, |map| map.len() as u64);
        out(&format!("{}: as expected ({}, {})\n", recipe.name, counted(count("metrics"), "metric"), properties(count("properties"))))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text: String = differences.iter().take(SHOWN).map(line).collect();
    if differences.len() > SHOWN {
        text.push_str(&format!("and {} more\n", differences.len() - SHOWN));
    }
    out(&text)?;
    Err(Error::new(Kind::Gate, format!("`{}` does not do what its golden test expects: {}", recipe.name, counted(differences.len() as u64, "difference")))
        .hint("if it is meant to, `recipe test --bless` writes it down; the change of `expected.json` shows what it is"))
}

fn bless(program: &Program, args: &TestArgs, recipe: &Recipe, on_rows: impl Fn(&Recipe) -> Result<serde_json::Value>) -> Result<ExitCode> {
    let wanted = match (args.synthetic, args.resample) {
        (true, _) => Rows::MadeUp,
        (false, true) => Rows::Drawn,
        (false, false) => Rows::Kept,
    };
    let (rows, count) = golden::make_rows(recipe, wanted)?;
    let found = on_rows(recipe)?;
    golden::write(recipe, &found)?;
    let from = match rows {
        Rows::Drawn => "drawn from the recipe's data",
        Rows::MadeUp => "made up",
        Rows::Kept => "that were there",
    };
    let dir = super::run::shown(program, &golden::dir(recipe));
    if args.json {
        out(&format!("{}\n", serde_json::json!({ "recipe": recipe.name, "blessed": dir, "rows": count, "from": from })))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}: written to {dir}, {} {from}\n", recipe.name, counted(count as u64, "row"));
    for (what, outcome) in found.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten() {
        if let Some(refused) = outcome.as_str().filter(|outcome| outcome.starts_with("refused") || *outcome == "matters") {
            text.push_str(&format!("  {what}: {refused}\n"));
        }
    }
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn properties(count: u64) -> String {
    format!("{count} {}", if count == 1 { "property" } else { "properties" })
}

fn line(difference: &Difference) -> String {
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "nothing".to_owned(),
        value => crate::error::shorten(&value.to_string()),
    };
    format!("{}: expected {}, found {}\n", crate::error::shorten(&difference.place), shown(&difference.expected), shown(&difference.found))
}
