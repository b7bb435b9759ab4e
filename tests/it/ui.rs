//! `recipe ui`: whom it answers, that it only looks, and its pages as a browser sees them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cards::{browser, hostile};
use crate::project::{Project, Ran};

/// A server that is ended with the test.
struct Ui {
    child: Child,
    address: String,
}

type Answer = (u16, BTreeMap<String, String>, String);

impl Ui {
    fn start(project: &Project) -> Self {
        let mut child = project.command(&["ui", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        // Slashes are written so that no text can end anything.
        (status, headers, body.replace("&#x2f;", "/"))
    }

    fn get(&self, path: &str) -> String {
        let (status, _, body) = self.request("GET", path, "", "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Told to stop as with Ctrl-C; gives the exit code.
    fn stop(mut self) -> Option<i32> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file of `.recipe` with its content; `SQLite` keeps its locks in the index of its log.
fn contents(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![project.path(".recipe")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if !entry.ends_with("runs.db-shm") {
                found.insert(entry.display().to_string(), fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// The ids of the runs that a page of runs shows, in its order.
fn listed(page: &str) -> Vec<String> {
    page.split("name=\"run\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// A project with three runs that trained and two that scored.
fn tried() -> Project {
    let project = Project::regression().with("data/new.csv", "id,area,rooms,town\n1,50,2,North\n2,90,,Lake\n3,150,5,Lake\n");
    let scoring = "  ingest_scoring: {location: data/new.csv}\n  predict: {output: {location: out/scored.csv}}\n";
    project.write("recipe.yaml", project.read("recipe.yaml") + scoring);
    project.write("profiles/local.yaml", "vars: {who: me}\n");
    project.write("profiles/other.yaml", "steps: {train: {estimator_params: {alpha: 9}}}\n");
    for alpha in ["0.5", "7", "20"] {
        project.ok(&["run", &format!("steps.train.estimator_params.alpha={alpha}"), "-m", &format!("alpha {alpha}")]);
    }
    project.ok(&["run", "predict"]);
    project.write("data/new.csv", "id,area,rooms,town\n1,159,5,Lake\n2,158,5,Lake\n");
    project.ok(&["run", "predict"]);
    project
}

#[test]
fn only_this_machine_s_pages_are_answered_and_nothing_is_written() {
    let project = tried();
    let before = contents(&project);
    let ui = Ui::start(&project);

    // Whom it answers.
    for headers in ["Host: evil.test\r\n", "Host: 127.0.0.1.evil.test\r\n", "Origin: http://evil.test\r\n", "Origin: null\r\n"] {
        assert_eq!(ui.request("GET", "/", headers, "").0, 403, "{headers}");
        assert_eq!(ui.request("POST", "/models/houses/1/predict", headers, "c0=1").0, 403, "{headers}");
    }
    let own = format!("Origin: http://{}\r\n", ui.address);
    let (status, headers, _) = ui.request("GET", "/", &own, "");
    let policy = &headers["content-security-policy"];
    assert!(status == 200 && policy.contains("default-src 'none'") && policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && headers["x-content-type-options"] == "nosniff" && headers["referrer-policy"] == "same-origin");
    assert!(!headers.keys().any(|name| name.starts_with("access-control")), "{headers:?}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(ui.request(method, "/runs", &own, "").0, 405, "{method}");
    }
    for path in ["/nothing", "/recipes/other", "/recipes/houses/../../x.html", "/recipes/houses/%2e%2e%2fx.html", "/runs/ffffffff", "/models/x", "/assets/x"] {
        assert_eq!(ui.request("GET", path, "", "").0, 404, "{path}");
    }

    // Every page, and that there is on it what it is for.
    let home = ui.get("/");
    assert!(home.contains("last validation rmse") || home.contains("last validation"), "{home}");
    assert!(home.contains(">fresh") && home.contains("href=\"/recipes/houses/ingest.html\""), "{home}");
    let recipe = ui.get("/recipes/houses");
    assert!(recipe.contains("Validation metric of past runs") && recipe.contains("Drift over time") && recipe.contains("<code>area</code>"), "{recipe}");
    let config = ui.get("/recipes/houses/config");
    assert!(config.contains("recipe.yaml:17:31") && config.contains("profile local") && !config.contains("other.yaml:1"), "{config}");
    let other = ui.get("/recipes/houses/config?profile=other");
    assert!(other.contains("profiles/other.yaml:1:43") && other.contains("0.5 <small>recipe.yaml:17:31"), "{other}");
    let runs = ui.get("/runs");
    let ids = listed(&runs);
    assert_eq!(ids.len(), 5);
    assert!(runs.contains("alpha 20") && !runs.contains("test_") && !runs.contains("test r2"), "{runs}");
    let best_first = listed(&ui.get("/runs?recipe=houses&sort=score"));
    assert_eq!(best_first.iter().position(|id| *id == ids[4]), Some(0), "the smallest alpha has the smallest error: {best_first:?}, {ids:?}");
    assert_eq!(listed(&ui.get("/runs?status=finished&sort=score&order=desc"))[0], ids[2]);
    assert!(listed(&ui.get("/runs?status=failed")).is_empty());
    let run = ui.get(&format!("/runs/{}", ids[2]));
    assert!(run.contains("alpha 20") && run.contains("test r2") && run.contains("data/houses.csv") && run.contains("Compare with the run before"), "{run}");
    let card = ui.get(&format!("/runs/{}/train.html", ids[4]));
    assert!(card.contains("alpha") && card.contains("0.5") && card.contains("tab-list"), "{card}");
    let two = ui.get(&format!("/compare?run={}&run={}", ids[4], ids[2]));
    assert!(two.contains("steps.train.estimator_params.alpha") && two.contains("Metrics on test rows") && two.contains("worse by"), "{two}");
    let three = ui.get(&format!("/compare?run={}&run={}&run={}", ids[4], ids[3], ids[2]));
    assert!(three.contains("3 runs side by side") && three.contains("estimator_params.alpha") && three.contains("validation r2_score"), "{three}");
    assert!(!three.contains("test_") && !three.contains("test r2"), "test scores of many do not stand side by side: {three}");
    assert!(ui.get("/compare").contains("Tick two or more"));
    let model = ui.get("/models/houses");
    assert!(ui.get("/models").contains("champion → v3") && model.contains("alias champion: v2 → v3") && model.contains("/models/houses/2/predict"), "{model}");

    // One row, with its reasons; values that do not fit come back beside their fields.
    let form = ui.get("/models/houses/1/predict");
    let field =
        |name: &str| form.split("<label for=\"").skip(1).find(|rest| rest.contains(&format!(">{name}<"))).map(|rest| rest.split('"').next().unwrap()).unwrap();
    let (id, area, town) = (field("id"), field("area"), field("town"));
    let post = |body: &str| ui.request("POST", "/models/houses/1/predict", &own, body);
    project.write("one.csv", "id,area,rooms,town\n5,100,,Lake\n");
    project.ok(&["predict", "models:/houses/1", "one.csv", "-o", "one.json"]);
    let wanted: f64 = project.read("one.json").split("\"prediction\":").nth(1).unwrap().split(['}', ',']).next().unwrap().trim().parse().unwrap();
    let (status, _, said) = post(&format!("{id}=5&{area}=100&{town}=Lake"));
    assert!(status == 200 && said.contains("What each column adds") && said.contains("area = 100"), "{said}");
    let shown: f64 = said.split("<output form=\"row\">").nth(1).unwrap().split('<').next().unwrap().replace(',', "").parse().unwrap();
    assert!((shown - wanted).abs() < 0.001 * wanted, "{shown} {wanted}");
    let (status, _, refused) = post(&format!("{area}=%3Cb%3Emany&{town}=Lake"));
    assert!(
        status == 200 && refused.contains("is no ") && refused.contains("value=\"&lt;b&gt;many\"") && refused.contains("aria-invalid=\"true\""),
        "{refused}"
    );
    assert!(!refused.contains("<b>many") && !refused.contains("<output"), "{refused}");
    let (status, _, nothing) = post("{\"area\": 100}");
    assert!(status != 200 && nothing.contains("none of the form") && !nothing.contains("<output"), "{status} {nothing}");

    assert!(contents(&project) == before, "a page wrote into .recipe");
    assert_eq!(ui.stop(), Some(0));
}

#[test]
fn a_project_without_runs_a_broken_recipe_and_a_damaged_database_are_shown_as_they_are() {
    let project = Project::regression();
    let ui = Ui::start(&project);
    assert!(ui.get("/").contains(">not run"));
    for (path, says) in
        [("/recipes/houses", "not run"), ("/runs", "No run yet"), ("/models", "No model is registered yet"), ("/recipes/houses/config", "recipe.yaml:1:9")]
    {
        let page = ui.get(path);
        assert!(page.contains(says), "{path}: {page}");
    }
    assert!(!project.path(".recipe").exists(), "looking makes nothing");

    project.edit("recipe.yaml", "using: ridge", "using: rigde");
    for path in ["/", "/recipes/houses"] {
        let page = ui.get(path);
        assert!(page.contains("unknown estimator <code>rigde</code>") && page.contains("recipe.yaml:16:12") && page.contains("ridge"), "{path}: {page}");
    }
    project.write("recipe.yaml", "steps: [");
    assert!(ui.get("/recipes/houses/config").contains("recipe.yaml:"));
    assert!(ui.get("/runs").contains("No run yet"));
    project.write(".recipe/runs.db", "not a database, but long enough to look like a file of one .....................");
    let (status, _, page) = ui.request("GET", "/runs", "", "");
    assert!(status == 500 && page.contains("registry is damaged") && page.contains("restore it from a backup"), "{page}");
}

#[test]
fn what_runs_is_told_as_long_as_it_runs() {
    let project = Project::regression();
    project.edit("recipe.yaml", "using: ridge\n    estimator_params: {alpha: 0.5}", "using: gradient_boosting\n    estimator_params: {n_estimators: 3000}");
    let ui = Ui::start(&project);
    assert!(ui.get("/live").contains("data-runs=\"\""));
    let mut run = project.command(&["run", "train"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (begun, mut seen) = (Instant::now(), String::new());
    while !seen.contains("of 3,000 rounds") && run.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_mins(2) {
        seen = ui.get("/live?recipe=houses");
    }
    assert!(seen.contains("train") && seen.contains("<progress max=\"100\"") && seen.contains("class=\"running\""), "{seen}");
    let id = seen.split("data-runs=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(ui.get(&format!("/runs/{id}")).contains("RUNNING") && ui.get("/live?recipe=another").contains("data-runs=\"\""));
    // Killed, it can tell nobody that it is over.
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(ui.get("/live").contains("data-runs=\"\""));
    assert!(ui.get("/runs").contains(">LOST<"));
}

#[test]
fn a_thousand_runs_come_fifty_at_a_time() {
    let project = Project::regression();
    project.ok(&["run", "split"]);
    let connection = rusqlite::Connection::open(project.path(".recipe/runs.db")).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO runs (id, recipe, template, seed, status, started_ms, finished_ms, config, program)
             SELECT printf('%012x', i), 'houses', 'regression/v1', 1, 'FINISHED', i * 1000, i * 1000 + 500, '', '' FROM n;
             INSERT INTO run_metrics SELECT id, 'val_root_mean_squared_error', started_ms FROM runs WHERE config = '';",
        )
        .unwrap();
    drop(connection);
    let ui = Ui::start(&project);
    let begun = Instant::now();
    let first = ui.get("/runs");
    assert!(listed(&first).len() == 50 && first.contains("1–50 of 1,001 runs") && first.contains("/runs?page=2"), "{first}");
    let last = ui.get("/runs?page=21");
    assert!(listed(&last) == ["000000000001"] && last.contains("1,001–1,001 of 1,001 runs"), "{last}");
    let first = |order: &str| listed(&ui.get(&format!("/runs?sort=score&order={order}"))).remove(0);
    assert_eq!((first(""), first("desc")), ("000000000001".to_owned(), "0000000003e8".to_owned()), "the smallest error first");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn every_page_is_fit_to_be_seen() {
    let (place, chromium) = match browser() {
        Ok(found) => found,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/ui.mjs");
    let look = |ui: &Ui, paths: &[String]| {
        let ran = Ran::of(&Command::new("node").arg(&script).args([&place, &chromium]).arg(format!("http://{}", ui.address)).args(paths).output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    };
    let examples = tried();
    let ui = Ui::start(&examples);
    let ids = listed(&ui.get("/runs"));
    let mut paths: Vec<String> = [
        "/",
        "/recipes/houses",
        "/recipes/houses/config",
        "/recipes/houses/evaluate.html",
        "/runs",
        "/models",
        "/models/houses",
        "/models/houses/3/predict",
        "/compare",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/runs/{}", ids[2]));
    paths.push(format!("/runs/{}/train.html", ids[2]));
    paths.push(format!("/compare?run={}&run={}", ids[4], ids[2]));
    paths.push(format!("/compare?run={}&run={}&run={}", ids[4], ids[3], ids[2]));
    look(&ui, &paths);

    // Names and values that try to be obeyed, and a recipe that cannot be read.
    let project = hostile();
    let root = project.path("recipes/<img src=x onerror=alert(1)>");
    fs::create_dir_all(&root).unwrap();
    fs::rename(project.path("recipe.yaml"), root.join("recipe.yaml")).unwrap();
    project.write("recipes/broken/recipe.yaml", "recipe: '<img src=x onerror=alert(1)>'\n'<script>alert(1)</script>': 1\n");
    project.write("profiles/<script>alert(1)<.yaml", "vars: {\"<img src=x onerror=alert(1)>\": \"</script></style>'\"}\n");
    let name = "<img src=x onerror=alert(1)>";
    let long = format!("</script></style>{{{{7*7}}}}'{}", "x".repeat(3000));
    project.ok(&["run", "-r", name, "-m", &long]);
    project.ok(&["run", "-r", name, "-m", "<b>again", "steps.train.estimator_params.n_estimators=5"]);
    let ui = Ui::start(&project);
    let slug = "%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E";
    let ids = listed(&ui.get("/runs"));
    let mut paths = vec!["/".to_owned(), "/runs".to_owned(), "/models/houses".to_owned(), "/models/houses/1/predict".to_owned(), "/recipes/broken".to_owned()];
    paths.extend([format!("/recipes/{slug}"), format!("/recipes/{slug}/config"), format!("/recipes/{slug}/config?profile=%3Cscript%3Ealert%281%29%3C")]);
    paths.extend([format!("/runs/{}", ids[1]), format!("/compare?run={}&run={}", ids[1], ids[0])]);
    for path in &paths {
        let page = ui.get(path);
        assert!(!page.contains("<img") && !page.contains("<script>") && !page.contains(">49") && !page.contains("</style>"), "{path}: {page}");
    }
    look(&ui, &paths);
}
