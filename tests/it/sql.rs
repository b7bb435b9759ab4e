//! Queries as sources and tables as outputs: `SQLite`, and what needs no server.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use recipe::data::{Table, kind_name};
use rusqlite::Connection;

use crate::project::{Project, houses};

const PASSWORD: &str = "hunter2-is-secret";

/// A database with the houses of `data/houses.csv`.
pub fn with_houses(project: Project, rows: usize) -> Project {
    fs::create_dir_all(project.path("data")).unwrap();
    let database = Connection::open(project.path("data/app.db")).unwrap();
    database.execute_batch("CREATE TABLE houses (id INTEGER, area INTEGER, rooms INTEGER, town TEXT, price REAL); BEGIN").unwrap();
    for line in houses(rows).lines().skip(1) {
        let cells: Vec<Option<&str>> = line.split(',').map(|cell| Some(cell).filter(|cell| !cell.is_empty())).collect();
        database.execute("INSERT INTO houses VALUES (?, ?, ?, ?, ?)", rusqlite::params_from_iter(cells)).unwrap();
    }
    database.execute_batch("COMMIT").unwrap();
    project
}

/// The recipe of the houses, from a source that is said in other words.
pub fn recipe_of(source: &str) -> String {
    let project = Project::regression();
    project.edit("recipe.yaml", "    location: data/houses.csv\n", source);
    project.read("recipe.yaml")
}

const SOURCE: &str = "    using: sql\n    connection: sqlite:data/app.db\n    sql_file: steps/ingest.sql\n";
const ALL: &str = "SELECT * FROM houses ORDER BY id\n";

fn sqlite() -> Project {
    with_houses(Project::empty().with("recipe.yaml", &recipe_of(SOURCE)).with("steps/ingest.sql", ALL), 240)
}

/// Every file below a folder that holds a text.
pub fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(holding(&entry.path(), text));
        } else if fs::read(entry.path()).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// The columns of what was ingested with their types, and its rows.
pub fn ingested(project: &Project) -> (String, usize) {
    let table = Table::read(Path::new(project.ok(&["artifact", "ingested_data"]).stdout.trim())).unwrap();
    let columns: Vec<String> = table.schema().iter().map(|(name, dtype)| format!("{name}: {}", kind_name(dtype))).collect();
    (columns.join(", "), table.rows().unwrap())
}

