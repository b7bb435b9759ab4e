//! The store as a whole: what it promises when things go wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tempfile::TempDir;

use super::fault::testing::{Mode, during};
use super::*;
use crate::error::Kind;

fn owner() -> Owner {
    Owner::new("taxi", Some("local"))
}

fn project() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join(".recipe");
    (dir, store)
}

fn split_key(config: i32) -> StepKey {
    StepKey { config: json!({ "config": config }), seed: Some(42), ..StepKey::new("split", 1) }
}

/// The bytes that a step with this key writes; all outputs have one length, so that they can be swapped.
fn bytes_of(key: &StepKey, output: &str) -> Vec<u8> {
    format!("{} {:8}", key.digest(), output).repeat(9).into_bytes()
}

/// Finds or computes a step; true if it was computed. Either way the outputs are read and compared.
fn step(store: &Store, owner: &Owner, key: &StepKey, outputs: &[&str]) -> Result<(Entry, bool)> {
    let (entry, is_new) = match store.lookup(owner, key)? {
        Lookup::Hit(entry) => (entry, false),
        Lookup::Miss(reasons) => {
            assert!(!reasons.is_empty());
            match store.begin(owner, key, Reuse::Allowed, Wait::Block(&mut |_| Ok(())))? {
                Begin::AlreadyDone(entry) => (entry, false),
                Begin::Pending(pending) => {
                    let outputs: Vec<Output> = outputs.iter().map(|name| Output::new(name, &format!("{name}.txt"), "txt")).collect();
                    for output in &outputs {
                        fs::write(pending.path(&output.file), bytes_of(key, &output.name)).unwrap();
                    }
                    (pending.commit(&outputs, &json!({"rows": [1, 2.5, null]}), 0.25, "7f3a")?, true)
                }
            }
        }
    };
    store.remember(owner, &key.step, &entry)?;
    for name in outputs {
        assert_eq!(fs::read(store.output(&entry, name)?).unwrap(), bytes_of(key, name), "{name} of {}", key.step);
    }
    Ok((entry, is_new))
}

/// Two steps, the second reading the first; how many were computed.
fn run_as(owner: &Owner, dir: &Path, cache: Option<&Path>, config: i32) -> Result<usize> {
    let store = Store::open(dir, cache, Access::Write)?;
    let (split, first) = step(&store, owner, &split_key(config), &["train", "test"])?;
    let train = StepKey { inputs: split.outputs.iter().map(|(name, stored)| (name.clone(), stored.digest)).collect(), ..StepKey::new("train", 1) };
    let (_, second) = step(&store, owner, &train, &["model"])?;
    Ok(usize::from(first) + usize::from(second))
}

fn run(dir: &Path, config: i32) -> Result<usize> {
    run_as(&owner(), dir, None, config)
}

fn verify(dir: &Path) -> Vec<String> {
    Store::open(dir, None, Access::Read).unwrap().verify().unwrap().iter().map(ToString::to_string).collect()
}

fn reasons(dir: &Path, key: &StepKey) -> String {
    match Store::open(dir, None, Access::Read).unwrap().lookup(&owner(), key).unwrap() {
        Lookup::Hit(_) => "hit".to_owned(),
        Lookup::Miss(reasons) => Stale::summary(&reasons),
    }
}

/// All files below a folder, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in disk::list(dir).unwrap() {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn litter(dir: &Path) -> Vec<PathBuf> {
    disk::list(&dir.join("v1/tmp")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    fs::create_dir_all(to.join("v1/tmp")).unwrap();
}

/// Puts other bytes into a file as damage would: in place, mtime kept.
fn overwrite(file: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(file).unwrap().permissions();
    let mtime = fs::metadata(file).unwrap().modified().unwrap();
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
    fs::File::options().append(true).open(file).unwrap().set_modified(mtime).unwrap();
    fs::set_permissions(file, permissions).unwrap();
}

