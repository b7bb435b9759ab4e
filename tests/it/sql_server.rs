//! Queries and tables in a real `PostgreSQL`, where one is installed. It is started on a port of its own and asks for a password.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::project::Project;
use crate::sql::{holding, ingested, recipe_of};

const PASSWORD: &str = "p@ss/w:rd?=%41 secret";

/// A server that lives as long as this value.
struct Server {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    /// Servers do not run as root: there it is another user's.
    user: Option<u32>,
}

impl Server {
    fn start() -> Option<Self> {
        let bin = bin()?;
        let is_root = fs::metadata("/proc/self").ok().is_some_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let user = if is_root { Some(uid_of("postgres")?) } else { None };
        let dir = tempfile::Builder::new().prefix("recipe-postgres-").tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), user, None).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { dir, bin, port, user };
        let secret = server.dir.path().join("secret");
        fs::write(&secret, PASSWORD).unwrap();
        std::os::unix::fs::chown(&secret, user, None).unwrap();
        let (data, secret) = (server.data(), secret.display().to_string());
        server.run("initdb", &["--no-sync", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "-U", "ann", "--pwfile", &secret, "-D", &data]);
        server.go();
        Some(server)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn go(&self) {
        let options = format!("-k {} -c listen_addresses=127.0.0.1 -p {} -c fsync=off", self.dir.path().display(), self.port);
        let log = self.dir.path().join("log").display().to_string();
        self.run("pg_ctl", &["-w", "-D", &self.data(), "-o", &options, "-l", &log, "start"]);
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.command(program, arguments).status().unwrap().success(), "{program} {arguments:?}");
    }

    /// What a query says, as psql prints it.
    fn says(&self, sql: &str) -> String {
        let port = self.port.to_string();
        let mut command =
            self.command("psql", &["-X", "-h", "127.0.0.1", "-p", &port, "-U", "ann", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-c", sql]);
        let ran = command.env("PGPASSWORD", PASSWORD).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// The connection of a recipe, whose password is in the environment.
    fn connection(&self) -> String {
        format!("postgres://ann:${{env:PG_PASSWORD}}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.command("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]).status().ok();
    }
}

fn bin() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    places.extend(fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin")));
    places.into_iter().find(|place| ["initdb", "pg_ctl", "psql"].iter().all(|program| place.join(program).is_file()))
}

fn uid_of(user: &str) -> Option<u32> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find(|line| line.split(':').next() == Some(user))?.split(':').nth(2)?.parse().ok()
}

/// A recipe over a query of a server.
fn project(server: &Server, sql: &str) -> Project {
    let source = format!("    using: sql\n    connection: \"{}\"\n    sql_file: steps/ingest.sql\n", server.connection());
    Project::empty().with("recipe.yaml", &recipe_of(&source)).with("steps/ingest.sql", sql).env("PG_PASSWORD", PASSWORD)
}

const HOUSES: &str = "CREATE TABLE houses (id int PRIMARY KEY, area smallint, rooms bigint, town varchar(20), price numeric(12, 1))";

#[test]
fn postgres_is_read_and_written() {
    let Some(server) = Server::start() else {
        eprintln!("skipped: PostgreSQL is not installed");
        return;
    };
    same_rows_make_the_same_model(&server);
    types_are_those_of_the_server(&server);
    mistakes_are_said(&server);
    tables_are_written_whole_or_not(&server);
    many_rows_stream(&server);
    a_server_that_goes_away_is_told_of(&server);
}

fn same_rows_make_the_same_model(server: &Server) {
    let files = Project::regression();
    files.ok(&["run"]);
    server.says(HOUSES);
    let rows: Vec<String> = files
        .read("data/houses.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("({}, {}, NULLIF('{}', '')::bigint, '{}', {})", cells[0], cells[1], cells[2], cells[3], cells[4])
        })
        .collect();
    server.says(&format!("INSERT INTO houses VALUES {}", rows.join(", ")));
    let project = project(server, "SELECT * FROM houses WHERE area >= :least AND town <> :none ORDER BY id -- all");
    project.edit("recipe.yaml", "sql_file: steps/ingest.sql", "sql_file: steps/ingest.sql\n    parameters: {least: 0, none: \"'; DROP TABLE houses; --\"}");
    project.ok(&["run"]);
    for artifact in ["ingested_data", "test_data", "model"] {
        assert_eq!(files.artifact(artifact), project.artifact(artifact), "{artifact}");
    }
    assert_eq!(project.executed(&["run"]), "ingest");
    // The password is nowhere, in none of its forms.
    for form in [PASSWORD, "p%40ss", "p@ss/w", "cEBzcy93"] {
        assert_eq!(holding(project.root(), form), Vec::<String>::new(), "{form}");
    }
    let whole =
        project.env("PG_DSN", &format!("host=127.0.0.1 port={} user=ann dbname=postgres password='{PASSWORD}'", server.port)).env("PGPASSWORD", "wrong");
    whole.ok(&["run", "ingest", "steps.ingest.connection=\"${env:PG_DSN}\""]);
    let ran = whole.recipe(&["run", "ingest", &format!("steps.ingest.connection=postgres://ann@127.0.0.1:{}/postgres", server.port)]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("lets nobody in: password authentication failed for user \"ann\""), "{}", ran.stderr);
}