#[test]
fn the_same_rows_from_csv_and_from_sqlite_make_the_same_model() {
    let files = Project::regression();
    let query = sqlite();
    files.ok(&["run"]);
    let ran = query.ok(&["run"]);
    assert!(ran.stderr.contains("SQLite, contract"), "{}", ran.stderr);
    for artifact in ["ingested_data", "test_data", "model"] {
        assert_eq!(files.artifact(artifact), query.artifact(artifact), "{artifact}");
    }
    let runs: serde_json::Value = serde_json::from_str(&query.ok(&["runs", "--json"]).stdout).unwrap();
    let record = query.ok(&["runs", runs[0]["id"].as_str().unwrap(), "--json"]).stdout;
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let digest = blake3::hash(ALL.as_bytes()).to_hex().to_string();
    let params = &record["params"];
    assert_eq!((params["ingest.sql"].as_str(), params["ingest.sql_digest"].as_str()), (Some(ALL), Some(digest.as_str())), "{record:#}");
    assert_eq!(params["ingest.rows_digest"].as_str().map(str::len), Some(64));
    let inputs = record["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|input| input["name"] == "steps/ingest.sql" && input["digest"] == digest.as_str()), "{inputs:?}");
    let lineage: Vec<String> = holding(&query.path(".recipe/models"), &digest);
    assert!(lineage.iter().any(|file| file.ends_with("LINEAGE.json")), "{lineage:?}");
}

#[test]
fn a_database_is_asked_as_often_as_refresh_says() {
    let project = sqlite();
    let change = |sql: &str| Connection::open(project.path("data/app.db")).unwrap().execute_batch(sql).unwrap();
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");
    // Equal rows stop the rest.
    assert_eq!(project.executed(&["run"]), "ingest");
    let status = project.ok(&["status"]).stdout;
    assert!(status.contains("ingest         stale     the database is asked whenever it runs"), "{status}");
    assert!(project.ok(&["why", "ingest"]).stdout.contains("the database is asked whenever it runs"));
    change("INSERT INTO houses VALUES (900, 50, 2, 'Lake', 70000.0)");
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");

    project.edit("recipe.yaml", "sql_file: steps/ingest.sql", "sql_file: steps/ingest.sql\n    refresh: never");
    assert_eq!(project.executed(&["run"]), "ingest");
    change("INSERT INTO houses VALUES (901, 60, 2, 'Lake', 80000.0)");
    assert_eq!(project.executed(&["run"]), "");
    assert!(project.ok(&["status", "--exit-code"]).stdout.starts_with("ingest         fresh"));
    assert_eq!(project.executed(&["run", "--force=ingest"]), "ingest split transform train evaluate register");
    project.write("steps/ingest.sql", "SELECT * FROM houses WHERE id < 901 ORDER BY id");
    assert_eq!(project.executed(&["run", "ingest"]), "ingest");

    project.edit("recipe.yaml", "refresh: never", "refresh: daily");
    project.ok(&["run", "ingest"]);
    assert_eq!(project.executed(&["run", "ingest"]), "");
}

#[test]
fn rows_that_come_in_another_order_are_no_silent_change() {
    let project = sqlite();
    project.write("steps/ingest.sql", "SELECT * FROM houses");
    assert!(!project.ok(&["run", "ingest"]).stderr.contains("another order"));
    let database = Connection::open(project.path("data/app.db")).unwrap();
    database
        .execute_batch("CREATE TABLE turned AS SELECT * FROM houses ORDER BY id DESC; DELETE FROM houses; INSERT INTO houses SELECT * FROM turned")
        .unwrap();
    let ran = project.ok(&["run", "split"]);
    assert!(
        ran.stderr.contains("`ingest`: the database gave the same rows in another order, so the steps after it run again; an ORDER BY keeps the order"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.executed(), "ingest split");
}

#[test]
fn a_sweep_asks_once() {
    let project = sqlite();
    project.ok(&["sweep", "train", "steps.train.estimator_params.alpha=1,2,3"]);
    let runs = Connection::open(project.path(".recipe/runs.db")).unwrap();
    let states = "SELECT group_concat(state, ' ') FROM (SELECT state FROM run_steps JOIN runs ON id = run WHERE step = 'ingest' ORDER BY started_ms)";
    assert_eq!(runs.query_row(states, [], |row| row.get::<_, String>(0)).unwrap(), "executed cached cached");
}

#[test]
fn types_are_declared_or_follow_from_all_values() {
    let project = Project::empty().with(
        "recipe.yaml",
        "recipe: regression/v1\ntarget_col: y\nsteps:\n  ingest:\n    using: sql\n    connection: sqlite:t.db\n    sql: SELECT * FROM v\n",
    );
    let database = Connection::open(project.path("t.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t (i INTEGER, f DOUBLE, n NUMERIC(8,2), b BOOLEAN, s VARCHAR(9), d DATE, m TIMESTAMP, y REAL);
             INSERT INTO t VALUES (9007199254740993, 1, 2.5, 1, '007', '2024-02-29', '2024-02-29 12:30:00.5', 1.5);
             INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2.5);
             INSERT INTO t VALUES (-1, 0.5, 3, 0, '', '1969-12-31', '2024-02-29T12:30:00+02:00', 3.5);
             CREATE VIEW v AS SELECT *, i + 0 AS whole, f * 1 AS number, s || '' AS text, date(d) AS day, datetime(m) AS moment, NULL AS none FROM t",
        )
        .unwrap();
    project.ok(&["run", "ingest"]);
    let types = "i: integer, f: float, n: float, b: boolean, s: string, d: date, m: datetime, y: float, whole: integer, number: float, text: string, day: date, moment: datetime";
    assert_eq!(ingested(&project), (types.to_owned(), 3));
    let rows = project.ok(&["show", "ingested_data", "--format", "csv"]).stdout;
    insta::assert_snapshot!(rows, @"
    i,f,n,b,s,d,m,y,whole,number,text,day,moment
    9007199254740993,1.0,2.5,true,007,2024-02-29,2024-02-29 12:30:00.500,1.5,9007199254740993,1.0,007,2024-02-29,2024-02-29 12:30:00
    ,,,,,,,2.5,,,,,
    -1,0.5,3.0,false,,1969-12-31,2024-02-29 10:30:00,3.5,-1,0.5,,1969-12-31,2024-02-29 10:30:00
    ");

    let refused = |sql: &str| {
        project.edit("recipe.yaml", "sql: SELECT * FROM v", &format!("sql: {sql}"));
        let ran = project.recipe(&["run", "ingest"]);
        project.edit("recipe.yaml", &format!("sql: {sql}"), "sql: SELECT * FROM v");
        format!("{}\n{}", ran.code, ran.stderr.lines().filter(|line| line.starts_with("error:") || line.starts_with("hint:")).collect::<Vec<_>>().join("\n"))
    };
    database.execute_batch("UPDATE t SET d = 'soon' WHERE i = -1; UPDATE t SET f = 'high' WHERE i = -1").unwrap();
    insta::assert_snapshot!(refused("SELECT d, f, y FROM t"), @r#"
    4
    error: `soon` in row 3 of the query does not fit column `d`, which is declared DATE
    hint: `CAST("d" AS TEXT) AS "d"` in the query makes texts of all; `datetime("d", 'unixepoch')` reads seconds since 1970
    error: `high` in row 3 of the query does not fit column `f`, which is declared DOUBLE
    hint: `CAST("f" AS TEXT) AS "f"` in the query makes texts of all
    "#);
    insta::assert_snapshot!(refused("SELECT coalesce(s, 5) AS mixed, y FROM t"), @r#"
    4
    error: column `mixed` holds `5` in row 2 of the query and the text `007` in row 1
    hint: `CAST("mixed" AS TEXT) AS "mixed"` in the query makes texts of all
    "#);
    insta::assert_snapshot!(refused("SELECT x'00' AS bytes, y FROM t"), @r#"
    4
    error: column `bytes` holds bytes (a blob) in row 1 of the query
    hint: leave it out, or use `hex("bytes") AS "bytes"` in the query
    "#);
    insta::assert_snapshot!(refused("SELECT y, i AS y FROM t"), @"
    4
    error: the query gives two columns `y`
    hint: name one of them: `… AS y_2`
    ");
    insta::assert_snapshot!(refused("SELECT y FROM t WHERE y > 100"), @"
    4
    error: the query gives no rows
    ");
    // A declared type in the contract reads what the database calls otherwise.
    project.edit("recipe.yaml", "sql: SELECT * FROM v", "sql: SELECT s, d, y FROM t\n    schema: {d: {type: string}, s: {type: integer}}");
    project.ok(&["run", "ingest"]);
    assert_eq!(ingested(&project).0, "s: integer, d: string, y: float");
}

#[test]
fn parameters_are_bound_and_never_pasted() {
    let project = sqlite();
    project.write("steps/ingest.sql", "SELECT * FROM houses WHERE town = :town AND area > :least -- :not\n ORDER BY id");
    project.edit("recipe.yaml", "sql_file: steps/ingest.sql", "sql_file: steps/ingest.sql\n    parameters: {town: Lake, least: 60}");
    project.ok(&["run", "ingest"]);
    let expected = houses(240).lines().skip(1).filter(|line| line.contains("Lake") && line.split(',').nth(1).unwrap().parse::<u32>().unwrap() > 60).count();
    assert_eq!(ingested(&project).1, expected);
    let ran = project.recipe(&["run", "ingest", "steps.ingest.parameters.town=\"'; DROP TABLE houses; --\""]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("the query gives no rows"), "{}", ran.stderr);
    project.ok(&["run", "ingest", "steps.ingest.parameters.town=North"]);

    let ran = project.recipe(&["validate", "~steps.ingest.parameters.least", "steps.ingest.parameters.lest=1"]);
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!(ran.stderr, @"
    error: no `:lest` in the query
      --> command line at steps.ingest.parameters.lest
    hint: did you mean `least`?
    error: `:least` has no value
      --> steps/ingest.sql:1:52 at steps.ingest.sql_file
        |
      1 | SELECT * FROM houses WHERE town = :town AND area > :least -- :not
        |                                                    ^
    hint: did you mean `:lest`?
    2 problems found
    ");
}

#[test]
fn what_is_wrong_with_a_query_is_said_where_it_stands() {
    let project = sqlite();
    let mut said = String::new();
    for text in [
        "SELECT *\nFROM houses\nWHER area > 3",
        "SELECT * FROM huoses",
        "SELECT aera FROM houses",
        "SELECT 1; DROP TABLE houses",
        "DELETE FROM houses",
        "WITH x AS (SELECT 1) DELETE FROM houses",
    ] {
        project.write("steps/ingest.sql", text);
        let ran = project.recipe(&["run", "ingest"]);
        said.push_str(&format!(
            "{}\n{}\n",
            ran.code,
            ran.stderr.lines().filter(|line| !line.starts_with("cards:") && !line.contains("failed")).collect::<Vec<_>>().join("\n")
        ));
    }
    insta::assert_snapshot!(said, @r#"
    3
    error: SQLite says: near "area": syntax error
      --> steps/ingest.sql:3:6
        |
      3 | WHER area > 3
        |      ^
    4
    error: SQLite says: no such table: huoses
      --> steps/ingest.sql
    4
    error: SQLite says: no such column: aera
      --> steps/ingest.sql:1:8
        |
      1 | SELECT aera FROM houses
        |        ^
    3
    error: another statement follows the query
      --> steps/ingest.sql:1:11 at steps.ingest.sql_file
        |
      1 | SELECT 1; DROP TABLE houses
        |           ^
    hint: ask one query a recipe; what it should read can be joined or nested
    3
    error: not a query: it begins with `DELETE`
      --> steps/ingest.sql:1:1 at steps.ingest.sql_file
        |
      1 | DELETE FROM houses
        | ^
    hint: a source is read with `SELECT …` or `WITH … SELECT …`
    3
    error: the query changes the database
      --> steps/ingest.sql
    hint: a source is read with `SELECT …` or `WITH … SELECT …`
    "#);
    assert_eq!(Connection::open(project.path("data/app.db")).unwrap().query_row("SELECT count(*) FROM houses", [], |row| row.get::<_, i64>(0)), Ok(240));
    let others = [
        ("connection: sqlite:data/app.db", "connection: sqlite:data/none.db", 4, "there is no SQLite database at `sqlite:data/none.db`"),
        ("connection: sqlite:data/app.db", "connection: sqlite:recipe.yaml", 4, "`sqlite:recipe.yaml` is no SQLite database"),
        ("connection: sqlite:data/app.db", "connection: data/app.db", 3, "the connection is not one to SQLite or PostgreSQL"),
        ("steps/ingest.sql", "steps/none.sql", 3, "cannot read `steps/none.sql`"),
        ("using: sql", "using: sql\n    sql: SELECT 1", 3, "`sql` and `sql_file` say the same thing"),
        ("    using: sql\n", "", 3, "missing key `using`"),
        ("using: sql", "using: sql\n    refresh: hourly", 3, "unknown value `hourly`"),
    ];
    project.write("steps/ingest.sql", ALL);
    for (from, to, code, says) in others {
        project.edit("recipe.yaml", from, to);
        let ran = project.recipe(&["run", "ingest"]);
        assert_eq!(ran.code, code, "{to}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{to}: {}", ran.stderr);
        project.write("recipe.yaml", recipe_of(SOURCE));
    }
}

#[test]
fn looking_asks_no_server_and_shows_no_password() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = format!("postgres://ann:{PASSWORD}@{}/db", server.local_addr().unwrap());
    let source = SOURCE.replace("sqlite:data/app.db", "\"${env:PG_DSN}\"");
    let project = Project::empty().with("recipe.yaml", &recipe_of(&source)).with("steps/ingest.sql", ALL).env("PG_DSN", &address);
    for command in
        [&["validate"][..], &["status"], &["why", "ingest"], &["inspect"], &["config"], &["config", "--explain", "steps.ingest.connection"], &["deps"]]
    {
        let ran = project.ok(command);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD), "{command:?}");
    }
    assert!(project.ok(&["config"]).stdout.contains("connection: ${env:PG_DSN}"));
    assert!(server.accept().is_err(), "a command that only looks asked a server");
    drop(server);
    let ran = project.recipe(&["run"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("cannot connect to PostgreSQL at `${env:PG_DSN}`: ") && ran.stderr.contains("at steps.ingest.connection"), "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD));
    assert_eq!(holding(project.root(), PASSWORD), Vec::<String>::new());
}

#[test]
fn a_password_in_the_recipe_is_refused_and_not_repeated() {
    for connection in [format!("postgres://ann:{PASSWORD}@127.0.0.1:1/db"), format!("host=127.0.0.1 port=1 password={PASSWORD}"), "${dsn}".to_owned()] {
        let source = SOURCE.replace("sqlite:data/app.db", &format!("\"{connection}\""));
        let recipe = recipe_of(&source).replace("target_col", "vars: {dsn: \"${env:PG_DSN}\"}\ntarget_col");
        let project = Project::empty().with("steps/ingest.sql", ALL).env("PG_DSN", &format!("postgres://ann:{PASSWORD}@127.0.0.1:1/db"));
        project.write("recipe.yaml", &recipe);
        let ran = project.recipe(&["run"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("a password stands in the connection"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        assert!(!project.path(".recipe").exists());
        // Nor in the line of another mistake.
        project.write("recipe.yaml", recipe.replace("sql_file: steps", "sql_fiel: steps"));
        assert!(!project.recipe(&["run"]).stderr.contains(PASSWORD));
    }
}

#[test]
fn a_golden_test_needs_no_database() {
    let project = sqlite();
    project.ok(&["test", "--bless"]);
    fs::remove_file(project.path("data/app.db")).unwrap();
    project.ok(&["test"]);
}

/// A project with a registered model that scores what a query gives.
pub fn scoring(project: Project, output: &str) -> Project {
    let source = "  ingest_scoring:\n    using: sql\n    connection: sqlite:data/app.db\n    sql: SELECT id, area, rooms, town FROM houses ORDER BY id\n";
    let recipe = recipe_of(SOURCE);
    project.write("recipe.yaml", format!("{recipe}{source}  predict:\n    output: {output}\n"));
    project
}

#[test]
fn scored_rows_become_a_table_all_of_it_or_nothing() {
    let project = scoring(sqlite(), "{using: sql, connection: 'sqlite:out/scores.db', table: 'sco\"res; --'}");
    project.ok(&["run"]);
    project.ok(&["run", "predict"]);
    let count = |table: &str| {
        let database = Connection::open(project.path("out/scores.db")).unwrap();
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap_or(-1)
    };
    let name = "\"sco\"\"res; --\"";
    assert_eq!(count(name), 240);
    let database = Connection::open(project.path("out/scores.db")).unwrap();
    let types: String = database
        .query_row(&format!("SELECT group_concat(DISTINCT typeof(id) || typeof(town) || typeof(prediction)) FROM {name}"), [], |row| row.get(0))
        .unwrap();
    assert_eq!(types, "integertextreal");
    drop(database);

    let ran = project.recipe(&["run", "predict"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("exists already") && ran.stderr.contains("steps.predict.output.if_exists"), "{}", ran.stderr);
    project.ok(&["run", "predict", "+steps.predict.output.if_exists=append"]);
    assert_eq!(count(name), 480);
    project.ok(&["run", "predict", "+steps.predict.output.if_exists=replace"]);
    assert_eq!(count(name), 240);
    let never = "+steps.ingest_scoring.refresh=never";
    project.ok(&["run", "predict", "+steps.predict.output.if_exists=replace", never]);
    assert!(project.ok(&["why", "predict", never]).stdout.contains("it writes to a database whenever it runs"));

    // What the database refuses in the middle leaves the table as it was.
    let guard = "CREATE TABLE guarded (id INTEGER CHECK (id < 200), town TEXT, prediction REAL); INSERT INTO guarded (id) VALUES (1)";
    Connection::open(project.path("out/scores.db")).unwrap().execute_batch(guard).unwrap();
    let into = |table: &str| {
        let table = format!("steps.predict.output.table={table}");
        project.recipe(&["run", "predict", &table, "+steps.predict.output.if_exists=append", "+steps.predict.output.columns=[id, town, prediction]"])
    };
    let ran = into("guarded");
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("CHECK constraint failed") && ran.stderr.contains("steps.predict.output"), "{}", ran.stderr);
    assert_eq!(count("guarded"), 1);
    let narrow = "CREATE TABLE narrow (id INTEGER)";
    Connection::open(project.path("out/scores.db")).unwrap().execute_batch(narrow).unwrap();
    let ran = into("narrow");
    assert!(ran.code == 4 && ran.stderr.contains("has no column named town"), "{}", ran.stderr);
    assert_eq!(count("narrow"), 0);
}

#[test]
fn rows_that_are_set_aside_go_to_a_table_of_their_own() {
    let project = scoring(
        sqlite(),
        "{using: sql, connection: 'sqlite:data/app.db', table: scores, if_exists: replace}\n    gates: {drift: {on_fail: quarantine, columns: [town]}}",
    );
    project.ok(&["run"]);
    Connection::open(project.path("data/app.db")).unwrap().execute_batch("INSERT INTO houses VALUES (999, 50, 2, 'Mars', 1.0)").unwrap();
    project.ok(&["run", "predict"]);
    let database = Connection::open(project.path("data/app.db")).unwrap();
    let found: (i64, String) =
        database.query_row("SELECT (SELECT count(*) FROM scores), town FROM scores_quarantine", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(found, (240, "Mars".to_owned()));
}
