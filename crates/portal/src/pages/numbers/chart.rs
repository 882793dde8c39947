//! Bars side by side, one group per row of figures.

/// A chart; its figures are in a table beside it as well.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) series: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<(u64, String)>,
    pub(super) width: u64,
    /// What the line at the top stands for.
    pub(super) top: u64,
    pub(super) empty: bool,
    /// Too many groups for half a page.
    pub(super) wide: bool,
}

pub(super) struct Row {
    pub(super) label: String,
    pub(super) values: Vec<u64>,
}

pub(super) struct Bar {
    pub(super) series: usize,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
}

impl Chart {
    pub(super) fn new(title: &'static str, series: &[&'static str]) -> Self {
        Self {
            title,
            series: series.to_vec(),
            rows: Vec::new(),
            bars: Vec::new(),
            labels: Vec::new(),
            width: 0,
            top: 0,
            empty: true,
            wide: false,
        }
    }

    pub(super) fn push(&mut self, label: String, values: &[u64]) {
        self.rows.push(Row { label, values: values.to_vec() });
    }

    /// Lays the bars out, the greatest as high as the chart.
    pub(super) fn finish(mut self) -> Self {
        let most = self.rows.iter().flat_map(|row| row.values.iter().copied()).max().unwrap_or(0);
        self.empty = most == 0;
        self.wide = self.rows.len() > 10;
        self.top = round_up(most);
        let mut x = LEFT;
        for (index, row) in self.rows.iter().enumerate() {
            let start = x;
            for (series, value) in row.values.iter().enumerate() {
                // One mail among a thousand is still to be seen.
                let scaled = value.saturating_mul(HEIGHT).checked_div(self.top).unwrap_or(0);
                let height = if *value > 0 { scaled.max(2) } else { 0 };
                self.bars.push(Bar { series, x, y: TOP + HEIGHT - height, height });
                x += BAR;
            }
            // Every other date, so that they do not touch.
            if self.rows.len() <= 10 || index % 2 == 0 {
                self.labels.push(((start + x) / 2, row.label.clone()));
            }
            x += GAP;
        }
        self.width = x + 8;
        self
    }
}

fn round_up(most: u64) -> u64 {
    let mut step = 1_u64;
    while step.saturating_mul(10) < most {
        step = step.saturating_mul(10);
    }
    most.div_ceil(step).saturating_mul(step).max(1)
}

const LEFT: u64 = 44;
const TOP: u64 = 12;
const HEIGHT: u64 = 150;
const BAR: u64 = 14;
const GAP: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_their_proportion_and_the_smallest_is_seen() {
        assert_eq!([0, 1, 9, 10, 11, 99, 101, 2345].map(round_up), [1, 1, 9, 10, 20, 100, 200, 3000]);
        let mut chart = Chart::new("x", &["a", "b"]);
        chart.push("one".into(), &[1000, 500]);
        chart.push("two".into(), &[1, 0]);
        chart.push("three".into(), &[u64::MAX / 2, 0]);
        let chart = chart.finish();
        let heights: Vec<u64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert!(heights.iter().all(|height| *height <= HEIGHT), "{heights:?}");
        assert_eq!((heights[2], heights[3]), (2, 0));
        let mut even = Chart::new("x", &["a", "b"]);
        even.push("one".into(), &[1000, 500]);
        let even = even.finish();
        assert_eq!(even.bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [150, 75]);
    }
}
