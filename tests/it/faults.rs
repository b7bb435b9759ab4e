//! Pulled plugs, full disks, files that change, runs side by side: what is stored stays right.
//!
//! `RECIPE_FAULT=<n>:abort|enospc` makes the n-th change of the disk fail (debug builds only); a small
//! tmpfs and a read-only mount stand for real disks, where the machine lets one mount them. With
//! `RECIPE_LONG_TESTS` set, many more points are tried.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cache::long;
use crate::project::{Project, Ran, houses};

const ALL: &str = "ingest split transform train evaluate register";
const SOUND: &str = "everything in the store is as it was written\n";

/// Does some work for each number on as many threads as there are cores.
fn side_by_side<T: Sync>(cases: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    work(case);
                }
            });
        }
    });
}

/// After whatever happened: the next run is right, the one after runs nothing, nothing lies about.
fn recovers(project: &Project, what: &str) {
    let next = project.recipe(&["run"]);
    assert_eq!(next.code, 0, "{what}: {}{}", next.stdout, next.stderr);
    assert_eq!(project.executed(&["run"]), "", "{what}");
    assert_eq!(project.ok(&["cache", "verify"]).stdout, SOUND, "{what}");
    assert_eq!(models(project), ["houses v1"], "{what}");
    assert_eq!(litter(project), [""; 0], "{what}");
}

/// `houses v1`, …
fn models(project: &Project) -> Vec<String> {
    let text = project.ok(&["models"]).stdout;
    text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// What killed runs left: scratch folders, and bundles that are no version.
fn litter(project: &Project) -> Vec<String> {
    let list = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(project.path(folder)).into_iter().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy())).collect()
    };
    let versions = models(project).len();
    let bundles = list(".recipe/models/houses").into_iter().filter(|path| !(1..=versions).any(|v| path.ends_with(&format!("/{v}"))));
    list(".recipe/v1/tmp").into_iter().chain(bundles).collect()
}

/// Some of the changes of the disk in a whole run, by number; one makes about 210.
fn points(every: usize) -> Vec<usize> {
    let every = if long() { 1 } else { every };
    (1..=300).filter(|n| *n <= 2 || n % every == every / 2).collect()
}

#[test]
fn a_run_killed_at_any_change_of_the_disk_loses_nothing() {
    side_by_side(&points(29), |point| {
        let project = Project::regression();
        let killed = Ran::of(&project.command(&["run"]).env("RECIPE_FAULT", format!("{point}:abort")).output().unwrap());
        // The last points lie behind the end of a run.
        assert!(killed.code == -1 || (*point > 150 && killed.code == 0), "{point}: {}", killed.stderr);
        // Looking is possible at once, and finds no fault in what is there.
        assert_eq!(project.recipe(&["status"]).code, 0, "{point}");
        assert_eq!(project.ok(&["cache", "verify"]).stdout, SOUND, "{point}");
        // What was computed is not computed again.
        let done = killed.executed();
        let next = project.executed(&["run"]);
        assert!(ALL.ends_with(&next) && done.len() + next.len() <= ALL.len(), "{point}: `{done}`, then `{next}`");
        recovers(&project, &format!("killed at {point}"));
    });
}

#[test]
fn a_full_disk_is_said_and_the_next_run_goes_on() {
    side_by_side(&points(43), |point| {
        let project = Project::regression();
        let full = Ran::of(&project.command(&["run"]).env("RECIPE_FAULT", format!("{point}:enospc")).output().unwrap());
        // At its end a run only removes its scratch space, for which a full disk has room.
        if full.code != 0 || *point <= 150 {
            assert_eq!(full.code, 6, "{point}: {}", full.stderr);
            assert!(full.stderr.contains("No space left on device") && full.stderr.contains("free some space"), "{point}: {}", full.stderr);
        }
        recovers(&project, &format!("full at {point}"));
    });
}

/// Runs a script in a mount namespace of its own; `None`, with a message, where that is forbidden.
fn mounted(project: &Project, script: &str) -> Option<Ran> {
    let probe = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not let the test mount anything");
        return None;
    }
    let mut command = project.command(&[]);
    let mut inner = Command::new("unshare");
    inner.args(["-rm", "sh", "-c", script]).current_dir(project.root()).env("RECIPE", env!("CARGO_BIN_EXE_recipe")).env("NO_COLOR", "1").stdin(Stdio::null());
    command.env_clear();
    Some(Ran::of(&inner.output().unwrap()))
}