#[test]
fn a_second_run_computes_nothing_and_a_revert_neither() {
    let (_dir, store) = project();
    assert_eq!([1, 1, 2, 1, 2].map(|config| run(&store, config).unwrap()), [2, 0, 2, 0, 0]);
    assert_eq!(verify(&store), [""; 0]);
    assert_eq!(litter(&store), [""; 0].map(PathBuf::from));
}

#[test]
fn a_run_that_finds_everything_changes_nothing_on_disk() {
    let (_dir, store) = project();
    run(&store, 1).unwrap();
    let (computed, operations) = during(1, Mode::ReadOnly, || run(&store, 1));
    assert_eq!((computed.unwrap(), operations), (0, 0));
}

#[test]
fn a_miss_says_what_changed() {
    let (_dir, store) = project();
    assert_eq!(reasons(&store, &split_key(1)), "never run");
    assert!(!store.exists(), "looking makes nothing");
    run(&store, 1).unwrap();
    assert_eq!(reasons(&store, &split_key(1)), "hit");
    assert_eq!(reasons(&store, &StepKey { seed: None, ..split_key(2) }), "config `config`: 1 → 2, and 1 more");
    let object = files(&store.join("v1/objects")).remove(0);
    fs::remove_file(object).unwrap();
    fs::remove_dir_all(store.join("v1/steps/split")).unwrap();
    assert_eq!(reasons(&store, &split_key(1)), "its record is missing");
}

#[test]
fn cold_and_warm_runs_in_any_folder_store_the_same_bytes() {
    let ((_a, one), (_b, two)) = (project(), project());
    run(&one, 1).unwrap();
    for config in [2, 1, 2, 1] {
        run(&two, config).unwrap();
    }
    let objects = |dir: &Path| files(&dir.join("v1/objects")).iter().map(|path| (disk::file_name(path), fs::read(path).unwrap())).collect::<BTreeMap<_, _>>();
    let (one, two) = (objects(&one), objects(&two));
    assert!(one.len() == 3 && one.iter().all(|(name, bytes)| two.get(name) == Some(bytes)));
}

#[test]
fn any_damage_is_found_by_verify_and_healed_by_a_run() {
    let (_dir, sound) = project();
    let other = Owner::new("taxi", None);
    let both = |store: &Path| run(store, 1).unwrap() + run_as(&other, store, None, 1).unwrap();
    both(&sound);
    fs::write(sound.join("v1/files.json"), sealed::seal(&fingerprint::Files::new()).unwrap()).unwrap();
    let names: Vec<PathBuf> = files(&sound)
        .iter()
        .map(|path| path.strip_prefix(&sound).unwrap().to_owned())
        .filter(|name| fs::metadata(sound.join(name)).unwrap().len() > 10)
        .collect();
    assert_eq!(names.len(), 10, "three objects, two records, two latest, files, tag, version: {names:?}");
    let mut cases = 0;
    for name in &names {
        let bytes = fs::read(sound.join(name)).unwrap();
        let mut damaged: Vec<Option<Vec<u8>>> = vec![None, Some(Vec::new()), Some(bytes[..bytes.len() / 2].to_vec()), Some(vec![0; bytes.len()])];
        for (i, bit) in [(0, 0), (bytes.len() / 2, 3), (bytes.len() - 1, 7)] {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1 << bit;
            damaged.push(Some(flipped));
        }
        damaged.extend(names.iter().filter(|other| *other != name).map(|other| Some(fs::read(sound.join(other)).unwrap())));
        for damage in damaged {
            let (_dir, store) = project();
            copy(&sound, &store);
            let what = format!("{} {:?}", name.display(), damage.as_deref().map(String::from_utf8_lossy));
            match &damage {
                Some(bytes) => overwrite(&store.join(name), bytes),
                None => fs::remove_file(store.join(name)).unwrap(),
            }
            // That a file is gone shows only where another one names it.
            let shows = damage.is_some() || name.starts_with("v1/objects") || name.starts_with("v1/steps");
            assert_eq!(!verify(&store).is_empty(), shows, "{what}");
            let computed = both(&store);
            let is_result = name.starts_with("v1/objects") || name.starts_with("v1/steps");
            assert_eq!(computed, usize::from(is_result), "{what}");
            assert_eq!(both(&store), 0, "{what}");
            if name.ends_with("files.json") {
                Store::open(&store, None, Access::Write).unwrap().gc(None, Wait::NoWait).unwrap();
            }
            assert_eq!(verify(&store), [""; 0], "{what}");
            cases += 1;
        }
    }
    assert_eq!(cases, names.len() * (7 + names.len() - 1));
}

