//! A comparison as a picture (SVG): a panel for each case, a bar for each server, on a scale of powers of ten.

use std::fmt::Write;

use super::comparison::{Comparison, Contest};

const WIDTH: f64 = 860.0;
/// Where bars begin, and how much room there is for figures behind them.
const LEFT: f64 = 170.0;
const RIGHT: f64 = 130.0;
const BAR: f64 = 18.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 34.0;
/// Of the scale, in CPU-seconds per million deliveries: everything measured so far fits into it.
const LEAST: f64 = 0.1;
const MOST: f64 = 100.0;

/// Draws it. What is drawn is the median; the part that the program spent itself is darker.
#[must_use]
pub fn plot(comparison: &Comparison) -> String {
    let rows = comparison.servers.len();
    let panel = TITLE + f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) * (BAR + GAP) + 24.0;
    let panels = f64::from(u32::try_from(comparison.cases.len()).unwrap_or(u32::MAX));
    let height = panel * panels + 20.0;
    let mut svg = String::new();
    let mut draw = |line: std::fmt::Arguments<'_>| {
        writeln!(svg, "{line}").expect("a string takes everything");
    };
    draw(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>"#
    ));
    let mut top = 10.0;
    for contest in &comparison.cases {
        draw(format_args!(
            r#"<text x="10" y="{}" font-weight="bold" font-size="14">{}: CPU-s per million deliveries</text>"#,
            top + 18.0,
            escaped(&contest.case.name)
        ));
        scale(top + TITLE, top + panel - 20.0, &mut draw);
        for place in 0..rows {
            let step = f64::from(u32::try_from(place).unwrap_or(u32::MAX)) * (BAR + GAP);
            bar(comparison, contest, place, top + TITLE + step, &mut draw);
        }
        top += panel;
    }
    draw(format_args!("</svg>"));
    svg
}

/// A line at each power of ten.
fn scale(top: f64, bottom: f64, draw: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    for mark in [0.1, 1.0, 10.0, 100.0] {
        let x = place_of(mark);
        draw(format_args!(
            r##"<line x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}" stroke="#ddd"/>
<text x="{x:.1}" y="{}" text-anchor="middle" fill="#777">{mark}</text>"##,
            bottom + 12.0
        ));
    }
}

fn bar(
    comparison: &Comparison,
    contest: &Contest,
    place: usize,
    top: f64,
    draw: &mut impl FnMut(std::fmt::Arguments<'_>),
) {
    let server = &comparison.servers[place];
    let name = escaped(&server.name);
    let line = top + BAR - 5.0;
    draw(format_args!(
        r#"<text x="{}" y="{line}" text-anchor="end">{name}</text>"#,
        LEFT - 8.0
    ));
    let outcome = contest.outcomes.get(place);
    let Some(summary) = outcome.and_then(|outcome| outcome.summary) else {
        let why = match server.missing {
            Some(_) => "not run",
            None => "failed",
        };
        draw(format_args!(
            r##"<text x="{}" y="{line}" fill="#a00">{why}</text>"##,
            LEFT + 4.0
        ));
        return;
    };
    let colour = match server.name.as_str() {
        "raw" => "#999",
        name if name.starts_with("homeroom") => "#1b7f5c",
        _ => "#5b7fb5",
    };
    let (cpu, user) = (summary.cpu, summary.user.median);
    let end = place_of(cpu.median);
    draw(format_args!(
        r#"<rect x="{LEFT}" y="{top}" width="{:.1}" height="{BAR}" fill="{colour}" fill-opacity="0.55"/>
<rect x="{LEFT}" y="{top}" width="{:.1}" height="{BAR}" fill="{colour}"/>
<line x1="{:.1}" y1="{}" x2="{:.1}" y2="{}" stroke="black"/>
<text x="{:.1}" y="{line}">{:.2} (user {user:.2})</text>"#,
        end - LEFT,
        place_of(user) - LEFT,
        place_of(cpu.min),
        top + BAR / 2.0,
        place_of(cpu.max),
        top + BAR / 2.0,
        place_of(cpu.max).max(end) + 6.0,
        cpu.median,
    ));
}

fn place_of(value: f64) -> f64 {
    let value = value.clamp(LEAST, MOST);
    let share = (value / LEAST).log10() / (MOST / LEAST).log10();
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
