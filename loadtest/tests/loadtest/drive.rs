//! An installation that somebody else runs: its faults are commands, and its report is compared
//! with an earlier one.

use super::{
    harness::{parlor, play, run},
    lies::Lie,
};

const SMALL: [&str; 15] = [
    "steady",
    "--tenants",
    "1",
    "--conversations",
    "2",
    "--sockets",
    "2",
    "--rate",
    "10/s",
    "--warm",
    "0s",
    "--for",
    "2s",
    "--drain",
    "60s",
];

#[tokio::test]
async fn a_fault_by_commands_is_on_the_time_line_and_an_earlier_run_is_beside() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let file = data.path().join("broken");
    let broken = file.to_str().unwrap();
    let (breaks, mends) = (format!("net=touch {broken}"), format!("net=rm {broken}"));
    let fault = ["--fault", "net@0s,for=1s", "--break", &breaks, "--mend", &mends];
    let first = play(&parlor, Lie::None, &[&SMALL[..], &fault].concat()).await;
    first.assert_passed();
    assert!(!file.exists(), "it was not mended");
    let mark = &first.report["marks"][0];
    assert_eq!(mark["what"], "net");
    let lasted = mark["ended"].as_f64().unwrap() - mark["began"].as_f64().unwrap();
    assert!(lasted > 0.9, "{mark}");
    assert!(first.page.contains("What was broken when"), "the page has no time line");

    let note = ["--compare", &first.file(), "--note", "after <a> change"];
    let second = play(&parlor, Lie::None, &[&SMALL[..], &note].concat()).await;
    second.assert_passed();
    assert!(second.page.contains("Beside an earlier run"), "the page has no comparison");
    assert!(second.page.contains("after &lt;a&gt; change"), "the page has no note");
}

#[tokio::test]
async fn a_fault_that_cannot_be_played_gives_no_judgement() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let fault = ["--fault", "net@0s", "--break", "net=false"];
    let run = play(&parlor, Lie::None, &[&SMALL[..], &fault].concat()).await;
    assert_eq!(run.status, 2, "{}", run.said());
    assert!(run.stderr.contains("false: exit status: 1"), "{}", run.stderr);
    assert!(run.report.is_null());
}

#[tokio::test]
async fn what_contradicts_itself_ends_before_anything_is_sent() {
    let refused = |arguments: &'static [&'static str]| async move {
        let run = run(arguments).await;
        assert_eq!(run.status, 2, "{}", run.said());
        run.stderr
    };
    let fault = refused(&["steady", "--fault", "net@1s"]).await;
    assert!(fault.contains("--break \"net=COMMAND\""), "{fault}");
    let earlier = refused(&["steady", "--compare", "absent.json"]).await;
    assert!(earlier.contains("--compare absent.json"), "{earlier}");
    let widgets = refused(&["repeat-ids", "--kinds", "widget=1"]).await;
    assert!(widgets.contains("no ids to repeat"), "{widgets}");
}