/// Pulls the plug at each operation of `work` in turn and looks at what it leaves.
fn survives(setup: impl Fn(&Path), work: impl Fn(&Path) -> Result<()>, look: impl Fn(&Path, &str)) {
    for mode in [Mode::Once, Mode::Full, Mode::Kill] {
        for at in 1.. {
            let (_dir, store) = project();
            setup(&store);
            let (result, operations) = during(at, mode, || work(&store));
            if operations < at {
                result.unwrap();
                assert!(at > 5, "the faults are reached");
                break;
            }
            // A failed clean-up fails nothing; every other failure is one of input and output.
            if let Err(error) = result {
                assert_eq!(error.kind, Kind::Io, "{mode:?} at {at}: {error}");
            }
            look(&store, &format!("{mode:?} at {at}"));
        }
    }
}

#[test]
fn a_run_that_fails_or_is_killed_at_any_operation_loses_nothing() {
    survives(
        |store| {
            run(store, 1).unwrap();
        },
        |store| run(store, 2).map(drop),
        |store, what| {
            assert_eq!(run(store, 1).unwrap(), 0, "{what}");
            run(store, 2).unwrap();
            assert_eq!(run(store, 2).unwrap(), 0, "{what}");
            assert_eq!(verify(store), [""; 0], "{what}");
            assert_eq!(litter(store), [""; 0].map(PathBuf::from), "{what}");
            assert_eq!(files(&store.join("v1/objects")).len(), 6, "{what}");
        },
    );
}

#[test]
fn the_first_run_of_all_may_fail_anywhere() {
    survives(
        |_| {},
        |store| run(store, 1).map(drop),
        |store, what| {
            run(store, 1).unwrap();
            assert_eq!(run(store, 1).unwrap(), 0, "{what}");
            assert_eq!(verify(store), [""; 0], "{what}");
            assert_eq!(litter(store), [""; 0].map(PathBuf::from), "{what}");
            assert_eq!(fs::read_to_string(store.join(".gitignore")).unwrap(), "*\n", "{what}");
        },
    );
}

#[test]
fn deleting_may_fail_anywhere() {
    let setup = |store: &Path| {
        for config in [1, 2, 3] {
            run(store, config).unwrap();
        }
    };
    let look = |store: &Path, what: &str| {
        run(store, 3).unwrap();
        assert_eq!(run(store, 3).unwrap(), 0, "{what}");
        Store::open(store, None, Access::Write).unwrap().gc(None, Wait::NoWait).unwrap();
        assert_eq!(files(&store.join("v1/objects")).len(), 3, "{what}");
        assert_eq!((verify(store), run(store, 3).unwrap()), (Vec::new(), 0), "{what}");
    };
    survives(setup, |store| Store::open(store, None, Access::Write)?.gc(None, Wait::NoWait).map(drop), look);
    survives(setup, |store| Store::open(store, None, Access::Write)?.forget(&owner(), None, Wait::NoWait).map(drop), look);
}

#[test]
fn eight_runs_at_once_compute_a_step_once() {
    let (_dir, store) = project();
    let computed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| computed.fetch_add(run(&store, 1).unwrap(), Ordering::Relaxed));
        }
    });
    assert_eq!(computed.into_inner(), 2);
    assert_eq!((verify(&store), litter(&store)), (Vec::new(), Vec::new()));
}

