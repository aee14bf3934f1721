//! The figures as a picture: SVG, one bar for each server of each case.
//!
//! Written by hand: it is rectangles and text, and every crate that draws them brings fonts and colour spaces.

use std::fmt::Write as _;

use super::report::{Report, Run, ServerReport};

const WIDTH: f64 = 860.0;
/// Where bars begin and how long the longest of a case is.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 480.0;
const ROW: f64 = 18.0;
const BAR: f64 = 13.0;
const TITLE: f64 = 30.0;
const USER: &str = "#1f6f8b";
const SYSTEM: &str = "#a9c9d4";

/// Processor time of each server for each delivery, user and system apart. Each case has a scale of its own, as a
/// joined delivery costs a hundredth of a single one.
#[must_use]
pub fn plot(report: &Report) -> String {
    let mut y = 44.0;
    let mut body = String::new();
    for case in report.cases.iter().filter(|case| case.skipped.is_none()) {
        y += TITLE;
        text(&mut body, 10.0, y - 8.0, "bold", &case.case.name);
        let longest = case.servers.iter().map(|server| server.median(Run::cpu_us));
        let longest = longest.fold(0.0, f64::max);
        for server in &case.servers {
            bar(
                &mut body,
                y,
                server,
                LONGEST / longest.max(f64::MIN_POSITIVE),
            );
            y += ROW;
        }
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        height = y + 20.0
    );
    text(
        &mut out,
        10.0,
        20.0,
        "bold",
        "CPU-seconds of the server for a million deliveries (less is better)",
    );
    rect(&mut out, 10.0, 28.0, 12.0, USER);
    text(&mut out, 26.0, 38.0, "normal", "user");
    rect(&mut out, 70.0, 28.0, 12.0, SYSTEM);
    text(&mut out, 86.0, 38.0, "normal", "system");
    let machine = report.machine.to_string();
    text(&mut out, 150.0, 38.0, "normal", &machine);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

fn bar(out: &mut String, y: f64, server: &ServerReport, scale: f64) {
    text(out, 20.0, y + 10.0, "normal", &server.name);
    if server.well().next().is_none() {
        text(out, LEFT, y + 10.0, "normal", "failed");
        return;
    }
    let (user, system) = (
        server.median(|run| run.user_us) * scale,
        server.median(|run| run.system_us) * scale,
    );
    rect(out, LEFT, y, user, USER);
    rect(out, LEFT + user, y, system, SYSTEM);
    let ratio = server.ratios.as_ref().and_then(|ratios| ratios.cpu);
    let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({:.2} ×)", ratio.median));
    let label = format!("{:.2}{ratio}", server.median(Run::cpu_us));
    text(out, LEFT + user + system + 6.0, y + 10.0, "normal", &label);
}

fn rect(out: &mut String, x: f64, y: f64, width: f64, fill: &str) {
    // A text to which nothing can be added has no end here: writing to it cannot fail.
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>"
    );
}

fn text(out: &mut String, x: f64, y: f64, weight: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"{weight}\">{text}</text>"
    );
}
