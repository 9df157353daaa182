//! What was measured, as a picture: bars of CPU, the shorter the better.

use std::fmt::Write as _;

use super::{
    plan::{BULK, HANDSHAKES},
    samples::{Samples, Series},
};

const WIDTH: f64 = 720.0;
const LABEL: f64 = 170.0;
const ROW: f64 = 22.0;

/// An SVG of the two works that differ most.
pub(crate) fn draw(samples: &Samples) -> String {
    let mut body = String::new();
    let mut y = 10.0;
    let mut group = |title: &str, name: &str, unit: f64, digits: usize| {
        let mut bars: Vec<(&Series, f64)> = samples
            .of(name)
            .map(|series| (series, series.both() * unit))
            .collect();
        bars.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let longest = bars.last().map_or(1.0, |(_, value)| *value);
        text(&mut body, 10.0, y + 14.0, "start", "bold", title);
        y += 28.0;
        for (series, value) in bars {
            let length = (WIDTH - LABEL - 80.0) * value / longest;
            let fill = if is_ours(series.stack) {
                "#c2410c"
            } else {
                "#94a3b8"
            };
            text(
                &mut body,
                LABEL - 8.0,
                y + 14.0,
                "end",
                "normal",
                series.stack,
            );
            let _ = writeln!(
                body,
                r#"<rect x="{LABEL}" y="{}" width="{length:.1}" height="{}" fill="{fill}"/>"#,
                y + 2.0,
                ROW - 6.0,
            );
            let shown = format!("{value:.digits$}");
            text(
                &mut body,
                LABEL + length + 6.0,
                y + 14.0,
                "start",
                "normal",
                &shown,
            );
            y += ROW;
        }
        y += 16.0;
    };
    group("CPU seconds a GiB, both ends", BULK, 1.0, 2);
    group(
        "CPU microseconds a handshake of 64 at once, both ends",
        HANDSHAKES,
        1e6,
        0,
    );
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
{body}</svg>
"#
    )
}

fn is_ours(stack: &str) -> bool {
    stack.contains('~') && !stack.starts_with("js ")
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, weight: &str, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(
        body,
        r#"<text x="{x:.1}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{text}</text>"#
    );
}
