//! Windows and telephones, drawn in a few strokes. The colours are the style sheet's, so that both themes and paper work.
//! What a drawing shows is said beside it in words: to a screen reader it is not there.

use std::fmt::Write as _;

use askama::filters::Safe;

/// The shapes of one picture, 260 by 150.
pub(super) struct Drawing(String);

/// What is used last in a settings window.
pub(super) enum Control {
    Button(&'static str),
    Choice(&'static str),
    File(&'static str),
}

/// How somebody's certificate gets into the contacts.
pub(super) enum Keeping {
    Menu(&'static str),
    ByItself(&'static str),
}

impl Drawing {
    fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn safe(self) -> Safe<String> {
        Safe(format!(
            "<svg class=\"drawing\" viewBox=\"0 0 260 150\" aria-hidden=\"true\" focusable=\"false\">{}</svg>",
            self.0
        ))
    }

    fn rect(&mut self, class: &str, [x, y, width, height]: [u32; 4], round: u32) {
        let _ = write!(
            self.0,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
        );
    }

    /// Text that nobody needs to read.
    fn bar(&mut self, x: u32, y: u32, width: u32) {
        self.rect("d-bar", [x, y, width, 5], 2);
    }

    fn path(&mut self, class: &str, d: &str) {
        let _ = write!(self.0, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    fn circle(&mut self, class: &str, x: u32, y: u32, r: u32) {
        let _ = write!(self.0, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>");
    }

    fn text(&mut self, class: &str, x: u32, y: u32, words: &str) {
        let words = words.replace('&', "&#38;").replace('<', "&#60;");
        let _ = write!(self.0, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>");
    }

    /// The order in which things are used.
    fn mark(&mut self, number: u32, x: u32, y: u32) {
        self.circle("d-mark", x, y, 8);
        self.text("d-number", x, y + 3, &number.to_string());
    }

    fn window(&mut self, title: &str) {
        self.rect("d-frame", [2, 2, 256, 146], 8);
        self.path("d-line", "M2 22H258");
        for x in [12, 20, 28] {
            self.circle("d-bar", x, 12, 2);
        }
        self.text("d-text", 38, 15, title);
    }

    fn phone(&mut self, title: &str) {
        self.rect("d-frame", [52, 2, 156, 146], 14);
        self.path("d-line", "M52 28H208");
        self.text("d-text middle", 130, 19, title);
    }

    fn button(&mut self, x: u32, y: u32, words: &str) -> u32 {
        let width = width(words) + 18;
        self.rect("d-button", [x, y, width, 20], 5);
        self.text("d-on", x + 9, y + 13, words);
        x + width
    }

    fn picked(&mut self, [x, y, width, height]: [u32; 4], words: &str) {
        self.rect("d-pick", [x, y, width, height], 4);
        self.text("d-strong", x + 7, y + height / 2 + 3, words);
    }

    fn lock(&mut self, x: u32, y: u32) {
        self.path("d-icon", &format!("M{x} {y}h9v7h-9zm2 0v-2.500a2.500 2.500 0 0 1 5 0V{y}"));
    }

    fn pen(&mut self, x: u32, y: u32) {
        self.path("d-icon", &format!("M{x} {}l1-3 6-6 2 2-6 6zm0 2h9", y + 6));
    }

    fn seal(&mut self, x: u32, y: u32) {
        self.circle("d-seal", x, y, 9);
        self.path("d-tick", &format!("m{} {y} 3 3 5-6", x - 4));
    }

    fn person(&mut self, x: u32, y: u32) {
        self.circle("d-shade", x, y, 10);
        self.circle("d-skin", x, y - 2, 3);
        self.path("d-skin", &format!("M{} {}a5 4.500 0 0 1 10 0z", x - 5, y + 7));
    }

    /// A message that is being written, from `y` on.
    fn lines(&mut self, x: u32, y: u32, width: u32) {
        for (row, share) in [10, 8, 5].into_iter().enumerate() {
            let row = u32::try_from(row).unwrap_or(0);
            self.bar(x, y + row * 12, width * share / 10);
        }
    }
}

/// About as wide as the words are in the style sheet's size.
fn width(words: &str) -> u32 {
    u32::try_from(words.chars().count()).unwrap_or(0) * 46 / 10
}

pub(super) fn settings(path: &str, row: &str, control: Control) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.window(path);
    drawing.path("d-line", "M100 22V148");
    for (at, width) in [(36, 50), (52, 62), (98, 44), (114, 58), (130, 36)] {
        drawing.bar(12, at, width);
    }
    drawing.picked([6, 66, 90, 20], row);
    drawing.mark(1, 96, 66);
    drawing.bar(112, 36, 96);
    drawing.bar(112, 48, 128);
    match control {
        Control::Button(words) => {
            let end = drawing.button(112, 78, words);
            drawing.mark(2, end, 78);
            drawing.bar(112, 112, 120);
            drawing.bar(112, 124, 84);
        }
        Control::Choice(words) => {
            drawing.rect("d-field", [112, 78, 128, 22], 5);
            drawing.text("d-strong", 120, 92, words);
            drawing.path("d-icon", "m224 86 4 4 4-4");
            drawing.mark(2, 240, 78);
            drawing.bar(112, 114, 110);
        }
        Control::File(words) => {
            drawing.path("d-paper", "M114 72h30l12 12v46h-42zM144 72v12h12");
            drawing.path("d-icon", "M128 106a5 5 0 1 0 5-5 5 5 0 0 0-5 5m8 3 8 8m-3-3 3-3");
            drawing.text("d-strong", 164, 104, words);
            drawing.mark(2, 156, 72);
        }
    }
    drawing
}

pub(super) fn keep(how: Keeping) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.window("");
    drawing.path("d-line", "M78 22V148");
    for at in [34, 58, 82, 106, 130] {
        drawing.bar(12, at, 54);
        drawing.bar(12, at + 9, 34);
    }
    drawing.person(100, 42);
    drawing.bar(118, 36, 70);
    drawing.bar(118, 46, 46);
    drawing.seal(240, 42);
    match how {
        Keeping::Menu(words) => {
            drawing.lines(92, 112, 120);
            drawing.rect("d-frame", [84, 58, 170, 46], 6);
            drawing.bar(94, 66, 60);
            drawing.picked([88, 76, 162, 22], words);
            drawing.mark(1, 112, 30);
            drawing.mark(2, 250, 76);
        }
        Keeping::ByItself(words) => {
            drawing.lines(92, 66, 150);
            drawing.path("d-arrow", "M240 54c0 40-24 56-52 64m8-7-8 7 10 3");
            drawing.rect("d-card", [92, 112, 94, 28], 6);
            drawing.person(108, 126);
            drawing.text("d-strong", 124, 129, words);
        }
    }
    drawing
}

pub(super) fn write(place: &str, chips: &[&str]) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.window("");
    drawing.text("d-strong", 14, 39, place);
    drawing.mark(1, 14 + width(place) + 14, 35);
    let mut x = 14;
    for (index, words) in chips.iter().enumerate() {
        let wide = width(words) + 32;
        drawing.rect("d-pick", [x, 48, wide, 22], 5);
        if index == 0 {
            drawing.lock(x + 8, 56)
        } else {
            drawing.pen(x + 8, 54)
        }
        drawing.text("d-strong", x + 23, 62, words);
        drawing.mark(u32::try_from(index).unwrap_or(0) + 2, x + wide, 48);
        x += wide + 14;
    }
    drawing.path("d-line", "M14 80H246M14 98H246");
    drawing.bar(14, 87, 96);
    drawing.lines(14, 106, 220);
    drawing
}

pub(super) fn phone_settings(path: &str, row: &str) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.phone(path);
    for at in [42, 58, 106, 122] {
        drawing.bar(68, at, 70);
        drawing.path("d-line", &format!("M66 {}H194", at + 11));
    }
    drawing.picked([62, 72, 136, 24], row);
    drawing.rect("d-button", [170, 78, 22, 12], 6);
    drawing.circle("d-knob", 186, 84, 4);
    drawing.mark(1, 198, 72);
    drawing
}

pub(super) fn phone_keep(words: &str) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.phone("");
    drawing.person(80, 46);
    drawing.bar(96, 40, 56);
    drawing.bar(96, 50, 34);
    drawing.seal(186, 46);
    drawing.mark(1, 202, 36);
    drawing.lines(70, 72, 120);
    let end = drawing.button(130 - (width(words) + 18) / 2, 120, words);
    drawing.mark(2, end, 120);
    drawing
}

pub(super) fn phone_write(chips: &[&str]) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.phone("");
    drawing.bar(68, 13, 26);
    drawing.path("d-line", "M66 48H194M66 66H194");
    drawing.bar(68, 36, 70);
    drawing.bar(68, 54, 54);
    for words in chips {
        let wide = width(words) + 32;
        let x = 130 - wide / 2;
        drawing.rect("d-pick", [x, 78, wide, 24], 5);
        drawing.lock(x + 8, 88);
        drawing.text("d-strong", x + 23, 93, words);
        drawing.mark(1, x + wide, 78);
    }
    drawing.bar(68, 114, 104);
    drawing.bar(68, 126, 78);
    drawing
}

pub(super) fn order(words: &str) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.window("");
    drawing.bar(24, 38, 120);
    drawing.rect("d-field", [24, 56, 212, 24], 5);
    drawing.text("d-strong", 34, 71, "name@example.com");
    let end = drawing.button(24, 96, words);
    drawing.mark(1, end, 96);
    drawing.bar(24, 130, 90);
    drawing
}

pub(super) fn prove(words: &str) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.window("");
    drawing.person(34, 46);
    drawing.bar(54, 40, 90);
    drawing.bar(54, 50, 56);
    drawing.path("d-line", "M22 66H238");
    drawing.bar(24, 78, 180);
    drawing.bar(24, 90, 130);
    let end = drawing.button(24, 108, words);
    drawing.mark(2, end, 108);
    drawing
}

pub(super) fn file(words: &str) -> Drawing {
    let mut drawing = Drawing::new();
    drawing.rect("d-frame", [2, 2, 256, 146], 8);
    drawing.path("d-paper", "M92 20h50l22 22v62H92zM142 20v22h22");
    drawing.path("d-icon big", "M112 72a9 9 0 1 0 9-9 9 9 0 0 0-9 9m15 6 14 14m-5-5 5-5");
    drawing.mark(3, 164, 22);
    drawing.text("d-strong middle", 130, 128, words);
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_a_drawing_stay_words() {
        let drawing = keep(Keeping::Menu("<b>&x")).safe().0;
        assert!(drawing.contains(">&#60;b>&#38;x</text>"), "{drawing}");
        assert!(drawing.starts_with("<svg class=\"drawing\"") && drawing.ends_with("</svg>"));
        assert!(drawing.len() < 4096, "{} octets", drawing.len());
    }
}
