//! Looking back: what runs keep, finding them again, and using what they made.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use jsonschema::Validator;
use serde_json::Value;

use crate::project::{Project, Ran};

fn git(project: &Project, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(arguments).current_dir(project.root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn json(project: &Project, arguments: &[&str]) -> Value {
    serde_json::from_str(&project.ok(arguments).stdout).unwrap()
}

/// The ids of the runs that a filter leaves, newest first.
fn ids(project: &Project, filter: &[&str]) -> Vec<String> {
    let runs = json(project, &[&["runs", "--json"], filter].concat());
    runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_keeps_what_went_in_what_came_out_and_what_was_not_committed() {
    let project = Project::regression().with(".gitignore", ".recipe/\n");
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "all"]);
    project.ok(&["run", "-m", "clean tree"]);
    project.edit("recipe.yaml", "alpha: 0.5", "alpha: 0.7");
    project.ok(&["run", "evaluate", "evaluate.bootstrap.samples=200"]);
    let [second, first] = ids(&project, &[]).try_into().unwrap();

    let run = json(&project, &["runs", &second[..6], "--json"]);
    assert_eq!((&run["status"], &run["git_branch"], &run["git_dirty"], &run["seed"]), (&"FINISHED".into(), &"main".into(), &true.into(), &42.into()));
    assert_eq!(run["command"], "recipe run evaluate evaluate.bootstrap.samples=200");
    assert_eq!(run["places"]["steps.train.estimator_params.alpha"], "recipe.yaml:17:31");
    assert_eq!(run["places"]["steps.evaluate.bootstrap.samples"], "command line");
    let input = &run["inputs"][0];
    assert_eq!((&input["step"], &input["name"]), (&"ingest".into(), &"data/houses.csv".into()));
    assert!(input["location"].as_str().unwrap().ends_with("houses/data/houses.csv"), "{input}");
    assert_eq!(input["digest"], blake3::hash(project.read("data/houses.csv").as_bytes()).to_hex().as_str());
    let output = |name: &str| run["outputs"].as_array().unwrap().iter().find(|output| output["name"] == name).unwrap().clone();
    assert_eq!((&output("ingested_data")["rows"], &output("ingested_data")["columns"]), (&240.into(), &5.into()));
    assert_eq!(output("model")["digest"], blake3::hash(&project.artifact("model")).to_hex().as_str());
    assert!(run["versions"]["train"]["estimator ridge"].is_number() && run["validated"] == true, "{run}");
    assert!(run["config"].as_str().unwrap().contains("alpha: 0.7"), "{run}");

    // With the patch the work tree is as it was.
    let patch = project.ok(&["runs", "latest", "--patch"]).stdout;
    assert!(patch.contains("+    estimator_params: {alpha: 0.7}"), "{patch}");
    project.write("was.patch", &patch);
    git(&project, &["checkout", "-q", "recipe.yaml"]);
    git(&project, &["apply", "was.patch"]);
    assert!(project.read("recipe.yaml").contains("alpha: 0.7"));
    assert!(project.recipe(&["runs", &first, "--patch"]).stderr.contains("the work tree was as its commit"));

    // Filters.
    let commit = run["git_commit"].as_str().unwrap().to_owned();
    for (filter, wanted) in [
        (&["--message", "clean"][..], vec![&first]),
        (&["--commit", &commit[..7], "--branch", "main"], vec![&second, &first]),
        (&["--since", "1h", "-n", "1"], vec![&second]),
        (&["--status", "failed"], vec![]),
        (&["--where", "val_r2_score>2"], vec![]),
        (&["--where", "val_r2_score>0", "--status", "Finished"], vec![&second, &first]),
    ] {
        assert_eq!(ids(&project, filter).iter().collect::<Vec<_>>(), wanted, "{filter:?}");
    }
    let hidden = project.recipe(&["runs", "--where", "test_r2_score>0"]);
    assert!(hidden.code == 2 && hidden.stderr.contains("test scores are hidden"), "{}", hidden.stderr);
    assert!(!project.ok(&["runs", "--json"]).stdout.contains("test_"));
    // A file that is gone is a run that failed, with what it got to.
    project.edit("recipe.yaml", "data/houses.csv", "data/other.csv");
    assert_eq!(project.recipe(&["run"]).code, 4);
    project.write("data/other.csv", "id,area,rooms,town,price\n1,1,1,a,b\n");
    assert_eq!(project.recipe(&["run"]).code, 4);
    let failed = json(&project, &["runs", "--status", "failed", "--json"]);
    let id = failed[0]["id"].as_str().unwrap();
    let steps = json(&project, &["runs", id, "--json"])["steps"].clone();
    let last = steps.as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["state"], &last["key"]), (&"failed".into(), &"".into()), "{steps}");
    assert!(project.ok(&["runs", id]).stdout.contains("FAILED"));
}

