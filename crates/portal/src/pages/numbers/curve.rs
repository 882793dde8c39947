//! A share over time: a line from 0 to 100 of a hundred.

/// The line; its figures are in a table beside it as well.
#[derive(Default)]
pub(super) struct Curve {
    pub(super) points: Vec<Point>,
    /// What `<path d>` takes.
    pub(super) line: String,
    /// The same, closed at the bottom.
    pub(super) area: String,
    pub(super) labels: Vec<(u64, String)>,
}

pub(super) struct Point {
    pub(super) label: String,
    pub(super) part: u64,
    pub(super) whole: u64,
    /// Of a hundred.
    pub(super) share: u64,
    pub(super) x: u64,
    pub(super) y: u64,
}

impl Curve {
    pub(super) fn push(&mut self, label: String, part: u64, whole: u64) {
        let share = part.saturating_mul(100).checked_div(whole).unwrap_or(0).min(100);
        self.points.push(Point { label, part, whole, share, x: 0, y: 0 });
    }

    /// Whether there is a line: one point is none.
    pub(super) fn is_line(&self) -> bool {
        self.points.len() > 1
    }

    /// Lays the points out over the whole width.
    pub(super) fn finish(mut self) -> Self {
        let steps = self.points.len().saturating_sub(1).max(1) as u64;
        // Six dates at most, so that they do not touch.
        let every = steps.div_ceil(5);
        for (index, point) in (0..).zip(&mut self.points) {
            point.x = LEFT + WIDTH * index / steps;
            point.y = TOP + HEIGHT - HEIGHT * point.share / 100;
            let word = if index == 0 { 'M' } else { 'L' };
            self.line.push_str(&format!("{word}{} {}", point.x, point.y));
            if index % every == 0 {
                self.labels.push((point.x, point.label.clone()));
            }
        }
        if let (Some(first), Some(last)) = (self.points.first(), self.points.last()) {
            let bottom = TOP + HEIGHT;
            self.area = format!("{}L{} {bottom}L{} {bottom}Z", self.line, last.x, first.x);
        }
        self
    }
}

const LEFT: u64 = 56;
const TOP: u64 = 12;
const WIDTH: u64 = 640;
const HEIGHT: u64 = 150;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_drawn_between_nothing_and_all() {
        let mut curve = Curve::default();
        for (part, whole) in [(0, 0), (0, 8), (4, 8), (8, 8), (9, 8), (u64::MAX, 1)] {
            curve.push("1.1.".into(), part, whole);
        }
        let curve = curve.finish();
        assert_eq!(curve.points.iter().map(|point| point.share).collect::<Vec<_>>(), [0, 0, 50, 100, 100, 100]);
        assert_eq!(curve.points.iter().map(|point| point.y).collect::<Vec<_>>(), [162, 162, 87, 12, 12, 12]);
        assert_eq!((curve.points[0].x, curve.points[5].x), (LEFT, LEFT + WIDTH));
        assert!(curve.line.starts_with("M56 162L184 162L"), "{}", curve.line);
        assert!(curve.is_line() && curve.labels.len() == 6);
        let mut one = Curve::default();
        one.push("1.1.".into(), 1, 1);
        assert!(!one.finish().is_line());
        let mut year = Curve::default();
        (0..53).for_each(|week| year.push(week.to_string(), week, 53));
        assert!(year.finish().labels.len() <= 6);
    }
}
