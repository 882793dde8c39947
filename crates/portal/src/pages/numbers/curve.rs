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
    /// Counted from any day.
    day: i64,
    pub(super) label: String,
    pub(super) part: u64,
    pub(super) whole: u64,
    /// Of a hundred.
    pub(super) share: u64,
    pub(super) x: u64,
    pub(super) y: u64,
}

impl Curve {
    /// One more, later than those before.
    pub(super) fn push(&mut self, day: i64, label: String, part: u64, whole: u64) {
        let share = part.saturating_mul(100).checked_div(whole).unwrap_or(0).min(100);
        self.points.push(Point { day, label, part, whole, share, x: 0, y: 0 });
    }

    /// Whether there is a line: one point is none.
    pub(super) fn is_line(&self) -> bool {
        self.points.len() > 1
    }

    /// Lays the points out over the whole width, each where its day is.
    pub(super) fn finish(mut self) -> Self {
        let day = |point: Option<&Point>| point.map_or(0, |point| point.day);
        let (first, last) = (day(self.points.first()), day(self.points.last()));
        let days = |from: i64, to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        for (index, point) in self.points.iter_mut().enumerate() {
            point.x = LEFT + WIDTH.saturating_mul(days(first, point.day)) / days(first, last).max(1);
            point.y = TOP + HEIGHT - HEIGHT * point.share / 100;
            let word = if index == 0 { 'M' } else { 'L' };
            self.line.push_str(&format!("{word}{} {}", point.x, point.y));
            // Dates that do not touch.
            if self.labels.last().is_none_or(|(x, _)| point.x >= x + BETWEEN_LABELS) {
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
const BETWEEN_LABELS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_drawn_between_nothing_and_all() {
        let mut curve = Curve::default();
        for (day, (part, whole)) in (7..).zip([(0, 0), (0, 8), (4, 8), (8, 8), (9, 8), (u64::MAX, 1)]) {
            curve.push(day, "1.1.".into(), part, whole);
        }
        let curve = curve.finish();
        assert_eq!(curve.points.iter().map(|point| point.share).collect::<Vec<_>>(), [0, 0, 50, 100, 100, 100]);
        assert_eq!(curve.points.iter().map(|point| point.y).collect::<Vec<_>>(), [162, 162, 87, 12, 12, 12]);
        assert_eq!((curve.points[0].x, curve.points[5].x), (LEFT, LEFT + WIDTH));
        assert!(curve.line.starts_with("M56 162L184 162L"), "{}", curve.line);
        assert!(curve.is_line() && curve.labels.len() == 6);
        let mut one = Curve::default();
        one.push(1, "1.1.".into(), 1, 1);
        assert!(!one.finish().is_line());
        let mut year = Curve::default();
        (0..53_u64).for_each(|week| year.push(7 * i64::try_from(week).unwrap(), week.to_string(), week, 53));
        assert!(year.finish().labels.len() <= 7);
        // What was a day ago is not as far away as what was a month ago.
        let mut uneven = Curve::default();
        [0, 30, 31, 32].into_iter().for_each(|day| uneven.push(day, day.to_string(), 1, 2));
        let uneven = uneven.finish();
        assert_eq!(uneven.points.iter().map(|point| point.x - LEFT).collect::<Vec<_>>(), [0, 600, 620, 640]);
        assert_eq!(uneven.labels.iter().map(|label| label.1.as_str()).collect::<Vec<_>>(), ["0", "30"]);
    }
}
