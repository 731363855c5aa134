//! Bars, drawn as SVG: what an event costs, and how many come through.

use std::fmt::Write as _;

use super::compare::{Engine, Row};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 190.0;
const NUMBERS: f64 = 90.0;
const BAR: f64 = 22.0;
const STEP: f64 = 32.0;
const TITLE: f64 = 30.0;

pub fn of(rows: &[Row]) -> String {
    let panel = TITLE + STEP * rows.len() as f64 + 14.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{0}" viewBox="0 0 {WIDTH} {0}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
"#,
        2.0 * panel
    );
    draw(&mut svg, 0.0, "CPU seconds per million events, marginal (less is better)", rows, Row::cpu_us, 2);
    draw(&mut svg, panel, "events a second on one core, marginal (more is better)", rows, Row::events_a_second, 0);
    svg + "</svg>\n"
}

fn draw(svg: &mut String, top: f64, title: &str, rows: &[Row], of: impl Fn(&Row) -> Option<f64>, digits: usize) {
    let most = rows.iter().filter_map(&of).fold(f64::MIN_POSITIVE, f64::max);
    _ = writeln!(svg, r#"<text x="10" y="{}" font-weight="bold">{title}</text>"#, top + 20.0);
    for (place, row) in rows.iter().enumerate() {
        let Some(value) = of(row) else { continue };
        let y = top + TITLE + STEP * place as f64;
        let length = (WIDTH - LABELS - NUMBERS) * value / most;
        let fill = if row.engine == Engine::Tideline { "#1b6ca8" } else { "#9aa5b1" };
        let base = y + BAR - 6.0;
        _ = writeln!(
            svg,
            r#"<text x="{}" y="{base}" text-anchor="end">{}</text><rect x="{LABELS}" y="{y}" width="{length:.1}" height="{BAR}" fill="{fill}"/><text x="{:.1}" y="{base}">{value:.digits$}</text>"#,
            LABELS - 8.0,
            row.engine.title(),
            LABELS + length + 6.0,
        );
    }
}
