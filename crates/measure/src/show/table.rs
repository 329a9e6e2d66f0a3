//! Aligned columns of words.

/// On which side of its column a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of words under a head.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: &str = "  ";

impl Table {
    /// A table without rows, with these columns.
    #[must_use]
    pub fn new(head: &[(&str, Align)]) -> Self {
        Self { head: head.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row. What is missing at its end is empty.
    pub fn row<W: Into<String>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.rows.push(words.into_iter().map(Into::into).collect());
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, the head first, without spaces at their ends. `paint` may colour a word, given its row and column and the
    /// word with the spaces that align it; rows count from 0 below the head, which is not painted.
    #[must_use]
    pub fn text(&self, paint: &dyn Fn(usize, usize, String) -> String) -> String {
        let width = |column: usize| {
            let words = self.rows.iter().filter_map(|row| row.get(column)).chain([&self.head[column].0]);
            words.map(|word| word.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        let names: Vec<String> = self.head.iter().map(|(name, _)| name.clone()).collect();
        self.line(&names, &widths, &|_, word| word, &mut text);
        for (index, row) in self.rows.iter().enumerate() {
            self.line(row, &widths, &|column, word| paint(index, column, word), &mut text);
        }
        text
    }

    fn line(&self, words: &[String], widths: &[usize], paint: &dyn Fn(usize, String) -> String, text: &mut String) {
        let last = words.iter().take(widths.len()).rposition(|word| !word.is_empty());
        for (column, word) in words.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let width = widths[column];
            let word = match self.head[column].1 {
                Align::Right => format!("{word:>width$}"),
                Align::Left if Some(column) == last => word.clone(),
                Align::Left => format!("{word:width$}"),
            };
            if column > 0 {
                text.push_str(GAP);
            }
            text.push_str(&paint(column, word));
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_word() {
        let mut table = Table::new(&[("method", Align::Left), ("ms", Align::Right), ("isolated", Align::Left)]);
        table.row(["bwrap full", "6.2", "yes"]);
        table.row(["spawn", "0.78", ""]);
        let text = table.text(&|_, _, word| word);
        assert_eq!(text, "method        ms  isolated\nbwrap full   6.2  yes\nspawn       0.78\n");
    }

    #[test]
    fn paint_does_not_move_columns() {
        let mut table = Table::new(&[("a", Align::Left), ("b", Align::Left)]);
        table.row(["long word", "b"]);
        let text = table.text(&|row, column, word| format!("<{row}{column}>{word}"));
        assert_eq!(text, "a          b\n<00>long word  <01>b\n");
    }
}