#[test]
fn a_small_disk_fills_up_anywhere_and_the_run_says_so() {
    let sizes: Vec<usize> = if long() { (16..700).step_by(4).collect() } else { vec![24, 100, 180, 260] };
    side_by_side(&sizes, |size| {
        let project = Project::regression();
        fs::create_dir(project.path(".recipe")).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={size}k,mode=700 none .recipe || exit 99
             \"$RECIPE\" run 2>first; echo $?
             mount -o remount,size=64m .recipe || exit 99
             \"$RECIPE\" run 2>second; echo $?
             \"$RECIPE\" run 2>third; echo $?
             \"$RECIPE\" cache verify; ls .recipe/v1/tmp"
        );
        let Some(ran) = mounted(&project, &script) else { return };
        if ran.code == 99 {
            eprintln!("skipped: no tmpfs here");
            return;
        }
        let first = project.read("first");
        let code = ran.stdout.lines().next().unwrap_or_default();
        assert!(code == "0" || code == "6", "{size}k: exit code {code}: {first}");
        assert!(code == "0" || ["No space left on device", "disk full", "free space"].iter().any(|text| first.contains(text)), "{size}k: {first}");
        assert_eq!(ran.stdout.lines().skip(1).collect::<Vec<_>>(), ["0", "0", SOUND.trim_end()], "{size}k: {first}{}", project.read("second"));
        assert!(!project.read("third").contains("executed"), "{size}k: {}", project.read("third"));
    });
}

#[test]
fn what_is_cached_runs_on_a_read_only_disk_and_the_rest_says_what_is_missing() {
    let project = Project::regression();
    assert_eq!(project.executed(&["run"]), ALL);
    let script = "mount --bind . . && mount -o remount,bind,ro . || exit 99
        cd \"$PWD\"
        \"$RECIPE\" run 2>&1; echo $?
        \"$RECIPE\" status; echo $?
        \"$RECIPE\" models >/dev/null; echo $?
        \"$RECIPE\" show model >/dev/null; echo $?
        \"$RECIPE\" run steps.train.estimator_params.alpha=3 2>&1; echo $?";
    let Some(ran) = mounted(&project, script) else { return };
    if ran.code == 99 {
        eprintln!("skipped: no read-only mount here");
        return;
    }
    let text = ran.stdout;
    assert!(text.contains("the disk cannot be written, so this run is not recorded"), "{text}{}", ran.stderr);
    assert!(!text.contains("executed"), "{text}");
    let codes: Vec<&str> = text.lines().filter(|line| line.parse::<u8>().is_ok()).collect();
    assert_eq!(codes, ["0", "0", "0", "0", "6"], "{text}{}", ran.stderr);
    assert!(text.contains("`train` must run (config `estimator_params.alpha`: 0.5 → 3.0), but the store cannot be written"), "{text}");
    recovers(&project, "after a read-only disk");
}

