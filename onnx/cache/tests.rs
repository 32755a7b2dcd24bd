use super::*;
use crate::Cancel;
use crate::session::Graph;
use crate::testing::{data, load, ready};
use std::fs;
use std::time::{Duration, SystemTime};

const INPUT: [f32; 8] = [0.5, -1.0, 2.0, 0.25, 1.0, -0.5, 0.0, 3.0];

fn options(dir: &Path, limit_bytes: u64) -> GraphOptions {
    let cache = GraphCache { dir: dir.to_owned(), limit_bytes, from_bytes: 512 };
    GraphOptions { cache: Some(cache), ..GraphOptions::default() }
}

fn answer(graph: &mut Graph) -> Vec<f32> {
    graph.set_f32(0, &[1, 8], &INPUT).unwrap();
    graph.run(&Cancel::new()).unwrap();
    graph.output_f32(0).unwrap().iter().copied().collect()
}

/// Loads through the cache and checks the answer against a load without it.
fn answers(name: &str, options: &GraphOptions) -> Option<String> {
    let mut graph = load(&data(name), options);
    assert_eq!(answer(&mut graph), answer(&mut crate::testing::graph(name)), "{name}");
    graph.cache_note().map(str::to_owned)
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir).unwrap().map(|folder| folder.unwrap().path());
    let mut entries: Vec<_> = folders.filter(|path| !path.ends_with("hashes")).collect();
    entries.sort();
    entries
}

/// When the entry's graph was written: a rebuilt entry is another file.
fn written(entry: &Path) -> SystemTime {
    entry.join(store::GRAPH).metadata().unwrap().modified().unwrap()
}

fn set_last_use(entry: &Path, ago: Duration) {
    let manifest = fs::File::options().append(true).open(entry.join("manifest.json")).unwrap();
    manifest.set_modified(SystemTime::now() - ago).unwrap();
}

#[test]
fn the_second_load_takes_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 1 << 30);
    assert_eq!(answers("layers.onnx", &options), None);
    let [entry] = &entries(dir.path())[..] else { panic!("one entry") };
    let first = written(entry);
    set_last_use(entry, Duration::from_secs(3600));
    assert_eq!(answers("layers.onnx", &options), None);
    assert_eq!(written(entry), first);
    let used = entry.join("manifest.json").metadata().unwrap().modified().unwrap();
    assert!(used.elapsed().unwrap() < Duration::from_secs(60), "its use is noted");
    let threads = GraphOptions { threads: Some(1), ..options };
    assert_eq!(answers("layers.onnx", &threads), None);
    assert_eq!(entries(dir.path()).len(), 1, "threads do not change the graph");
}

#[test]
fn the_key_follows_content_and_settings() {
    let (dir, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut options = options(dir.path(), 1 << 30);
    let path = models.path().join("m.onnx");
    for name in ["layers.onnx", "layers2.onnx"] {
        fs::copy(data(name), &path).unwrap();
        let expected = answer(&mut crate::testing::graph(name));
        assert_eq!(answer(&mut load(&path, &options)), expected, "the file was replaced");
    }
    options.providers = crate::Providers::parse(&["cpu:arena=off"], &[]).unwrap();
    load(&path, &options);
    assert_eq!(entries(dir.path()).len(), 3);
}

#[test]
fn broken_entries_are_rebuilt() {
    type Breakage = fn(&Path);
    let breakages: [(&str, Breakage); 6] = [
        ("graph cut short", |entry| cut(&entry.join(store::GRAPH), 100)),
        ("graph altered", |entry| alter(&entry.join(store::GRAPH))),
        ("graph gone", |entry| fs::remove_file(entry.join(store::GRAPH)).unwrap()),
        ("manifest gone", |entry| fs::remove_file(entry.join("manifest.json")).unwrap()),
        ("manifest empty", |entry| fs::write(entry.join("manifest.json"), "").unwrap()),
        ("weights appeared", |entry| fs::write(entry.join(store::WEIGHTS), "x").unwrap()),
    ];
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 1 << 30);
    answers("layers.onnx", &options);
    for (what, break_it) in breakages {
        let [entry] = &entries(dir.path())[..] else { panic!("one entry before: {what}") };
        break_it(entry);
        assert_eq!(answers("layers.onnx", &options), None, "{what}");
        let store = Store::open(options.cache.as_ref().unwrap()).unwrap();
        let key = entry.file_name().unwrap().to_str().unwrap();
        assert!(store.find(key).is_some(), "whole again: {what}");
    }
}

fn cut(path: &Path, bytes: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn alter(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_entry_that_cannot_be_loaded_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 1 << 30);
    answers("layers.onnx", &options);
    let [entry] = &entries(dir.path())[..] else { panic!("one entry") };
    // Whole by its manifest, and yet not the graph it should be.
    fs::write(entry.join(store::GRAPH), b"nonsense").unwrap();
    store::rewrite_manifest(entry);
    let note = answers("layers.onnx", &options).unwrap();
    assert!(note.contains("the kept graph was dropped"), "{note}");
    assert!(entries(dir.path()).is_empty());
}

#[test]
fn threads_may_fill_one_entry_at_once() {
    let dir = tempfile::tempdir().unwrap();
    ready();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(answers("layers.onnx", &options(dir.path(), 1 << 30)), None));
        }
    });
    assert_eq!(entries(dir.path()).len(), 1, "and nothing unfinished is left");
}

#[test]
fn processes_may_fill_one_entry_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let child = || {
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "cache::tests::child", "--ignored"]).env("EDRUN_TEST_CACHE", dir.path());
        test.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut children: Vec<_> = (0..3).map(|_| child()).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(entries(dir.path()).len(), 1);
}

#[test]
#[ignore = "started by processes_may_fill_one_entry_at_once"]
fn child() {
    let Some(dir) = std::env::var_os("EDRUN_TEST_CACHE") else { return };
    assert_eq!(answers("layers.onnx", &options(dir.as_ref(), 1 << 30)), None);
}

#[test]
fn the_least_recently_used_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    answers("layers.onnx", &options(dir.path(), 1 << 30));
    let [old] = &entries(dir.path())[..] else { panic!("one entry") };
    set_last_use(old, Duration::from_secs(3600));
    let size: u64 = fs::read_dir(old).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let abandoned = dir.path().join(".unfinished-left");
    fs::create_dir(&abandoned).unwrap();
    fs::File::open(&abandoned).unwrap().set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
    // Room for one and a half: the second pushes the first out.
    assert_eq!(answers("layers2.onnx", &options(dir.path(), size * 3 / 2)), None);
    assert!(!old.exists() && !abandoned.exists());
    assert_eq!(entries(dir.path()).len(), 1);
}

#[test]
fn what_never_fits_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let note = answers("layers.onnx", &options(dir.path(), 600)).unwrap();
    assert!(note.contains("exceeds the cache limit of 600 bytes"), "{note}");
    assert!(entries(dir.path()).is_empty());
}

#[test]
fn a_cache_that_cannot_be_written_only_leaves_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let note = answers("layers.onnx", &options(&file.join("graphs"), 1 << 30)).unwrap();
    assert!(note.contains("cannot use the cache in"), "{note}");
}

#[test]
fn small_graphs_and_bad_graphs_leave_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 1 << 30);
    assert_eq!(load(&data("add.onnx"), &options).cache_note(), None);
    assert!(entries(dir.path()).is_empty());
}