#[test]
fn what_a_run_made_is_shown_used_again_or_named_with_how_to_make_it() {
    let project = Project::regression();
    project.ok(&["run"]);
    let old = project.artifact("model");
    let first = ids(&project, &[])[0].clone();
    project.ok(&["run", "train.estimator_params.alpha=500"]);
    assert_ne!(project.artifact("model"), old);
    assert_eq!(project.artifact(&format!("{}:model", &first[..5])), old);
    assert_eq!(project.artifact("previous:model"), old);
    assert_eq!(project.ok(&["show", "previous:test_data", "--format", "csv"]).stdout, project.ok(&["show", "test_data", "--format", "csv"]).stdout);
    let champion = project.ok(&["artifact", "models:/houses/1:model"]).stdout;
    assert_eq!(std::fs::read(champion.trim()).unwrap(), old);
    let wrong = project.recipe(&["show", "previous:scored_data"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("has no result of `predict`"), "{}", wrong.stderr);

    // The earlier model is evaluated in the place of this recipe's own.
    let ran = project.ok(&["run", "evaluate", "train.estimator_params.alpha=900", "--use", &format!("train=run:{first}")]);
    assert!(ran.stderr.contains(&format!("train: used, from run {}", &first[..4])) && ran.executed().is_empty(), "{}", ran.stderr);
    assert_eq!(project.artifact("model"), old);
    assert!(project.ok(&["why", "train", "train.estimator_params.alpha=900"]).stdout.contains("0.5 → 900"));
    // Where it learned from other rows, that is said.
    let ran = project.ok(&["run", "evaluate", "seed=7", "--use", "train=run:previous"]);
    assert!(ran.stderr.contains("rows that it learned from may be among those it is tested on"), "{}", ran.stderr);
    for (arguments, says) in [
        (&["run", "--use", "train=latest"][..], "write STEP=run:ID"),
        (&["run", "--use", "register=run:latest"], "does something outside the cache"),
        (&["run", "split", "--use", "train=run:latest"], "`train` is no step of this run"),
        (&["run", "--use", "train=run:latest", "--force=train"], "cannot both run and be taken"),
        (&["run", "--use", "train=run:0000"], "no run `0000`"),
    ] {
        let ran = project.recipe(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{arguments:?}: {} {}", ran.code, ran.stderr);
    }

    project.ok(&["clean", "--all"]);
    for arguments in [&["show", &format!("{first}:model")][..], &["run", "--use", &format!("train=run:{first}")]] {
        let gone = project.recipe(arguments);
        assert!(gone.code == 4 && gone.stderr.contains(&format!("`train` of run {first} is no longer in the cache")), "{}", gone.stderr);
        assert!(gone.stderr.contains("hint: `recipe run` makes it again"), "{}", gone.stderr);
    }
}

#[test]
fn looks_at_test_scores_are_counted_and_shown() {
    let project = Project::regression().env("USER", "ada");
    project.ok(&["sweep", "transform.0.impute.strategy=median,mean"]);
    assert_eq!(project.recipe(&["run", "evaluate", "train.estimator_params.alpha=5000"]).code, 10);
    let board = json(&project, &["leaderboard", "--json"]);
    let runs = board["runs"].as_array().unwrap();
    let best = runs[0]["validation"].as_f64().unwrap();
    let (low, high) = (runs[0]["interval"]["low"].as_f64().unwrap(), runs[0]["interval"]["high"].as_f64().unwrap());
    assert!(low < best && best < high, "{board}");
    assert_eq!((&runs[0]["against_best"], &runs[1]["is_tied_with_best"], &runs[2]["is_tied_with_best"]), (&Value::Null, &true.into(), &false.into()));
    assert!(runs.iter().all(|run| run["microseconds_per_row"].as_f64().unwrap() > 0.0 && run["bytes"].as_u64().unwrap() > 100));
    assert_eq!(runs.iter().map(|run| &run["validated"]).collect::<Vec<_>>(), [&Value::Bool(true), &true.into(), &false.into()]);
    assert_eq!(board["looks"].as_array().unwrap().len(), 0);
    assert!(project.ok(&["leaderboard"]).stdout.ends_with("test scores: hidden until `--final`\n"));
    assert!(project.ok(&["leaderboard", "--final"]).stdout.contains("test scores: looked at once, "));
    project.ok(&["runs", "--final"]);
    let told = project.ok(&["leaderboard", "--quick"]).stdout;
    assert!(told.contains("test scores: hidden until `--final`; looked at 2 times, last ") && told.ends_with(" by ada\n"), "{told}");
    assert!(!told.contains("95 %") && project.ok(&["leaderboard"]).stdout.contains("95 %"), "{told}");
}

/// Holds every line of `recipe run --json` against the published schema; gives the events' names.
fn events(validator: &Validator, ran: &Ran) -> Vec<String> {
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let wrong: Vec<String> = validator.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{line}: {wrong:?}");
    }
    lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_are_as_their_schema_says() {
    let project = Project::regression();
    let published = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/events.json")).unwrap_or_default();
    let own = project.ok(&["schema", "events"]).stdout;
    assert!(published == own, "schemas/events.json is out of date: `cargo run -- schema events -o schemas/events.json`");
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&own).unwrap()).unwrap();
    assert!(validator.validate(&serde_json::json!({ "event": "step_started" })).is_err());
    project.edit(
        "recipe.yaml",
        "using: ridge\n    estimator_params: {alpha: 0.5}",
        "using: ridge\n    tuning: {algorithm: random, max_trials: 3, parameters: {alpha: {distribution: loguniform, low: 0.1, high: 10}}}",
    );

    let first = events(&validator, &project.recipe(&["run", "--json"]));
    assert_eq!((first.first().map(String::as_str), first.last().map(String::as_str)), (Some("started"), Some("finished")));
    for event in ["step_started", "progress", "step_done"] {
        assert!(first.iter().any(|name| name == event), "{event}: {first:?}");
    }
    let ran = project.recipe(&["run", "evaluate", "--json", "train.estimator_params.alpha=oops"]);
    assert_eq!((ran.code, events(&validator, &ran)), (3, vec!["failed".to_owned()]));
    let ran = project.recipe(&["run", "--json", "ingest.schema.price.max=1"]);
    assert_eq!(events(&validator, &ran), ["started", "step_started", "step_failed", "failed"]);
    let ran = project.recipe(&["run", "--json", "evaluate.validation_criteria=[{metric: r2_score, threshold: 2}]"]);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((events(&validator, &ran).last().unwrap().as_str(), &last["exit_code"], &last["verdict"]["validated"]), ("finished", &10.into(), &false.into()));
    let planned = project.ok(&["run", "--dry-run", "--json"]).stdout;
    assert_eq!(planned, project.ok(&["status", "--json"]).stdout);

    // A signal has its last line too.
    let slow = ["run", "--json", "~train.tuning", "train.using=gradient_boosting", "train.estimator_params={n_estimators: 100000, min_child_samples: 2}"];
    let mut child = project.command(&slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("\"unit\":\"rounds\"")));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let last: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exit_code"], child.wait().unwrap().code()), (&"failed".into(), &130.into(), Some(130)));
    assert!(validator.validate(&last).is_ok(), "{last}");
}

