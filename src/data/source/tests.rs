//! Whole readings: bytes on disk in, a table or a message out.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use polars::prelude::*;

use super::*;
use crate::data::sink::{SaveMode, write};

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("scratch")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        Self(dir)
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self::new().file(name, content)
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("data").join(name)
    }

    fn read_as(&self, options: &str, wanted: &[(&str, DataType)]) -> Result<super::Read> {
        let text = format!("{{\"location\": \"data\"{options}}}");
        let config: SourceConfig = serde_json::from_str(&text).unwrap();
        config.check().unwrap();
        let files = locate(self.0.path(), &config)?;
        let wanted = wanted.iter().map(|(name, dtype)| ((*name).to_owned(), dtype.clone())).collect();
        read(&files, &config, &wanted, &self.0.path().join("scratch"), 7)
    }

    fn read(&self) -> super::Read {
        self.read_as("", &[]).unwrap()
    }

    fn fails(&self, options: &str) -> String {
        tell(self.read_as(options, &[]))
    }
}

fn tell(read: Result<super::Read>) -> String {
    let Err(error) = read else { panic!("it was read") };
    assert_eq!(error.kind, Failure::Data);
    let mut told = error.to_string();
    if let Some(hint) = error.problems.iter().find_map(|problem| problem.hint.as_ref()) {
        told.push_str(&format!("\nhint: {hint}"));
    }
    told
}

fn types(read: &super::Read) -> String {
    read.table.schema().iter().map(|(name, dtype)| format!("{name} {dtype}")).collect::<Vec<_>>().join(", ")
}

