//! Scoring data that is like training data, and data that is not: what each `on_fail` writes, says and exits with.

use crate::project::{Project, houses};

/// A regression that scores `data/new.csv`.
fn project(predict: &str, new: &str) -> Project {
    let project = Project::regression().with("data/new.csv", new);
    let recipe = project.read("recipe.yaml") + &format!("  ingest_scoring: {{location: data/new.csv}}\n  predict:\n    {predict}\n");
    project.write("recipe.yaml", recipe);
    project.ok(&["run"]);
    project
}

fn gated(gate: &str, new: &str) -> Project {
    project(&format!("output: {{location: out/scored.csv}}\n    gates: {{drift: {{{gate}}}}}"), new)
}

/// Houses of which every fourth is larger than any other and stands in a town that is new.
fn shifted() -> String {
    let move_row = |(i, line): (usize, &str)| {
        let cells: Vec<&str> = line.split(',').collect();
        match i {
            0 => line.to_owned(),
            i if i % 4 == 0 => format!("{},{},{},Moon,{}", cells[0], 900 + i, cells[2], cells[4]),
            _ => line.to_owned(),
        }
    };
    houses(240).lines().enumerate().map(move_row).collect::<Vec<_>>().join("\n") + "\n"
}

fn rows(project: &Project, file: &str) -> usize {
    project.read(file).lines().count() - 1
}

#[test]
fn equal_rows_pass_the_gate_and_the_card_shows_every_column() {
    let project = gated("", &houses(240));
    let ran = project.ok(&["run", "predict"]);
    assert!(!ran.stderr.contains("differs"), "{}", ran.stderr);
    assert_eq!(rows(&project, "out/scored.csv"), 240);
    let card = project.ok(&["inspect", "predict"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["no column lies further from training than chance would bring it", "Drift per column", "prediction (against validation)", "training", "scored"]
    {
        assert!(card.contains(said), "{said}\n{card}");
    }
    let twin: serde_json::Value = serde_json::from_str(&project.read(".recipe/cards/houses/predict.json")).unwrap();
    assert!(!twin.to_string().contains("rows a second"), "what is stored holds no time");
    assert!(project.read(".recipe/cards/houses/predict.html").contains("rows a second"));
}

#[test]
fn drift_stops_the_output_whether_it_is_found_or_remembered() {
    let project = gated("method: jensenshannon, on_fail: error", &shifted());
    for executed in ["ingest_scoring predict", ""] {
        let ran = project.recipe(&["run", "predict"]);
        assert_eq!((ran.code, ran.executed().as_str()), (10, executed), "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing was written:") && ran.stderr.contains("`area` (Jensen–Shannon distance 0."), "{}", ran.stderr);
        assert!(!project.path("out/scored.csv").exists());
    }
    let card = project.recipe(&["inspect", "predict"]);
    assert_eq!(card.code, 10);
    assert!(card.stdout.contains("Nothing was written: `"), "{}", card.stdout);

    // Only columns that the gate looks at can fail it.
    let ran = project.ok(&["run", "predict", "predict.gates.drift.columns=[rooms]"]);
    assert!(!ran.stderr.contains("differs from training"), "{}", ran.stderr);
    assert_eq!(rows(&project, "out/scored.csv"), 240);
}

#[test]
fn drift_is_told_and_all_rows_are_written_where_that_is_asked_for_or_no_gate_is_set() {
    for project in [gated("method: wasserstein, on_fail: warn", &shifted()), project("output: {location: out/scored.csv}", &shifted())] {
        let ran = project.ok(&["run", "predict"]);
        for said in ["`area` differs from training: ", "`town` has 1 value that training did not have: Moon"] {
            assert!(ran.stderr.contains(said), "{said}\n{}", ran.stderr);
        }
        assert_eq!(rows(&project, "out/scored.csv"), 240);
    }
}

#[test]
fn rows_that_hold_what_training_never_had_go_to_a_file_of_their_own() {
    let project = gated("on_fail: quarantine", &shifted());
    let ran = project.ok(&["run", "predict"]);
    assert!(ran.stderr.contains("went to `out/scored.quarantine.csv`"), "{}", ran.stderr);
    let (kept, aside) = (project.read("out/scored.csv"), project.read("out/scored.quarantine.csv"));
    assert_eq!(kept.lines().count() + aside.lines().count(), 242);
    assert!(!kept.contains("Moon") && !kept.contains("quarantine_reason"));
    assert_eq!(aside.lines().filter(|line| line.contains("`town` is new: Moon")).count(), 60, "{aside}");
    assert!(aside.lines().next().unwrap().ends_with(",prediction,quarantine_reason"), "{aside}");
    assert!(aside.lines().skip(1).all(|line| line.contains(", above ") || line.contains(", below ") || line.contains("is new")), "{aside}");

    assert_eq!(project.executed(&["run", "predict"]), "");
    std::fs::remove_file(project.path("out/scored.quarantine.csv")).unwrap();
    assert_eq!(project.executed(&["run", "predict"]), "predict");
    assert_eq!(project.read("out/scored.quarantine.csv"), aside);

    project.write("data/new.csv", houses(240).lines().take(30).collect::<Vec<_>>().join("\n") + "\n");
    project.ok(&["run", "predict"]);
    assert!(project.read("out/scored.quarantine.csv").lines().count() < 5, "the file is that of the last run");
}

#[test]
fn labels_are_held_against_those_of_validation() {
    let project = Project::classification().with("data/new.csv", &crate::project::loans(300).replace(",clerk,", ",robot,"));
    let recipe = project.read("recipe.yaml")
        + "  ingest_scoring: {location: data/new.csv}\n  predict: {gates: {drift: {method: wasserstein}}}\n  register: {allow_non_validated_model: true}\n";
    project.write("recipe.yaml", recipe);
    project.ok(&["run"]);
    let ran = project.recipe(&["run", "predict"]);
    assert!(ran.code == 10 && ran.stderr.contains("`job` (Wasserstein distance 0.2"), "{}", ran.stderr);
    assert!(project.recipe(&["inspect", "predict"]).stdout.contains("predicted_label (against validation)"));
}

#[test]
fn a_gate_that_makes_no_sense_is_named() {
    let project = gated("", &houses(240));
    let refused = project.recipe(&["validate", "predict.gates.drift={threshold: -1, columns: [], on_fail: quarantine}", "~steps.predict.output"]);
    assert_eq!(refused.code, 3);
    for said in ["a threshold is a number above 0", "`columns` names no column", "`quarantine` wants an `output`"] {
        assert!(refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
    let refused = project.recipe(&["run", "predict", "predict.gates.drift.columns=[aera, town]"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("the model reads no such columns: `aera` (did you mean `area`?)"), "{}", refused.stderr);
}