#[test]
fn the_graph_shows_what_goes_from_step_to_step_at_any_width() {
    let project = Project::regression();
    project.ok(&["run"]);
    project.edit("recipe.yaml", "alpha: 0.5", "alpha: 0.7");
    for width in [40, 80, 120] {
        let text = Ran::of(&project.command(&["inspect"]).env("COLUMNS", width.to_string()).output().unwrap()).stdout;
        assert!(text.lines().filter(|line| !line.starts_with("cards: ")).all(|line| line.chars().count() <= width), "{width}\n{text}");
        let flat = text.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for says in ["ingested_data 240 × 5 → split", "→ transform, train, evaluate, register", "config `estimator_params.alpha`: 0.5 → 0.7"] {
            assert!(flat.contains(says), "{width} {says}\n{text}");
        }
    }
    let graph = json(&project, &["inspect", "--json"]);
    let steps = graph["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["state"].as_str().unwrap()).collect::<Vec<_>>(), ["fresh", "fresh", "fresh", "stale", "waiting", "waiting"]);
    let edge = serde_json::json!({ "from": "ingest", "to": "split", "artifact": "ingested_data", "rows": 240, "columns": 5 });
    assert!(graph["edges"].as_array().unwrap().contains(&edge), "{graph}");
    // A criterion is whole where it fits, and wrapped where it does not.
    for (width, says) in [(40, "root_mean_squared_error"), (80, "r2_score ≥ 0.5")] {
        let text = Ran::of(&project.command(&["inspect", "evaluate"]).env("COLUMNS", width.to_string()).output().unwrap()).stdout;
        assert!(text.contains(says) && text.lines().filter(|line| !line.starts_with("card: ")).all(|line| line.chars().count() <= width), "{text}");
    }
    // The overview knows what no longer is as the recipe says.
    project.ok(&["run", "train"]);
    let index = project.read(".recipe/cards/houses/index.html");
    assert!(index.contains("stale: input <code>model</code> changed"), "{index}");
    // A card is that of the last run, and says so where that had other settings.
    project.ok(&["run"]);
    assert_eq!(project.recipe(&["run", "evaluate", "evaluate.validation_criteria.0.threshold=2"]).code, 10);
    let note = "its card shows a run with other settings; `recipe run evaluate` draws it anew";
    assert!(project.ok(&["inspect"]).stdout.replace("│   ", "").contains(note));
    let looked = project.recipe(&["inspect", "evaluate"]);
    assert!(looked.code == 10 && looked.stdout.trim_end().ends_with(note), "{}", looked.stdout);
    project.ok(&["run"]);
    assert!(!project.ok(&["inspect"]).stdout.contains("other settings") && !project.ok(&["inspect", "evaluate"]).stdout.contains("other settings"));
    // A step that failed shows why, with the place and the exit code.
    assert_eq!(project.recipe(&["run", "ingest.schema.price.max=1"]).code, 4);
    let failed = project.recipe(&["inspect", "ingest"]);
    assert!(failed.code == 4 && failed.stdout.starts_with("ingest FAILED\n") && failed.stdout.contains("price"), "{}", failed.stdout);
    assert!(project.ok(&["inspect"]).stdout.contains("it failed when it last ran"));
    let twin: Value = serde_json::from_str(&project.recipe(&["inspect", "ingest", "--json"]).stdout).unwrap();
    assert_eq!((&twin["state"], &twin["exit_code"]), (&"failed".into(), &4.into()));
    project.ok(&["run"]);
    assert!(project.ok(&["inspect", "ingest"]).stdout.contains("card: "));
}

/// What a shell is offered for the last word.
fn offered(project: &Project, words: &[&str]) -> Vec<String> {
    let mut command = project.command(&[&["--", "recipe"], words].concat());
    command.env("RECIPE_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    Ran::of(&command.output().unwrap()).stdout.lines().map(str::to_owned).collect()
}

/// Bash breaks words at `=`, `:` and `@`, gives the function what stands behind the last break, and puts the answer there.
fn in_bash(project: &Project) {
    let script = project.ok(&["completions", "bash"]).stdout + "\n_recipe recipe \"$last\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    for (line, words, last, wanted) in [
        ("recipe run train.using=ri", "recipe run train.using = ri", "ri", "ridge"),
        ("recipe run train.using=", "recipe run train.using =", "", "ridge"),
        ("recipe diff latest models:/houses@", "recipe diff latest models :/houses @", "", "champion"),
        ("recipe show latest:mod", "recipe show latest : mod", "mod", "model"),
        ("recipe run -p  p", "recipe run -p p", "p", "prod"),
        ("recipe why ", "recipe why ''", "", "evaluate"),
    ] {
        let set =
            format!("COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE='{line}' COMP_POINT={} COMP_TYPE=9 last='{last}'\n", line.len());
        let mut bash = Command::new("bash");
        let bin = Path::new(env!("CARGO_BIN_EXE_recipe")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let Ok(output) = bash.args(["--norc", "-c", &(set + &script)]).env("PATH", path).current_dir(project.root()).output() else {
            eprintln!("bash is not here, so its completions are not tried");
            return;
        };
        let ran = Ran::of(&output);
        assert!(ran.stdout.lines().any(|offer| offer.trim_end() == wanted), "{line}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn shells_are_offered_what_the_project_has() {
    let project = Project::regression().with("profiles/prod.yaml", "seed: 7\n").with("profiles/local.yaml", "seed: 8\n");
    project.ok(&["run", "-p", "prod", "-m", "first"]);
    let run = ids(&project, &[])[0].clone();
    for (words, wanted) in [
        (&["run", "tra"][..], &["train", "transform", "train.using=", "train.estimator_params.alpha="][..]),
        (&["run", "steps.train.u"], &["steps.train.using="]),
        // Keys that are not set yet.
        (&["run", "train.estimator_params.f"], &["train.estimator_params.fit_intercept="]),
        (&["run", "predict.output.s"], &["predict.output.save_mode="]),
        (&["run", "train.using=ri"], &["train.using=ridge"]),
        (&["run", "-p", "p"], &["prod"]),
        (&["why", "ev"], &["evaluate"]),
        (&["runs", &run[..3]], &[run.as_str()]),
        (&["diff", "la"], &["latest"]),
        (&["show", "test"], &["test_data"]),
        (&["show", "latest:mod"], &["latest:model"]),
        (&["predict", "models:/houses@"], &["models:/houses@champion"]),
        (&["models", "rollback", "houses", "ch"], &["champion"]),
        (&["list", "ridge"], &["ridge", "ridge_classifier"]),
    ] {
        let found = offered(&project, words);
        for value in wanted {
            assert!(found.iter().any(|found| found == value), "{words:?} {value}: {found:?}");
        }
    }
    let used = offered(&project, &["run", "--use", "train=run:"]);
    assert_eq!(used, [format!("train=run:{run}")]);
    // Where there is nothing to look at, there is nothing to say.
    assert!(offered(&Project::empty(), &["run", "seed"]).is_empty());
    in_bash(&project);
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.ok(&["completions", shell]).stdout.contains("RECIPE_COMPLETE"), "{shell}");
    }
}
