//! The demo as a live table on the terminal. Whatever ends it (a key, a signal, an error, a panic), the terminal is
//! restored.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anyhow::Result;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::view::{Seen, SeenKind, View, Viewer};
use crate::domain::Timestamp;
use crate::runtime::Stop;
use crate::state::Dimension;

/// How often the table is drawn anew.
const FRAME: Duration = Duration::from_millis(200);
const BAR_WIDTH: usize = 24;

/// Whether someone looks on and can press a key.
pub(super) fn is_possible() -> bool {
    stdout().is_terminal() && stdin().is_terminal()
}

/// Restores the terminal when it goes out of scope; `ratatui::init` has seen to panics.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

pub(super) fn show(mut viewer: Viewer, stop: &Stop, until: Option<Duration>) -> Result<()> {
    let started_ms = viewer.now_ms();
    let mut terminal = ratatui::try_init()?;
    let restore = Restore;
    let last = loop {
        let view = viewer.look()?;
        terminal.draw(|frame| draw(frame, &view, &viewer))?;
        let is_over = until.is_some_and(|until| u128::from(viewer.now_ms() - started_ms) >= until.as_millis());
        if is_over || stop.is_stopped() || wants_to_leave()? {
            break view;
        }
    };
    drop(restore);
    let (events, outputs) = (last.totals.consumed(), last.totals.written());
    println!("{events} events of {} users gave {outputs} outputs by {}", users(&last), last.clock);
    Ok(())
}

/// Waits for a key for as long as a frame stands.
fn wants_to_leave() -> Result<bool> {
    if !event::poll(FRAME)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    // In raw mode Ctrl-C is a key like any other.
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let is_quit = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    Ok(key.kind == KeyEventKind::Press && (is_interrupt || is_quit))
}

fn users(view: &View) -> u64 {
    view.totals.population.users().unwrap_or_default()
}

fn draw(frame: &mut Frame<'_>, view: &View, viewer: &Viewer) {
    let [head, body, inputs, foot] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Fill(1),
        Constraint::Length(viewer.inputs.len() as u16 + 3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [standing, outputs] = Layout::horizontal([Constraint::Length(50), Constraint::Fill(1)]).areas(body);
    let heights = [Constraint::Length(viewer.tiers.len() as u16 + 2)].into_iter();
    let areas = Layout::vertical(heights.chain([Constraint::Fill(1); Dimension::ALL.len() - 1])).split(standing);

    frame.render_widget(header(view), head);
    let colors = [Color::Cyan, Color::Yellow].into_iter().cycle();
    for ((dimension, area), color) in Dimension::ALL.into_iter().zip(areas.iter()).zip(colors) {
        let counts = view.totals.population.named(dimension, &viewer.tiers);
        frame.render_widget(bars(format!("users by {}", dimension.as_str()), counts, color), *area);
    }
    draw_outputs(frame, outputs, view);
    frame.render_widget(input_table(view, viewer), inputs);
    let foot_text = format!(" q ends it   metrics: http://{}/metrics", viewer.address);
    frame.render_widget(Paragraph::new(foot_text).dim(), foot);
}

fn header(view: &View) -> Paragraph<'static> {
    let totals = &view.totals;
    let instant = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| minute(&at.to_string()));
    let clock = Line::from(vec![
        Span::from("clock ").dim(),
        minute(&view.clock.to_string()).bold(),
        Span::from("   S ").dim(),
        instant(totals.stream_time).into(),
        Span::from("   W ").dim(),
        instant(totals.watermark).into(),
    ]);
    let counts = Line::from(format!(
        "{} events, {}/s   {} outputs   {} users   {} timers   {} transactions   {} partitions served",
        totals.consumed(),
        view.records_per_second,
        totals.written(),
        users(view),
        totals.timers,
        totals.transactions_committed,
        totals.partitions_served,
    ));
    Paragraph::new(vec![clock, counts]).block(Block::bordered().title(" tideline demo "))
}

fn minute(time: &str) -> String {
    time.chars().take(16).collect::<String>().replace('T', " ")
}

fn bars<'a>(title: String, counts: impl Iterator<Item = (&'a str, u64)>, color: Color) -> Table<'a> {
    let counts: Vec<_> = counts.collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let row = |(name, count): (&'a str, u64)| {
        let width = (count as usize * BAR_WIDTH).div_ceil(most as usize);
        Row::new([
            Line::from(name),
            Line::from(count.to_string()).right_aligned(),
            Line::from("█".repeat(width)).style(Style::new().fg(color)),
        ])
    };
    let widths = [Constraint::Length(10), Constraint::Length(9), Constraint::Fill(1)];
    Table::new(counts.into_iter().map(row), widths).block(Block::bordered().title(format!(" {title} ")))
}

fn draw_outputs(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let room = usize::from(area.height.saturating_sub(2));
    let newest = view.outputs.iter().rev().take(room).map(line);
    frame.render_widget(Paragraph::new(newest.collect::<Vec<_>>()).block(Block::bordered().title(" outputs ")), area);
}

fn line(seen: &Seen) -> Line<'_> {
    let (mark, color) = match seen.kind {
        SeenKind::Up => ("▲ ", Color::Green),
        SeenKind::Down => ("▼ ", Color::Red),
        SeenKind::Risk => ("! ", Color::Yellow),
        SeenKind::Cleared => ("✓ ", Color::Cyan),
    };
    Line::from(vec![Span::from(mark).fg(color), Span::from(seen.text.as_str())])
}

fn input_table(view: &View, viewer: &Viewer) -> Table<'static> {
    const COLUMNS: [&str; 8] =
        ["input", "consumed", "applied", "skipped", "duplicate", "suppressed", "rekeyed", "dead"];
    let rows = viewer.inputs.iter().zip(&view.totals.inputs).map(|(topic, tally)| {
        let counts = [
            tally.consumed,
            tally.applied,
            tally.skipped,
            tally.duplicate,
            tally.suppressed,
            tally.rekeyed,
            tally.dead_lettered(),
        ];
        let cells = counts.map(|count| Line::from(count.to_string()).right_aligned());
        Row::new([Line::from(topic.to_string())].into_iter().chain(cells))
    });
    let widths = [Constraint::Length(18)].into_iter().chain([Constraint::Length(11); COLUMNS.len() - 1]);
    let titles = COLUMNS.iter().enumerate().map(|(index, name)| {
        let title = Line::from(*name).dim();
        if index == 0 { title } else { title.right_aligned() }
    });
    Table::new(rows, widths).header(Row::new(titles)).block(Block::bordered().title(" records "))
}