fn types_are_those_of_the_server(server: &Server) {
    let values = "SELECT 1::smallint AS s, 9007199254740993 AS b, 1.5::real AS r, 0.1::float8 AS f, 12345.678::numeric AS n, true AS t, 'a'::char(3) AS c, \
                  'ü'::text AS x, DATE '1969-12-31' AS d, TIMESTAMP '2024-02-29 12:30:00.5' AS m, TIMESTAMPTZ '2024-02-29 12:30:00+02' AS z, 1.0 AS price \
                  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2.0";
    let project = project(server, values);
    let bare = "recipe: regression/v1\ntarget_col: price\nsteps:\n  ingest:\n    using: sql\n    connection: \"CONNECTION\"\n    sql_file: steps/ingest.sql\n";
    project.write("recipe.yaml", bare.replace("CONNECTION", &server.connection()));
    project.ok(&["run", "ingest"]);
    let types = "s: integer, b: integer, r: float, f: float, n: float, t: boolean, c: string, x: string, d: date, m: datetime, z: datetime, price: float";
    assert_eq!(ingested(&project), (types.to_owned(), 2));
    let rows = project.ok(&["show", "ingested_data", "--format", "csv"]).stdout;
    insta::assert_snapshot!(rows, @"
    s,b,r,f,n,t,c,x,d,m,z,price
    1,9007199254740993,1.5,0.1,12345.678,true,a,ü,1969-12-31,2024-02-29 12:30:00.500,2024-02-29 10:30:00,1.0
    ,,,,,,,,,,,2.0
    ");
    project.write("steps/ingest.sql", "SELECT gen_random_uuid() AS u, '{}'::json AS j, ARRAY[1] AS a, TIME '12:00' AS t, 1.0 AS price");
    let ran = project.recipe(&["run", "ingest"]);
    let said = ran.stderr.lines().filter(|line| line.starts_with("error:") || line.starts_with("hint:")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(said, @r#"
    error: column `u` is of type uuid, which has no place in a table
    hint: cast it in the query: `"u"::text AS "u"`
    error: column `j` is of type json, which has no place in a table
    hint: cast it in the query: `"j"::text AS "j"`
    error: column `a` is of type _int4, which has no place in a table
    hint: cast it in the query: `"a"::text AS "a"`
    error: column `t` is of type time, which has no place in a table
    hint: cast it in the query: `"t"::text AS "t"`
    "#);
    project.write("steps/ingest.sql", "SELECT 1.0 / 3 AS third, n AS price FROM generate_series(1, 3) n");
    let ran = project.recipe(&["run", "ingest"]);
    assert!(ran.code == 4 && ran.stderr.contains("column `third` holds a number with 20 digits") && ran.stderr.contains("in row 1"), "{}", ran.stderr);
}

fn mistakes_are_said(server: &Server) {
    let project = project(server, "");
    project.edit("recipe.yaml", "sql_file: steps/ingest.sql", "sql_file: steps/ingest.sql\n    parameters: {least: 1}");
    let mut said = String::new();
    for text in [
        "SELECT *\nFROM houses WHERE id > :least AND id > :least ANDD area > 3",
        "SELECT * FROM huoses WHERE 1 = :least",
        "SELECT aera FROM houses WHERE 1 = :least",
        "WITH gone AS (DELETE FROM houses WHERE id > :least RETURNING *) SELECT * FROM gone",
        "SELECT 1 / (id - :least) AS price FROM houses",
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
    error: PostgreSQL says: syntax error at or near "ANDD"
      --> steps/ingest.sql:2:47
        |
      2 | FROM houses WHERE id > :least AND id > :least ANDD area > 3
        |                                               ^
    4
    error: PostgreSQL says: relation "huoses" does not exist
      --> steps/ingest.sql:1:15
        |
      1 | SELECT * FROM huoses WHERE 1 = :least
        |               ^
    4
    error: PostgreSQL says: column "aera" does not exist
      --> steps/ingest.sql:1:8
        |
      1 | SELECT aera FROM houses WHERE 1 = :least
        |        ^
    hint: Perhaps you meant to reference the column "houses.area".
    3
    error: PostgreSQL says: cannot execute SELECT in a read-only transaction
      --> steps/ingest.sql
    hint: a source is read with `SELECT …`; the query would change the database
    4
    error: PostgreSQL says: division by zero
      --> steps/ingest.sql
    "#);
    assert_eq!(server.says("SELECT count(*) FROM houses"), "240");
}

fn tables_are_written_whole_or_not(server: &Server) {
    let project = project(server, "SELECT * FROM houses ORDER BY id");
    let scoring = format!(
        "  ingest_scoring:\n    using: sql\n    connection: \"{0}\"\n    sql: SELECT id, area, rooms, town, DATE '2024-01-01' AS day FROM houses\n  predict:\n    output: {{using: sql, connection: \"{0}\", table: public.scores}}\n",
        server.connection()
    );
    project.write("recipe.yaml", project.read("recipe.yaml") + &scoring);
    project.ok(&["run"]);
    server.says("UPDATE houses SET town = E'tab\\there\\\\ \\n \\\\N' WHERE id = 7");
    project.ok(&["run", "predict"]);
    assert_eq!(
        server.says("SELECT count(*), count(rooms), min(day), bool_and(prediction > 0), pg_typeof(min(id)), pg_typeof(min(prediction)) FROM scores"),
        "240|218|2024-01-01|t|bigint|double precision"
    );
    assert_eq!(server.says("SELECT count(*) FROM scores JOIN houses USING (id, town)"), "240");
    let ran = project.recipe(&["run", "predict"]);
    assert!(ran.code == 4 && ran.stderr.contains("the table `public.scores` exists already"), "{}", ran.stderr);
    project.ok(&["run", "predict", "+steps.predict.output.if_exists=append"]);
    project.ok(&["run", "predict", "+steps.predict.output.if_exists=replace"]);
    assert_eq!(server.says("SELECT count(*) FROM scores"), "240");
    server.says("ALTER TABLE scores ADD CONSTRAINT small CHECK (id < 200) NOT VALID");
    let ran = project.recipe(&["run", "predict", "+steps.predict.output.if_exists=append"]);
    assert!(ran.code == 4 && ran.stderr.contains("violates check constraint \"small\""), "{}", ran.stderr);
    assert_eq!(server.says("SELECT count(*) FROM scores"), "240");
    let hostile = project.recipe(&["run", "predict", "steps.predict.output.table='x\"; DROP TABLE houses; --'"]);
    assert_eq!(hostile.code, 0, "{}", hostile.stderr);
    assert_eq!(server.says("SELECT (SELECT count(*) FROM \"x\"\"; DROP TABLE houses; --\") + (SELECT count(*) FROM houses)"), "480");
    assert_eq!(holding(project.root(), PASSWORD), Vec::<String>::new());
}

/// More rows than are held or fetched at once.
fn many_rows_stream(server: &Server) {
    let project =
        project(server, "SELECT n AS id, n % 97 AS area, n % 5 AS rooms, 'Lake' AS town, (n % 1000)::float8 AS price FROM generate_series(1, 100000) n");
    project.write("recipe.yaml", project.read("recipe.yaml").replace("    sql_file:", "    skip_data_profiling: true\n    sql_file:"));
    project.ok(&["run", "ingest"]);
    assert_eq!(ingested(&project).1, 100_000);
}

fn a_server_that_goes_away_is_told_of(server: &Server) {
    // The query ends its own connection after some rows.
    let project =
        project(server, "SELECT n AS price, CASE WHEN n = 20000 THEN pg_terminate_backend(pg_backend_pid()) END AS gone FROM generate_series(1, 40000) n");
    let ran = project.recipe(&["run", "ingest"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("terminating connection") || ran.stderr.contains("was lost"), "{}", ran.stderr);
    server.run("pg_ctl", &["-D", &server.data(), "-m", "immediate", "stop"]);
    let ran = project.recipe(&["run", "ingest"]);
    assert!(ran.code == 4 && ran.stderr.contains("Connection refused"), "{}", ran.stderr);
    server.go();
}
