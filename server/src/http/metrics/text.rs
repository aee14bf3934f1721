//! Prometheus' text format, version 0.0.4: as much of it as figures need.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>. The client libraries there are keep
//! registries of their own; here all numbers are kept elsewhere, and writing them down is all there is
//! to do.

use std::fmt::{Display, Write};

use homeroom_engine::metrics::Distribution;

/// What a scraper is told it gets.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const NS_PER_S: f64 = 1e9;

/// A page of metrics in the making. Each family is written once, with all its samples.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

/// A label's name and value.
pub(super) type Label<'a> = (&'static str, &'a str);

impl Exposition {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A total that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// Something that is now.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// Totals that differ by one label.
    pub(super) fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.head(name, "counter", help);
        for (of, value) in values {
            self.sample(name, &[(label, of.as_ref())], value);
        }
    }

    /// Like [`counters`](Self::counters), of what is now.
    pub(super) fn gauges<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.head(name, "gauge", help);
        for (of, value) in values {
            self.sample(name, &[(label, of.as_ref())], value);
        }
    }

    /// A histogram of whole numbers.
    pub(super) fn histogram(&mut self, name: &str, help: &str, of: &Distribution) {
        self.buckets(name, help, of, |value| value);
    }

    /// A histogram of nanoseconds, in seconds.
    pub(super) fn durations(&mut self, name: &str, help: &str, of: &Distribution) {
        self.buckets(name, help, of, in_seconds);
    }

    fn buckets<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        of: &Distribution,
        unit: impl Fn(u64) -> V,
    ) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (&bound, count) in of.bounds.iter().zip(&of.buckets) {
            below += count;
            self.sample(&bucket, &[("le", &unit(bound).to_string())], below);
        }
        self.sample(&bucket, &[("le", "+Inf")], of.count);
        self.sample(&format!("{name}_sum"), &[], unit(of.sum));
        self.sample(&format!("{name}_count"), &[], of.count);
    }

    /// What a family is; its samples follow.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(label).collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes all");
    }
}

fn label((name, value): &Label<'_>) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 ns, a hundred days, a sum may round"
)]
fn in_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / NS_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_wants_them() {
        let mut page = Exposition::default();
        page.counter("a_total", "What\nand \\ why.", 3);
        page.gauges("b", "B.", "of", [("x", 1), ("say \"\\\n\"", 2)]);
        page.durations(
            "c_seconds",
            "C.",
            &Distribution {
                bounds: &[10_000, 2_500_000_000],
                buckets: vec![2, 1, 4],
                sum: 30_000_000_500,
                count: 7,
            },
        );
        let expected = r#"# HELP a_total What\nand \\ why.
# TYPE a_total counter
a_total 3
# HELP b B.
# TYPE b gauge
b{of="x"} 1
b{of="say \"\\\n\""} 2
# HELP c_seconds C.
# TYPE c_seconds histogram
c_seconds_bucket{le="0.00001"} 2
c_seconds_bucket{le="2.5"} 3
c_seconds_bucket{le="+Inf"} 7
c_seconds_sum 30.0000005
c_seconds_count 7
"#;
        assert_eq!(page.into_text(), expected);
    }
}
