//! What runs now: a part of a page that the script asks for again each second.

use chrono::Utc;
use minijinja::context;
use serde::Serialize;

use super::Ui;
use super::address::{Query, encoded};
use super::page::{fragment, short};
use crate::card::format;
use crate::card::html::given;
use crate::error::Result;
use crate::run::{Now, under_way};
use crate::serve::http::Answer;

/// A run that is under way.
#[derive(Serialize)]
struct Under {
    run: String,
    href: String,
    recipe: String,
    since: String,
    steps: Vec<StepView>,
    /// What the step at work does: `train · 120 of 500 rounds`.
    doing: String,
    /// From 0 to 100, where it is known.
    percent: Option<u64>,
}

#[derive(Serialize)]
struct StepView {
    name: String,
    state: &'static str,
    seconds: String,
}

/// The runs under way: all, those of a recipe, or one.
pub fn page(ui: &Ui, query: &Query) -> Result<Answer> {
    let wanted = |now: &Now| query.get("recipe").is_none_or(|recipe| now.recipe == recipe) && query.get("run").is_none_or(|run| now.run == run);
    let runs: Vec<Now> = under_way(&ui.store()?)?.into_iter().filter(wanted).collect();
    let ids: Vec<&str> = runs.iter().map(|now| now.run.as_str()).collect();
    fragment("live.html", context! { ids => ids.join(" "), runs => given(&runs.iter().map(under).collect::<Vec<_>>()) })
}

/// Where a page asks for a recipe's runs.
pub fn of_recipe(name: &str) -> String {
    format!("/live?recipe={}", encoded(name))
}

fn under(now: &Now) -> Under {
    let at = Utc::now().timestamp_millis();
    // Whole seconds, since the next look is a second away.
    let since = |ms: i64| match (at - ms).max(0) / 1000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format::seconds(seconds as f64),
    };
    let step = |name: &String| {
        let done = now.done.iter().find(|(step, ..)| step == name);
        let state = match done {
            Some((_, state, _)) if state == "executed" => "done",
            Some(_) => "cached",
            None if *name == now.step => "running",
            None => "waiting",
        };
        StepView { name: short(name), state, seconds: done.map_or_else(String::new, |(_, _, seconds)| format::seconds(*seconds)) }
    };
    let count = now.count.as_ref().map(|count| match count.of {
        Some(of) => format!("{} of {} {}", format::count(count.done), format::count(of), count.what),
        None => format!("{} {}", format::count(count.done), count.what),
    });
    let doing = [Some(now.step.clone()), Some(now.doing.clone()).filter(|doing| !doing.is_empty()), count, Some(since(now.step_ms))];
    Under {
        run: short(&now.run),
        href: format!("/runs/{}", encoded(&now.run)),
        recipe: short(&now.recipe),
        since: since(now.started_ms),
        steps: now.chain.iter().map(step).collect(),
        doing: short(&doing.into_iter().flatten().collect::<Vec<_>>().join(" · ")),
        percent: now.count.as_ref().and_then(|count| Some((count.done.saturating_mul(100) / count.of.filter(|of| *of > 0)?).min(100))),
    }
}
