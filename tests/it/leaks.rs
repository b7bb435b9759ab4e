//! Columns that give the target away stop a run, with the remedy; the remedy works.

use crate::project::{Project, houses};

/// `houses` with the price in cents.
fn leaky() -> String {
    let text = houses(200);
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let price = head.split(',').position(|name| name == "price").unwrap();
    let rows = lines.map(|line| {
        let cents = line.split(',').nth(price).unwrap().parse::<f64>().unwrap() * 100.0;
        format!("{line},{cents:.1}\n")
    });
    format!("{head},paid\n{}", rows.collect::<String>())
}

#[test]
fn a_certain_leak_stops_the_run_and_its_remedies_work() {
    let project = Project::regression().with("data/houses.csv", &leaky());
    let auto = "steps.transform=auto";
    let refused = project.recipe(&["run", auto]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("the target leaks into the features: the target rises or falls with `paid` on 100.0 % of the rows"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`roles: {paid: ignore}`") && refused.stderr.contains("`steps.train.leaks: {allow: [paid]}`"), "{}", refused.stderr);
    let typo = project.recipe(&["run", auto, "+steps.train.leaks.allow=[payd]"]);
    assert!(typo.code == 3 && typo.stderr.contains("did you mean `paid`?"), "{}", typo.stderr);

    let warned = project.ok(&["run", "train", auto, "+steps.train.leaks.on_certain=warn"]);
    assert!(warned.stderr.contains("a certain leak: the target rises or falls with `paid`"), "{}", warned.stderr);
    let card = project.ok(&["inspect", "train"]).stdout;
    assert!(card.contains("── Leaks") && card.contains("What may give the target away"), "{card}");

    let allowed = project.ok(&["run", "train", auto, "+steps.train.leaks.allow=[paid]", "+roles.id=id"]);
    assert!(!allowed.stderr.contains("leak"), "{}", allowed.stderr);
    let ignored = project.ok(&["run", "train", auto, "+roles={id: id, paid: ignore}"]);
    assert!(!ignored.stderr.contains("leak"), "{}", ignored.stderr);
    let card = project.ok(&["inspect", "train"]).stdout;
    assert!(card.contains("Nothing gives the target away") && card.contains("How well each column predicts the target alone"), "{card}");
}

#[test]
fn clean_recipes_raise_nothing_and_identifiers_are_named() {
    let run = Project::classification().ok(&["run", "train"]);
    assert!(!run.stderr.contains("leak"), "{}", run.stderr);
    let houses = Project::regression();
    let run = houses.ok(&["run", "train", "+roles.id=id"]);
    assert!(!run.stderr.contains("leak"), "{}", run.stderr);
    let run = houses.ok(&["run", "train"]);
    assert!(run.stderr.contains("a possible leak: `id` has another value in nearly every row"), "{}", run.stderr);
}
