//! A few lines of a terminal that are drawn again and again in place.

use std::io::{Write, stderr};

use rustix::termios::tcgetwinsize;

use super::picture::Picture;

/// The lines that were drawn last.
#[derive(Debug)]
pub(super) struct Screen {
    has_colours: bool,
    /// How wide each of them is.
    drawn: Vec<usize>,
}

/// Where the terminal does not tell its size.
const USUAL: (usize, usize) = (80, 24);

// === impl Screen ===

impl Screen {
    pub(super) const fn new(has_colours: bool) -> Self {
        Self { has_colours, drawn: Vec::new() }
    }

    /// Draws the picture over the last one, as wide as the terminal is now.
    pub(super) fn draw(&mut self, picture: &Picture) {
        let (width, height) = tcgetwinsize(stderr()).map_or(USUAL, |size| {
            match (usize::from(size.ws_col), usize::from(size.ws_row)) {
                (0, _) | (_, 0) => USUAL,
                size => size,
            }
        });
        let text = self.text(picture, width, height);
        // A terminal that is gone takes no more, and the run goes on.
        stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// What draws it: back to the first line of the last picture, then line by line.
    fn text(&mut self, picture: &Picture, width: usize, height: usize) -> String {
        let mut text = String::new();
        // A terminal that became narrower has broken the lines that were drawn on it.
        let up: usize = self.drawn.iter().map(|line| line.div_ceil(width).max(1)).sum();
        if up > 0 {
            text.push_str(&format!("\r\x1b[{}A", up.min(height.saturating_sub(1))));
        }
        self.drawn.clear();
        for line in picture.lines(width).into_iter().take(height.saturating_sub(1)) {
            self.drawn.push(line.width());
            text.push_str("\x1b[2K");
            text.push_str(&line.text(self.has_colours));
            text.push('\n');
        }
        text.push_str("\x1b[J");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_over_the_last_one_whatever_became_of_the_width() {
        let mut screen = Screen::new(false);
        let picture = Picture::default();
        let first = screen.text(&picture, 80, 24);
        assert!(!first.contains('A'), "nothing was drawn before: {first:?}");
        let lines = first.matches('\n').count();
        assert!(screen.text(&picture, 80, 24).starts_with(&format!("\r\x1b[{lines}A")));
        let narrow = screen.text(&picture, 40, 24);
        let up: usize = narrow[3..narrow.find('A').unwrap()].parse().unwrap();
        assert!(up > lines, "lines of 80 are broken at 40: {up} over {lines}");
        assert!(screen.text(&picture, 40, 4).matches('\n').count() < 4, "no more than fit");
    }

    #[test]
    fn colours_are_shown_only_where_they_are_wanted() {
        let picture = Picture::default();
        assert!(Screen::new(true).text(&picture, 80, 24).contains("\x1b[1m"));
        let plain = Screen::new(false).text(&picture, 80, 24);
        assert!(!plain.contains('m') || !plain.contains("\x1b[1m"), "{plain:?}");
    }
}