/// Starts a run and gives it time to get somewhere.
fn start(project: &Project, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([name, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
}

#[test]
fn a_run_killed_from_outside_at_any_time_loses_nothing() {
    // How long a run takes here and now.
    let begin = Instant::now();
    assert_eq!(Project::regression().executed(&["run"]), ALL);
    let whole = begin.elapsed();
    let parts: Vec<u32> = if long() { (0..100).collect() } else { vec![10, 35, 60, 85] };
    side_by_side(&parts, |part| {
        let project = Project::regression();
        let mut child = start(&project, &["run"]);
        std::thread::sleep(whole * *part / 100);
        child.kill().unwrap();
        end(child);
        recovers(&project, &format!("killed after {part} % of {whole:?}"));
    });
}

#[test]
fn an_interrupted_run_is_recorded_as_killed_and_the_next_goes_on() {
    for name in ["-INT", "-TERM"] {
        let project = Project::regression().with("data/houses.csv", &houses(4000));
        let mut child = start(&project, &["run", "--json"]);
        // The run is on record when its first step has begun.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap().contains("step_started")), "{name}");
        signal(&child, name);
        let ran = end(child);
        assert_eq!(ran.code, 130, "{name}: {}", ran.stderr);
        let runs = project.ok(&["runs"]).stdout;
        assert!(runs.contains("KILLED") && !runs.contains("RUNNING"), "{name}: {runs}");
        recovers(&project, name);
    }
}

#[test]
fn runs_side_by_side_compute_each_step_once() {
    let project = Project::regression();
    let children: Vec<Child> = (0..6).map(|_| start(&project, &["run"])).collect();
    let mut executed = Vec::new();
    for child in children {
        let ran = end(child);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        executed.extend(ran.executed().split_whitespace().map(str::to_owned));
    }
    let mut wanted: Vec<&str> = ALL.split(' ').collect();
    executed.sort();
    wanted.sort_unstable();
    assert_eq!(executed, wanted);
    recovers(&project, "six at once");
}

#[test]
fn runs_side_by_side_stay_right_while_some_are_killed_and_others_collect_garbage() {
    for round in 0..if long() { 30 } else { 1 } {
        let project = Project::regression();
        let mut children: Vec<Child> = (0..6).map(|_| start(&project, &["run"])).collect();
        let garbage: Vec<Child> = (0..2).map(|_| start(&project, &["cache", "gc"])).collect();
        for (i, child) in children.iter_mut().take(3).enumerate() {
            std::thread::sleep(Duration::from_millis(120 + 53 * ((round + i as u64) % 9)));
            child.kill().unwrap();
        }
        for (i, child) in children.into_iter().enumerate() {
            let ran = end(child);
            assert!(i < 3 || ran.code == 0, "{round}: {}", ran.stderr);
        }
        for child in garbage {
            let ran = end(child);
            assert_eq!(ran.code, 0, "{round}: {}", ran.stderr);
        }
        recovers(&project, &format!("round {round}"));
    }
}

#[test]
fn models_registered_side_by_side_get_versions_without_gaps() {
    let project = Project::regression();
    project.ok(&["run", "transform"]);
    let count = if long() { 24 } else { 4 };
    let runs: Vec<Child> = (1..=count).map(|i| start(&project, &["run", &format!("steps.train.estimator_params.alpha={i}")])).collect();
    for child in runs {
        let ran = end(child);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.executed(), "train evaluate register");
    }
    let wanted: Vec<String> = (1..=count).map(|i| format!("houses v{i}")).collect();
    assert_eq!(models(&project), wanted);
    assert_eq!(litter(&project), [""; 0]);
    // Each is found again as what it was registered as.
    for i in 1..=count {
        assert_eq!(project.executed(&["run", &format!("steps.train.estimator_params.alpha={i}")]), "");
    }
}

/// Runs ingest and, from its start to the run's end, keeps changing its file.
fn run_while(project: &Project, change: impl Fn(&Path, u64)) -> Ran {
    let path = project.path("data/houses.csv");
    let mut child = start(project, &["run", "ingest", "--json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("step_started")));
    let mut count = 0;
    while child.try_wait().unwrap().is_none() {
        change(&path, count);
        count += 1;
    }
    drop(lines);
    end(child)
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused_and_nothing_is_stored() {
    let refused = |project: &Project, ran: &Ran| {
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        assert!(ran.stderr.contains("`data/houses.csv` changed while it was read"), "{}", ran.stderr);
        assert!(!project.path(".recipe/v1/steps").exists() && !project.path(".recipe/v1/objects").exists());
        project.write("data/houses.csv", houses(240));
        recovers(project, "a file that changed");
    };
    let large = || Project::regression().with("data/houses.csv", &houses(6000));
    // A digit, in place and back again; the size stays.
    let project = large();
    let at = houses(240).find("40,").unwrap() as u64;
    let ran = run_while(&project, |path, count| {
        let digit = [b'1' + (count % 8) as u8];
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&digit, at).unwrap();
    });
    refused(&project, &ran);
    // It grows, and its last line is never whole.
    let project = large();
    let ran = run_while(&project, |path, _| fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"\n7,\"").unwrap());
    refused(&project, &ran);
    // It is cut off under the reader's hands, which must not kill it.
    let project = large();
    let ran = run_while(&project, |path, count| {
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(60_000_u64.saturating_sub(count)).unwrap();
    });
    refused(&project, &ran);
}