#[test]
fn scratch_space_is_swept_by_nobody_while_it_is_made() {
    let (_dir, store) = project();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..1000 {
                    let root = layout::Root::open(store, layout::Role::Project, Access::Write).unwrap();
                    root.replace(&store.join(format!("{thread}")), i.to_string().as_bytes(), layout::Durability::Cheap).unwrap();
                }
            });
        }
    });
    assert_eq!(litter(&store), [""; 0].map(PathBuf::from));
}

#[test]
fn runs_beside_a_looping_gc_stay_right() {
    let (_dir, store) = project();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                for i in 0..5 {
                    run_as(&Owner::new(&format!("r{thread}"), None), store, None, i % 3).unwrap();
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        while done.load(Ordering::Relaxed) < 4 {
            Store::open(&store, None, Access::Write).unwrap().gc(None, Wait::Block(&mut |_| Ok(()))).unwrap();
        }
    });
    assert_eq!((verify(&store), litter(&store)), (Vec::new(), Vec::new()));
}

#[test]
fn whoever_waits_is_told_and_can_give_up() {
    let (_dir, dir) = project();
    let [one, mut two] = [(); 2].map(|()| Store::open(&dir, None, Access::Write).unwrap());
    let begin = |store: &Store, wait: Wait<'_>| store.begin(&owner(), &split_key(1), Reuse::Allowed, wait).map(drop);
    let pending = one.begin(&owner(), &split_key(1), Reuse::Allowed, Wait::NoWait).unwrap();
    assert_eq!(begin(&two, Wait::NoWait).unwrap_err().kind, Kind::Busy);
    let mut calls = 0;
    let mut give_up = |_: Duration| {
        calls += 1;
        if calls < 3 { Ok(()) } else { Err(Error::new(Kind::Interrupted, "stopped")) }
    };
    assert_eq!(begin(&two, Wait::Block(&mut give_up)).unwrap_err().kind, Kind::Interrupted);
    assert_eq!(two.gc(None, Wait::NoWait).unwrap_err().kind, Kind::Busy);
    drop(pending);
    begin(&two, Wait::NoWait).unwrap();
    drop(one);
    two.gc(None, Wait::NoWait).unwrap();
}

#[test]
fn a_forced_step_is_computed_and_stored_again() {
    let (_dir, dir) = project();
    run(&dir, 1).unwrap();
    let store = Store::open(&dir, None, Access::Write).unwrap();
    let begin = |reuse| store.begin(&owner(), &split_key(1), reuse, Wait::NoWait).unwrap();
    assert!(matches!(begin(Reuse::Allowed), Begin::AlreadyDone(_)));
    let Begin::Pending(pending) = begin(Reuse::Never) else { panic!("was to be computed") };
    fs::write(pending.path("a"), "a").unwrap();
    let error = pending.commit(&[Output::new("train", "b", "txt")], &json!(null), 0.0, "r").unwrap_err();
    assert_eq!(error.to_string(), "`split` did not write its output `train`");
    assert_eq!(run(&dir, 1).unwrap(), 0);
}

#[test]
fn a_disk_that_forbids_writing_gives_what_it_has() {
    let (_dir, dir) = project();
    run(&dir, 1).unwrap();
    let mut store = Store::open(&dir, None, Access::Write).unwrap();
    store.home.denied = Some(rustix::io::Errno::ROFS);
    assert!(!store.is_writable());
    let other = Owner::new("other", None);
    let (entry, is_new) = step(&store, &other, &split_key(1), &["train", "test"]).unwrap();
    assert!(!is_new && store.latest(&other, "split").unwrap().is_none());
    assert_eq!(entry, store.latest(&owner(), "split").unwrap().unwrap());
    assert_eq!(step(&store, &other, &split_key(2), &["train"]).unwrap_err().kind, Kind::Io);
    assert_eq!(store.gc(None, Wait::NoWait).unwrap_err().kind, Kind::Io);
}