fn rows(read: &super::Read) -> Vec<String> {
    let frame = read.table.collect().unwrap();
    let text = |value: AnyValue<'_>| if value.is_null() { "-".to_owned() } else { value.str_value().into_owned() };
    (0..frame.height()).map(|row| frame.columns().iter().map(|column| text(column.get(row).unwrap())).collect::<Vec<_>>().join("|")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

// Csv: what is read.

#[test]
fn every_type_is_found_over_all_rows() {
    let csv = "i,f,b,d,t,z,code,s,none\n1,2,true,2024-01-02,2024-01-02T03:04:05.5,2024-01-02 03:04:05+01:00,007,a,\n,-0.5,False,,2024-01-03 10:00,,12,\"b, \"\"c\"\"\n\",\n";
    let project = Project::with("t.csv", csv);
    let read = project.read();
    assert_eq!(types(&read), "i i64, f f64, b bool, d date, t datetime[μs], z datetime[μs], code str, s str, none str");
    assert_eq!(
        rows(&read),
        ["1|2.0|true|2024-01-02|2024-01-02 03:04:05.500|2024-01-02 02:04:05|007|a|-", "-|-0.5|false|-|2024-01-03 10:00:00|-|12|b, \"c\"\n|-"]
    );
    assert_eq!((read.rows_read, read.rejected, read.formats.as_str()), (2, 0, "csv"));
    assert_eq!(read.notes, ["`data/t.csv`: the times in column `z` have a time zone and are read as UTC"]);
}

#[test]
fn a_type_may_change_in_the_last_of_many_rows() {
    let mut csv = "x,y\n".to_owned();
    for row in 0..200_000 {
        csv.push_str(&format!("{row},{row}\n"));
    }
    csv.push_str("0.5,last\n");
    let project = Project::with("t.csv", csv);
    let read = project.read();
    assert_eq!(types(&read), "x f64, y str");
    assert_eq!(read.table.rows().unwrap() as u64, read.rows_read);
    assert!(read.notes[0].contains("the first is `last` in line 200002"), "{:?}", read.notes);
}

#[test]
fn line_ends_marks_blank_lines_and_stray_quotes_do_not_matter() {
    let wanted = ["1|x", "2|y"];
    for csv in [
        "a,b\n1,x\n2,y",
        "\u{feff}a,b\r\n1,x\r\n2,y\r\n",
        "a,b\r1,x\r2,y\r",
        "\na,b\n\n1,x\n\n2,y\n\n\n",
        "\"a\",\"b\"\n\"1\",\"x\"\r\n\"2\",\"y\"\n",
        " a , \"b\"\n1,x\n2,y\n",
    ] {
        let project = Project::with("t.csv", csv);
        let read = project.read();
        assert_eq!((rows(&read), read.rows_read), (wanted.map(str::to_owned).to_vec(), 2), "{csv:?}");
    }
    let project = Project::with("t.csv", "a,b\n1,5\" pipe\n2,\"6\"\" pipe\"\n");
    let read = project.read();
    assert_eq!(rows(&read), ["1|5\" pipe", "2|6\" pipe"]);
}

#[test]
fn blanks_around_numbers_are_no_part_of_them() {
    let project = Project::with("t.csv", "a, b, c\n1 , 2, x\n 3, ,y\n");
    let read = project.read();
    assert_eq!((types(&read).as_str(), rows(&read)), ("a i64, b i64, c str", vec!["1|2| x".to_owned(), "3|-|y".into()]));
}

#[test]
fn options_say_how_the_text_is_meant() {
    let project = Project::with("t.csv", "made by a tool\n\nx;y;z\n1,5;NA;2024-01-01\n2;'a;b';2024-01-02\n");
    let options =
        r#", "options": {"separator": ";", "decimal_comma": true, "null_values": ["NA"], "quote_char": "'", "skip_rows": 2, "try_parse_dates": false}"#;
    let read = project.read_as(options, &[]).unwrap();
    assert_eq!((types(&read).as_str(), rows(&read)), ("x f64, y str, z str", vec!["1.5|-|2024-01-01".to_owned(), "2.0|a;b|2024-01-02".into()]));
    let project = Project::with("t.tsv", "1\tx\n2\ty\n");
    let read = project.read_as(r#", "options": {"has_header": false}"#, &[]).unwrap();
    assert_eq!((types(&read).as_str(), rows(&read)), ("column_1 i64, column_2 str", vec!["1|x".to_owned(), "2|y".into()]));
}

#[test]
fn declared_encodings_are_decoded() {
    let latin1 = Project::with("t.csv", b"n,p\nJos\xe9,5\x80\n");
    assert_eq!(rows(&latin1.read_as(r#", "options": {"encoding": "latin1"}"#, &[]).unwrap()), ["José|5€"]);
    let utf16: Vec<u8> = "\u{feff}n,p\nJosé,5\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(rows(&Project::with("t.csv", utf16).read_as(r#", "options": {"encoding": "utf16"}"#, &[]).unwrap()), ["José|5"]);
}

#[test]
fn the_contract_decides_types_and_its_misfits_are_malformed_rows() {
    let project = Project::with("t.csv", "id,n,f\n7,1.0,18446744073709551616\n8,x,2\n");
    let wanted = [("id", DataType::String), ("n", DataType::Int32), ("f", DataType::Float64)];
    assert_eq!(
        tell(project.read_as("", &wanted)),
        "malformed row: `x` in column `n` is not an integer (data/t.csv:3)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`"
    );
    let read = project.read_as(r#", "options": {"max_rejected": 1}"#, &wanted).unwrap();
    assert_eq!((types(&read).as_str(), rows(&read)), ("id str, n i64, f f64", vec!["7|1|1.8447e19".to_owned()]));
}

#[test]
fn rejected_rows_are_kept_apart_and_nothing_is_lost() {
    let project = Project::with("t.csv", "a,b\n1,x\n2\n3,\"y\nz\"\n4,u,v\n5,w\n");
    let read = project.read_as(r#", "options": {"max_rejected": 2}"#, &[]).unwrap();
    assert_eq!(rows(&read), ["1|x", "3|y\nz", "5|w"]);
    assert_eq!((read.rows_read, read.rejected), (3, 2));
    let reject = |line, reason: &str, text: &str| Reject { file: "data/t.csv".into(), line, reason: reason.into(), text: text.into() };
    assert_eq!(read.rejects, [reject(3, "expected 2 fields, found 1", "2"), reject(6, "expected 2 fields, found 3", "4,u,v")]);
}

#[test]
fn pieces_side_by_side_find_what_one_reading_finds() {
    let mut csv = "n,text\n".to_owned();
    for row in 0..120_000 {
        csv.push_str(&if row % 3 == 0 { format!("{row},\"line one, \"\"of\"\"\nline two {row}\"\n") } else { format!("{row},plain {row}\n") });
    }
    csv.push_str("1,2,3\n");
    let lines = csv.matches('\n').count();
    let project = Project::with("t.csv", &csv);
    assert_eq!(
        project.fails(""),
        format!("malformed row: expected 2 fields, found 3 (data/t.csv:{lines})\nhint: mend it, or leave it out: `options: {{max_rejected: 1}}`")
    );
    let read = project.read_as(r#", "options": {"max_rejected": 1}"#, &[]).unwrap();
    assert_eq!((read.rows_read, read.table.rows().unwrap()), (120_000, 120_000));
    let last = read.table.lazy().tail(3).collect().unwrap();
    assert_eq!(last.column("text").unwrap().get(0).unwrap().str_value(), "line one, \"of\"\nline two 119997");
}

// Csv: what is refused, as the list of bad inputs numbers it.

#[test]
fn a_separator_that_is_not_said_is_taken_from_the_header() {
    for (bytes, expected) in [
        ("a;b\n1;2\n", "a i64, b i64"),
        ("\"a b\";\"c\"\n1;x,y\n", "a b i64, c str"),
        ("a\tb\n1\t2\n", "a i64, b i64"),
        ("a|b\n1|2\n", "a i64, b i64"),
        ("a,b;c\n1,2\n", "a i64, b;c i64"),
    ] {
        assert_eq!(types(&Project::with("t.csv", bytes).read()), expected, "{bytes:?}");
    }
}

#[test]
fn bad_csv_is_refused_with_its_place() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("38 empty", b"", "`data/t.csv` is empty: 0 bytes (data/t.csv)"),
        ("38 only a mark", b"\xef\xbb\xbf", "`data/t.csv` holds no header line (data/t.csv:1)"),
        ("39 header only", b"a,b\n", "`data/t.csv` holds no rows (data/t.csv)"),
        ("42 duplicate header", b"a,b,a\n1,2,3\n", "columns 1 and 3 are both called `a` (data/t.csv:1)\nhint: give every column its own name"),
        ("43 empty header cell", b"a,,c\n1,2,3\n", "column 2 has no name (data/t.csv:1)\nhint: name it in the header line"),
        (
            "44 ragged row",
            b"a,b\n1,2\n\"x\ny\",2\n3\n",
            "malformed row: expected 2 fields, found 1 (data/t.csv:5)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`",
        ),
        (
            "45 unclosed quote",
            b"a,b\n1,2\n2,\"x\n3,y\n4,z\n",
            "a quote is opened here and never closed (data/t.csv:3)\nhint: double a quote that is meant as text, or say `options: {quote_char: \"\"}`",
        ),
        (
            "45 unclosed before another quote",
            b"a,b\n1,\"x\n2,\"y\"\n3,\"z\"\n",
            "a quote is opened here and never closed (data/t.csv:2)\nhint: double a quote that is meant as text, or say `options: {quote_char: \"\"}`",
        ),
        (
            "46 latin1",
            b"a,b\n1,x\n2,Jos\xe9\n",
            "malformed row: byte 0xE9 in field 2 is not valid UTF-8 (data/t.csv:3)\nhint: say which encoding it is: `options: {encoding: latin1}`",
        ),
        ("46 utf16", b"\xff\xfea\0,\0b\0\n\0", "`data/t.csv` is UTF-16 text (data/t.csv)\nhint: say so: `options: {encoding: utf16}`"),
        ("46 utf16 without mark", b"a\0,\0b\0\n\x001\0,\x002\0\n\0", "`data/t.csv` is UTF-16 text (data/t.csv)\nhint: say so: `options: {encoding: utf16}`"),
        ("47 NUL", b"a,b\n1,x\0y\n", "malformed row: a NUL byte (data/t.csv:2)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`"),
        (
            "61 overflow",
            b"a,b\n1,x\n18446744073709551616,y\n",
            "column `a` holds an integer beyond 64 bits: `18446744073709551616` (data/t.csv:3)\nhint: declare it: `schema: {a: {type: string}}`, or `float`",
        ),
        (
            "text behind a quote",
            b"a,b\n1,\"x\"y\n",
            "malformed row: text behind the closing quote of field 2 (data/t.csv:2)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`",
        ),
        (
            "parquet named csv",
            b"PAR1xxxxxxxxPAR1",
            "`data/t.csv` is not csv: it looks like parquet (data/t.csv)\nhint: set `using: parquet`, or name the file after its content",
        ),
    ];
    for (case, bytes, message) in cases {
        assert_eq!(Project::with("t.csv", bytes).fails(""), *message, "{case}");
    }
    assert_eq!(
        Project::with("t.csv", "a;b\n1;2\n").fails(r#", "options": {"separator": ","}"#),
        "the header has one column, `a;b` (data/t.csv:1)\nhint: is the separator `;`? say `options: {separator: \";\"}`"
    );
    assert_eq!(
        Project::with("t.csv", "a;b\n1,5;2\n2.5;3\n").fails(r#", "options": {"separator": ";"}"#),
        "column `a` holds a decimal comma among numbers with a point: `1,5` (data/t.csv:2)\nhint: set `options: {decimal_comma: true}`, or declare it: `schema: {a: {type: string}}`"
    );
}

#[test]
fn the_first_five_malformed_rows_and_their_count_are_told() {
    let csv = format!("a,b\n{}", "1\n".repeat(2_000_000));
    let error = Project::with("t.csv", csv).read_as("", &[]).err().unwrap();
    assert_eq!(error.problems.len(), 6);
    assert_eq!(error.problems[4].place, Some(Place::line("data/t.csv", 6)));
    assert_eq!(error.problems[5].message, "2000000 rows are malformed; the first 5 are shown");
}

#[test]
fn a_line_without_end_is_refused_after_a_bounded_part_of_it() {
    let project = Project::new();
    for (name, start, message) in [
        ("header.csv", "", "this line is longer than 1 MB (data/header.csv:1)"),
        ("row.csv", "a,b\n1,2\n", "this line is longer than 1 MB (data/row.csv:3)"),
        ("quote.csv", "a,b\n1,2\n3,\"", "a quote is opened here and never closed (data/quote.csv:3)"),
        ("line.jsonl", "{\"a\": 1}\n{\"a\": \"", "this line is longer than 1 MB (data/line.jsonl:2)"),
    ] {
        let path = project.path(name);
        fs::write(&path, [start.as_bytes(), &b"x".repeat(2 << 20)].concat()).unwrap();
        // A gigabyte that takes no room on disk; it is not reached.
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        let told = project.fails("");
        assert!(told.starts_with(message), "{told}");
        fs::remove_file(path).unwrap();
    }
}

// Packed files.

#[test]
fn packing_is_seen_by_content_whatever_the_name() {
    let csv = b"a,b\n1,x\n";
    let zst = zstd::encode_all(&csv[..], 1).unwrap();
    for (name, bytes) in
        [("t.csv", gzip(csv)), ("t.csv.gz", gzip(csv)), ("t.csv.zst", zst.clone()), ("t.csv.gz", zst), ("t.csv.gz", [gzip(b"a,b\n"), gzip(b"1,x\n")].concat())]
    {
        assert_eq!(rows(&Project::with(name, bytes).read()), ["1|x"]);
    }
    let packed = gzip(&csv.repeat(1000));
    assert_eq!(
        Project::with("t.csv.gz", &packed[..packed.len() / 2]).fails(""),
        "`data/t.csv.gz` is a damaged gzip file: it ends too early\nhint: fetch or pack it again"
    );
}

// Several files.

#[test]
fn several_files_are_one_table_in_the_order_of_their_names() {
    let project = Project::with("b.csv", "y,x\nu,2.5\n").file("a.csv", "x,y\n1,t\n").file("c.jsonl", "{\"x\": 3, \"y\": \"v\"}\n");
    let read = project.read();
    assert_eq!((types(&read).as_str(), rows(&read)), ("x f64, y str", vec!["1.0|t".to_owned(), "2.5|u".into(), "3.0|v".into()]));
    assert_eq!(read.formats, "csv, json");
    assert_eq!(read.table.rows().unwrap(), 3);
}

#[test]
fn files_that_do_not_fit_are_both_named() {
    let project = Project::with("a.csv", "x,y\n1,t\n").file("b.csv", "x,z\nabc,2\n");
    assert_eq!(
        project.fails(""),
        "`data/b.csv` has other columns than `data/a.csv`: it lacks `y` and it has `z` besides (data/b.csv)\nhint: files of one source have the same columns"
    );
    let project = Project::with("a.csv", "x\n1\n").file("b.csv", "x\nabc\n");
    assert_eq!(
        project.fails(""),
        "column `x` is integer in `data/a.csv` and string in `data/b.csv` (data/b.csv)\nhint: declare it: `schema: {x: {type: string}}`, or mend one of the files"
    );
    assert_eq!(rows(&project.read_as("", &[("x", DataType::String)]).unwrap()), ["1", "abc"]);
}

#[test]
fn a_sample_has_the_asked_size_and_follows_the_seed() {
    let csv = std::iter::once("x".to_owned()).chain((0..100_000).map(|row| row.to_string())).collect::<Vec<_>>().join("\n");
    let project = Project::with("t.csv", csv);
    let drawn = |options: &str| {
        let read = project.read_as(options, &[]).unwrap();
        let rows = rows(&read);
        assert_eq!((read.rows_sampled, read.rows_read), (Some(rows.len() as u64), 100_000));
        rows.iter().map(|row| row.parse::<u64>().unwrap()).collect::<Vec<_>>()
    };
    let some = drawn(r#", "sample": {"rows": 1000}"#);
    assert_eq!(some.len(), 1000);
    assert!(some.is_sorted());
    let mean = some.iter().sum::<u64>() / 1000;
    assert!((46_000..54_000).contains(&mean), "{mean}: the mean of 1000 of 100,000 is 50,000 ± 913");
    assert_eq!(some, drawn(r#", "sample": {"rows": 1000}"#));
    assert_eq!(drawn(r#", "sample": {"fraction": 0.25}"#).len(), 25_000);
}

// JSON lines.

#[test]
fn json_lines_are_unified_over_all_rows() {
    let json = "{\"i\": 1, \"f\": 1, \"d\": \"2024-01-01\", \"s\": 1, \"e\": \"\\u00e9\"}\n\n{\"f\": 2.5, \"s\": \"x\", \"b\": true, \"i\": null}\r\n{\"late\": -1, \"s\": true}";
    let project = Project::with("t.jsonl", json);
    let read = project.read();
    assert_eq!(types(&read), "i i64, f f64, d date, s str, e str, b bool, late i64");
    assert_eq!(rows(&read), ["1|1.0|2024-01-01|1|é|-|-", "-|2.5|-|x|-|true|-", "-|-|-|true|-|-|-1"]);
    assert_eq!(read.rows_read, 3);
}

#[test]
fn bad_json_is_refused_with_its_line() {
    let good = "{\"a\": 1}\n".repeat(6);
    let cases = [
        (
            format!("{good}{{\"a\": 1\n"),
            "malformed row: EOF while parsing an object (column 7) (data/t.jsonl:7)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`",
        ),
        (
            "[{\"a\": 1},\n {\"a\": 2}]".to_owned(),
            "`data/t.jsonl` is one JSON array (data/t.jsonl:1)\nhint: write one object a line, without brackets and commas between them: `jq -c '.[]'` does it",
        ),
        (
            "{\"a\": [1], \"b\": {}}\n".to_owned(),
            "`a` holds a list (data/t.jsonl:1)\n`b` holds an object (data/t.jsonl:1)\nhint: values are plain: flatten it into keys of its own, or leave it out",
        ),
        (
            "{\"a\": 1}\n{\"a\": 18446744073709551616}\n".to_owned(),
            "column `a` holds an integer beyond 64 bits: `18446744073709551616` (data/t.jsonl:2)\nhint: declare it: `schema: {a: {type: string}}`, or `float`",
        ),
        (
            "{\"a\": 1, \"a\": 2}\n".to_owned(),
            "malformed row: key `a` stands twice (column 12) (data/t.jsonl:1)\nhint: mend it, or leave it out: `options: {max_rejected: 1}`",
        ),
        ("a,b\n1,2\n".to_owned(), "malformed row: expected value (column 1) (data/t.jsonl:1)"),
    ];
    for (json, message) in cases {
        let told = Project::with("t.jsonl", json).fails("");
        assert!(told.starts_with(message), "{told}");
    }
    let project = Project::with("t.jsonl", format!("{good}{{\"a\": \n"));
    let read = project.read_as(r#", "options": {"max_rejected": 1}"#, &[]).unwrap();
    assert_eq!((read.rows_read, read.rejected, rows(&read).len()), (6, 1, 6));
}

// Parquet and Arrow.

fn frame() -> DataFrame {
    df!("i" => [1_i32, 2, 3], "u" => [Some(1_u8), None, Some(3)], "f" => [0.5_f32, 1.0, 2.0], "s" => ["a", "b,\"c\"", ""], "b" => [true, false, true]).unwrap()
}

#[test]
fn columnar_files_come_in_the_few_types_we_use() {
    for (format, name) in [(Format::Parquet, "t.parquet"), (Format::Arrow, "t.arrow")] {
        let project = Project::new();
        let mut frame = frame();
        let days = Series::new("t".into(), [0_i64, 86_400_000_000_000, -1]).cast(&DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC))).unwrap();
        frame.with_column(days.into_column()).unwrap();
        write(&Table::of(frame), &project.path(name), format, None, SaveMode::Error).unwrap();
        let read = project.read();
        assert_eq!(types(&read), "i i64, u i64, f f64, s str, b bool, t datetime[μs]", "{name}");
        assert_eq!(rows(&read)[1], "2|-|1.0|b,\"c\"|false|1970-01-02 00:00:00");
        assert_eq!(read.rows_read, 3);
        assert_eq!(read.notes, [format!("`data/{name}`: column `t` holds times with a time zone, read as UTC")]);
        let read = project.read_as("", &[("i", DataType::String), ("f", DataType::Float32)]).unwrap();
        assert_eq!(rows(&read)[0], "1|1|0.5|a|true|1970-01-01 00:00:00");
        let failed = project.read_as("", &[("f", DataType::Int64)]).unwrap().table.collect().unwrap_err();
        assert_eq!((failed.kind, failed.to_string()), (Failure::Data, "`0.5` in column `f` is not of type integer".into()));
    }
}

#[test]
fn unsigned_integers_beyond_those_with_a_sign_are_read_as_declared_and_never_changed() {
    for (format, name) in [(Format::Parquet, "t.parquet"), (Format::Arrow, "t.arrow")] {
        let project = Project::new();
        let frame = df!("fits" => [Some(1_u64), None, Some(7)], "id" => [3_u64, u64::MAX, 9]).unwrap();
        write(&Table::of(frame), &project.path(name), format, None, SaveMode::Error).unwrap();
        let failed = project.read().table.collect().unwrap_err();
        let told = "column `id` holds an integer beyond 9223372036854775807: `18446744073709551615`: declare it: `schema: {id: {type: string}}`, or `float`";
        assert_eq!((failed.kind, failed.to_string()), (Failure::Data, told.into()), "{name}");
        let read = project.read_as("", &[("id", DataType::String)]).unwrap();
        assert_eq!((types(&read).as_str(), rows(&read).join(" ")), ("fits i64, id str", "1|3 -|18446744073709551615 7|9".into()), "{name}");
        let read = project.read_as("", &[("id", DataType::Float64)]).unwrap();
        assert_eq!(rows(&read)[0], "1|3.0", "{name}");
    }
}

#[test]
fn damaged_columnar_files_are_refused_quickly() {
    let project = Project::new();
    let path = project.path("t.parquet");
    write(&Table::of(frame()), &path, Format::Parquet, None, SaveMode::Error).unwrap();
    let good = fs::read(&path).unwrap();
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        project.fails("").lines().next().unwrap().to_owned()
    };
    assert_eq!(told(b"a,b\n1,2\n"), "`data/t.parquet` is not parquet: it looks like csv (data/t.parquet)");
    assert_eq!(told(&good[..good.len() - 20]), "`data/t.parquet` is damaged: it ends too early (data/t.parquet)");
    assert_eq!(told(b"PAR1"), "`data/t.parquet` is damaged: 4 bytes are too few for a parquet file (data/t.parquet)");
    assert_eq!(told(b""), "`data/t.parquet` is empty: 0 bytes (data/t.parquet)");
    let mut forged = good.clone();
    let at = good.len() - 8;
    forged[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(told(&forged), format!("`data/t.parquet` is damaged: its footer claims {} bytes of {} (data/t.parquet)", u32::MAX, good.len()));
    // Every byte of the footer, forged one at a time: refused or read, never a panic or a lie about the rows.
    let footer = u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
    for byte in at - footer..at {
        for value in [0x00, 0x7f, 0xff] {
            let mut forged = good.clone();
            forged[byte] = value;
            fs::write(&path, &forged).unwrap();
            if let Ok(read) = project.read_as("", &[]) {
                assert_eq!(read.rows_read, 3, "byte {byte} = {value}");
            }
        }
    }
}

#[test]
fn nested_columns_are_all_named() {
    let project = Project::new();
    let list = Series::new("tags".into(), [Series::new("".into(), [1_i64, 2])]);
    let frame = DataFrame::new(1, vec![list.into_column(), Column::new("blob".into(), [&b"x"[..]]), Column::new("ok".into(), [1])]).unwrap();
    Table::of(frame).write(&project.path("t.parquet")).unwrap();
    assert_eq!(
        project.fails(""),
        "column `tags` is a list (data/t.parquet)\ncolumn `blob` is binary (data/t.parquet)\nhint: write it as columns of plain values, or leave it out"
    );
}

#[test]
fn every_format_and_packing_comes_back_as_it_was_written() {
    let frame = df!("i" => [Some(1_i64), None], "f" => [0.1, -2.0], "s" => ["a;\"b\"\n", "é"], "b" => [true, false]).unwrap();
    for (format, name) in [
        (Format::Csv, "t.csv"),
        (Format::Csv, "t.csv.gz"),
        (Format::Csv, "t.csv.zst"),
        (Format::Json, "t.jsonl"),
        (Format::Json, "t.jsonl.gz"),
        (Format::Json, "t.jsonl.zst"),
        (Format::Parquet, "t.parquet"),
        (Format::Arrow, "t.arrow"),
    ] {
        let project = Project::new();
        let written = write(&Table::of(frame.clone()), &project.path(name), format, Packed::of_name(name), SaveMode::Overwrite).unwrap();
        let read = project.read();
        assert_eq!((written, read.rows_read), (2, 2), "{name}");
        assert!(read.table.collect().unwrap().equals_missing(&frame), "{name}: {:?}", read.table.collect());
        assert_eq!(looks_like(&project.path(name)), Some(format));
    }
}

#[test]
fn packed_parquet_is_unpacked_first() {
    let project = Project::new();
    write(&Table::of(frame()), &project.path("t.parquet"), Format::Parquet, None, SaveMode::Error).unwrap();
    let packed = gzip(&fs::read(project.path("t.parquet")).unwrap());
    let project = Project::with("t.parquet.gz", packed);
    let read = project.read();
    assert_eq!((read.rows_read, read.formats.as_str(), rows(&read).len()), (3, "parquet (gzip)", 3));
}
