//! The figures as a page: each as a bar with its spread.

use std::fmt::Write;

use crate::table::{Row, Spread, Table, number};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2333;--dim:#667085;--line:#d9dee8;--back:#fff;\
--first:#3366cc;--other:#d9822b;--earlier:#98a2b3}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf4;--dim:#98a2b3;--line:#2c3547;--back:#10151f;\
--first:#7aa5ff;--other:#f0a95b;--earlier:#667085}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:60rem;\
margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}\
table{width:100%;border-collapse:collapse}td{border-top:1px solid var(--line);padding:.35rem .4rem;\
vertical-align:middle}td:first-child{width:38%}td.values{white-space:nowrap;text-align:right;\
font-variant-numeric:tabular-nums;font-size:.85rem;color:var(--dim)}\
.bar{position:relative;height:.7rem;margin:2px 0}.bar i{position:absolute;inset:0 auto 0 0;\
border-radius:2px}.bar b{position:absolute;top:35%;height:30%;background:var(--ink);opacity:.55}\
.first i{background:var(--first)}.other i{background:var(--other)}\
.earlier i{background:var(--earlier)}strong{color:#c0392b}small{color:var(--dim)}";

/// All of it.
pub(crate) fn page(table: &Table, earlier: Option<&Table>) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>What Parlor costs</title>\
         <style>{STYLE}</style><h1>What Parlor costs</h1><p>Each bar is the median of the runs, \
         and the thin line goes from the least to the greatest. <small>Blue: this build; orange: \
         the other one, measured in turns; grey: an earlier run.</small></p>"
    );
    let before = earlier.map(Table::by_name).unwrap_or_default();
    for (of, rows) in table.groups() {
        write!(html, "<h2>{of}</h2><table>").expect("a string grows");
        for row in rows {
            let before = before.get(&(row.of.clone(), row.name.clone())).copied();
            html += &line(row, before);
        }
        html += "</table>";
    }
    html + "</html>\n"
}

fn line(row: &Row, before: Option<&Row>) -> String {
    let all = [
        ("first", Spread::of(&row.first)),
        ("other", Spread::of(&row.other)),
        ("earlier", before.and_then(|before| Spread::of(&before.first))),
    ];
    let seen = || all.iter().filter_map(|(class, spread)| spread.map(|spread| (*class, spread)));
    let top = seen().map(|(_, spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let (mut bars, mut values) = (String::new(), String::new());
    for (class, spread) in seen() {
        let percent = |value: f64| 100.0 * value / top;
        let (least, most) = (percent(spread.least), percent(spread.most));
        write!(
            bars,
            "<div class=\"bar {class}\"><i style=\"width:{:.1}%\"></i>\
             <b style=\"left:{least:.1}%;width:{:.1}%\"></b></div>",
            percent(spread.median),
            (most - least).max(0.3)
        )
        .expect("a string grows");
        write!(values, "<div title=\"{}\">{}</div>", spread.text(), number(spread.median))
            .expect("a string grows");
    }
    let worse = before.and_then(|before| row.worse_than(before));
    let worse = worse.map(|said| format!(" <strong>{said}</strong>")).unwrap_or_default();
    let name = &row.name;
    format!("<tr><td>{name}{worse}</td><td>{bars}</td><td class=\"values\">{values}</td></tr>")
}