#[test]
fn a_file_or_a_newer_store_in_its_place_is_refused() {
    let (_dir, dir) = project();
    let refusal = |access| Store::open(&dir, None, access).err().map(|error| (error.kind, error.problems[0].hint.clone().unwrap()));
    let move_away = Some((Kind::Store, "move it away and run again".to_owned()));
    let newer = Some((Kind::Store, "update `recipe`, or move the folder away and run again".to_owned()));
    fs::write(&dir, "").unwrap();
    assert_eq!([refusal(Access::Read), refusal(Access::Write)], [move_away.clone(), move_away.clone()]);
    fs::remove_file(&dir).unwrap();
    fs::create_dir_all(dir.join("v2")).unwrap();
    assert_eq!([refusal(Access::Read), refusal(Access::Write)], [newer.clone(), newer.clone()]);
    fs::remove_dir_all(&dir).unwrap();
    run(&dir, 1).unwrap();
    fs::write(dir.join("version"), "2\n").unwrap();
    assert_eq!(refusal(Access::Write), newer);
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("v1"), "").unwrap();
    assert_eq!(refusal(Access::Write), move_away);
}

#[test]
fn hostile_names_stay_inside_the_store() {
    let (outer, dir) = project();
    let hostile = Owner::new("../../x", Some("../\0y"));
    let key = StepKey::new("../../../step", 1);
    let store = Store::open(&dir, None, Access::Write).unwrap();
    for expected in [true, false] {
        assert_eq!(step(&store, &hostile, &key, &["../../out"]).unwrap().1, expected);
    }
    assert!(store.latest(&hostile, &key.step).unwrap().is_some());
    assert_eq!(store.owners().unwrap(), [hostile]);
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.cards_dir("../x"), dir.join("cards/%2e.%2fx"));
    assert_eq!(store.write(&dir.join("cards/../../x"), b"").unwrap_err().kind, Kind::Bug);
    store.write(&store.cards_dir("taxi").join("index.html"), b"card").unwrap();
    drop(store);
    assert_eq!(disk::list(outer.path()).unwrap(), [dir]);
}

