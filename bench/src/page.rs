//! The figures as a page: each as a bar with its spread.

use std::fmt::Write;

use crate::table::{Row, Spread, Table, number};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2333;--dim:#667085;--line:#e4e8f0;--back:#fff;\
--first:#3366cc;--other:#d9822b;--earlier:#98a2b3;--bad:#c0392b}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf4;--dim:#98a2b3;--line:#2c3547;--back:#10151f;\
--first:#7aa5ff;--other:#f0a95b;--earlier:#667085;--bad:#ff8a7a}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:56rem;\
margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2.4rem 0 .2rem}\
h3{font-size:.9rem;font-weight:600;margin:1rem 0 .2rem;border-top:1px solid var(--line);\
padding-top:.7rem}\
p{max-width:44rem}small{color:var(--dim)}strong{color:var(--bad);font-weight:600}\
.row{display:grid;grid-template-columns:9.5rem 1fr 6rem;gap:.8rem;align-items:center;\
font-size:.85rem;line-height:1.3rem}\
.row span:first-child{color:var(--dim)}.row span:last-child{text-align:right;\
font-variant-numeric:tabular-nums;white-space:nowrap}\
.bar{position:relative;height:.65rem}.bar i{position:absolute;inset:0 auto 0 0;min-width:1px;\
border-radius:2px}.bar b{position:absolute;top:38%;height:24%;background:var(--ink);opacity:.55}\
.first i{background:var(--first)}.other i{background:var(--other)}\
.earlier i{background:var(--earlier)}\
@media(max-width:36rem){.row{grid-template-columns:8.5rem 1fr 5rem}}";

/// All of it.
pub(crate) fn page(table: &Table, earlier: Option<&Table>) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>What Parlor costs</title>\
         <style>{STYLE}</style><h1>What Parlor costs</h1><p>Each bar is the median of the runs, \
         and the thin line goes from the least to the greatest. The bars of one figure have one \
         scale. <small>Blue: this build; orange: the other one, measured in turns; grey: an \
         earlier run. “Echo” is no Parlor: it answers from memory and keeps nothing.</small></p>"
    );
    let before = earlier.map(Table::by_name).unwrap_or_default();
    for (subject, figures) in figures(table) {
        write!(html, "<h2>{subject}</h2>").expect("a string grows");
        for (name, rows) in figures {
            let worse = rows.iter().filter_map(|row| {
                let said = row.worse_than(before.get(&row.key())?)?;
                Some(format!(" <strong>{}: {said}</strong>", topology(row)))
            });
            let worse: String = worse.collect();
            write!(html, "<h3>{name}{worse}</h3>").expect("a string grows");
            html += &bars(&rows, |row| before.get(&row.key()).copied());
        }
    }
    html + "</html>\n"
}

/// Things by their names, in the order in which they came.
type Named<'a, T> = Vec<(&'a str, Vec<T>)>;

/// By subject and figure.
fn figures(table: &Table) -> Named<'_, (&str, Vec<&Row>)> {
    let mut subjects = Named::new();
    for row in &table.rows {
        let subject = row.of.split_once(", ").map_or(&*row.of, |(subject, _)| subject);
        let at = place(&mut subjects, subject);
        let figures = &mut subjects[at].1;
        let at = place(figures, &row.name);
        figures[at].1.push(row);
    }
    subjects
}

/// Where what has this name is; it is added where it is not there.
fn place<'a, T>(all: &mut Named<'a, T>, name: &'a str) -> usize {
    all.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
        all.push((name, Vec::new()));
        all.len() - 1
    })
}

fn topology(row: &Row) -> &str {
    row.of.split_once(", ").map_or("", |(_, topology)| topology)
}

fn bars<'a>(rows: &[&'a Row], before: impl Fn(&Row) -> Option<&'a Row>) -> String {
    let mut seen = Vec::new();
    for row in rows {
        let values = [
            ("first", "", Some(&row.first)),
            ("other", ", other", Some(&row.other)),
            ("earlier", ", earlier", before(row).map(|before| &before.first)),
        ];
        let spread = |(class, build, of): (_, &str, Option<&Vec<f64>>)| {
            Some((format!("{}{build}", topology(row)), class, Spread::of(of?)?))
        };
        seen.extend(values.into_iter().filter_map(spread));
    }
    let top = seen.iter().map(|(.., spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let percent = |value: f64| 100.0 * value / top;
    let mut html = String::new();
    for (label, class, spread) in seen {
        let (least, most) = (percent(spread.least), percent(spread.most));
        write!(
            html,
            "<div class=\"row\"><span>{label}</span><div class=\"bar {class}\">\
             <i style=\"width:{:.1}%\"></i><b style=\"left:{least:.1}%;width:{:.1}%\"></b></div>\
             <span title=\"{}\">{}</span></div>",
            percent(spread.median),
            (most - least).max(0.2),
            spread.text(),
            number(spread.median)
        )
        .expect("a string grows");
    }
    html
}