#[test]
fn the_folder_is_private_and_outputs_are_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, dir) = project();
    run(&dir, 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert!(files(&dir.join("v1/objects")).iter().all(|path| mode(path) == 0o444));
    assert!(fs::read_to_string(dir.join("v1/CACHEDIR.TAG")).unwrap().starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
}

#[test]
fn gc_keeps_what_is_used_and_what_is_young() {
    let (_dir, dir) = project();
    run(&dir, 1).unwrap();
    run(&dir, 2).unwrap();
    let gc = |unused_for| Store::open(&dir, None, Access::Write).unwrap().gc(unused_for, Wait::NoWait).unwrap();
    let month = Some(Duration::from_hours(30 * 24));
    assert_eq!(gc(month), Freed::default());
    for record in files(&dir.join("v1/steps")) {
        fs::File::open(record).unwrap().set_modified(SystemTime::now() - Duration::from_hours(40 * 24)).unwrap();
    }
    run(&dir, 1).unwrap();
    assert_eq!((gc(month).results, gc(month).results), (2, 0));
    run(&dir, 2).unwrap();
    assert_eq!((gc(None).results, gc(None).results), (2, 0));
    assert_eq!(run(&dir, 2).unwrap(), 0);
    let usage = Store::open(&dir, None, Access::Read).unwrap().usage().unwrap();
    assert_eq!((usage.objects.0, usage.scratch, usage.steps["split"].0), (3, 0, 1));
}

#[test]
fn cleaning_one_recipe_keeps_what_another_uses() {
    let (_dir, dir) = project();
    let other = Owner::new("other", None);
    for config in [1, 2] {
        run(&dir, config).unwrap();
    }
    assert_eq!(run_as(&other, &dir, None, 2).unwrap(), 0);
    let forget = |owner: &Owner, step| Store::open(&dir, None, Access::Write).unwrap().forget(owner, step, Wait::NoWait).unwrap();
    assert_eq!(forget(&owner(), Some("split")).results, 1);
    assert_eq!(forget(&owner(), None).results, 1);
    assert_eq!(run_as(&other, &dir, None, 2).unwrap(), 0);
    assert_eq!(run(&dir, 1).unwrap(), 2);
    assert_eq!((forget(&other, None).results, verify(&dir)), (2, Vec::new()));
    let freed = Store::open(&dir, None, Access::Write).unwrap().clear(Wait::NoWait).unwrap();
    assert_eq!((freed.results, freed.objects, files(&dir.join("v1/objects")).len()), (2, 3, 0));
}

#[test]
fn projects_that_share_a_cache_share_results_and_gc_knows_both() {
    let ((_a, one), (_b, two), (_c, cache)) = (project(), project(), project());
    let owner = owner();
    assert_eq!(run_as(&owner, &one, Some(&cache), 1).unwrap(), 2);
    assert_eq!(run_as(&owner, &two, Some(&cache), 1).unwrap(), 0);
    assert_eq!(run_as(&owner, &two, Some(&cache), 2).unwrap(), 2);
    Store::open(&one, Some(&cache), Access::Write).unwrap().gc(None, Wait::NoWait).unwrap();
    Store::open(&two, Some(&cache), Access::Write).unwrap().gc(None, Wait::NoWait).unwrap();
    assert_eq!(run_as(&owner, &one, Some(&cache), 1).unwrap(), 0);
    assert_eq!(run_as(&owner, &two, Some(&cache), 2).unwrap(), 0);
    assert!(!one.join("v1/objects").exists() && !cache.join("v1/latest").exists());
    assert_eq!(Store::open(&one, Some(&cache), Access::Read).unwrap().verify().unwrap(), []);
}

#[test]
fn notes_are_found_again_until_the_result_stands_and_damage_is_no_note() {
    let (_dir, path) = project();
    let store = Store::open(&path, None, Access::Write).unwrap();
    let (key, other) = (split_key(1), split_key(2));
    let begin = |key: &StepKey, reuse| match store.begin(&owner(), key, reuse, Wait::NoWait).unwrap() {
        Begin::Pending(pending) => pending,
        Begin::AlreadyDone(_) => panic!("it was not done"),
    };
    let pending = begin(&key, Reuse::Allowed);
    for (name, value) in [("a/b", json!(1.5)), ("c", json!([null, "x"])), ("c", json!(2))] {
        pending.note(name, &value).unwrap();
    }
    drop(pending);
    begin(&other, Reuse::Allowed).note("c", &json!(3)).unwrap();
    let wanted = BTreeMap::from([("a/b".to_owned(), json!(1.5)), ("c".to_owned(), json!(2))]);
    assert_eq!(begin(&key, Reuse::Allowed).notes().unwrap(), wanted);
    assert_eq!(store.verify().unwrap(), []);
    // A note that lies under another key, and one that is torn.
    let note = |key: &StepKey, file: &str| path.join(format!("v1/notes/split/{}/{file}", key.digest()));
    fs::copy(note(&other, "c.json"), note(&key, "c.json")).unwrap();
    fs::write(note(&key, "a%2fb.json"), &fs::read(note(&key, "a%2fb.json")).unwrap()[..40]).unwrap();
    assert_eq!(begin(&key, Reuse::Allowed).notes().unwrap(), BTreeMap::new());
    assert_eq!(store.verify().unwrap().iter().filter(|finding| finding.problem == "is damaged").count(), 2);
    // Computing anew forgets them, a result does, and so does collecting garbage.
    begin(&key, Reuse::Never);
    assert!(!note(&key, "c.json").exists());
    begin(&key, Reuse::Allowed).note("c", &json!(1)).unwrap();
    step(&store, &owner(), &key, &["x"]).unwrap();
    assert!(!note(&key, "c.json").exists() && note(&other, "c.json").exists());
    drop(store);
    let mut store = Store::open(&path, None, Access::Write).unwrap();
    assert!(store.usage().unwrap().scratch > 0);
    assert!(store.gc(None, Wait::NoWait).unwrap().bytes > 0);
    assert!(!note(&other, "c.json").exists());
    assert_eq!(store.usage().unwrap().scratch, 0);
}
