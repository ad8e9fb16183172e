//! What a report says, before it is written as Markdown, CSV, LaTeX or HTML.

use crate::chart::{Svg, Value, Width};

/// A report.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Its title.
    pub(crate) title: String,
    /// What must precede everything else.
    pub(crate) warnings: Vec<String>,
    /// What nobody may miss, below the warnings.
    pub(crate) lead: Vec<String>,
    /// Its sections.
    pub(crate) sections: Vec<Section>,
    /// What the report refers to, as BibTeX.
    pub(crate) bibliography: String,
}

/// A section.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Its name in links: lower-case letters and `-`.
    pub(crate) id: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// What it says.
    pub(crate) blocks: Vec<Block>,
}

/// A part of a section. In prose, what stands between backticks is code.
#[derive(Debug)]
pub(crate) enum Block {
    /// A heading within the section.
    Heading(String),
    /// A paragraph.
    Paragraph(String),
    /// A list of paragraphs.
    List(Vec<String>),
    /// A text to be copied as it is.
    Quote(String),
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Figure),
}

/// A table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Its name in links and files: lower-case letters, digits and `-`.
    pub(crate) id: String,
    /// Its number; those without get one from [`Document::number`].
    pub(crate) number: Option<usize>,
    /// What it shows.
    pub(crate) title: String,
    /// Its columns; the first has the rows' labels.
    pub(crate) columns: Vec<String>,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// How to read it.
    pub(crate) notes: Vec<String>,
}

/// A row of a table, with a cell for each column.
#[derive(Debug)]
pub(crate) struct Row {
    /// Where its numbers come from.
    pub(crate) kind: RowKind,
    /// Its cells.
    pub(crate) cells: Vec<Cell>,
}

/// Where a row's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// What was run.
    Ordinary,
    /// What needs no model.
    WithoutModel,
    /// What the paper published.
    Published,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A score, with its interval if it has one.
    Score(Value),
    /// A whole number.
    Count(u64),
    /// A share from 0 to 1.
    Share(f64),
    /// A p value.
    Probability(f64),
    /// Nothing is known.
    Unknown,
}

/// A figure, drawn for a wide and for a narrow place.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its name in links and files: lower-case letters, digits and `-`.
    pub(crate) id: String,
    /// Its number; those without get one from [`Document::number`].
    pub(crate) number: Option<usize>,
    /// What it shows and how to read it.
    pub(crate) caption: String,
    /// The wide drawing.
    pub(crate) wide: Svg,
    /// The narrow drawing.
    pub(crate) narrow: Svg,
}

impl Figure {
    /// A figure that `draw` draws.
    pub(crate) fn new(id: impl Into<String>, caption: impl Into<String>, draw: impl Fn(Width) -> Svg) -> Self {
        let (wide, narrow) = (draw(Width::Wide), draw(Width::Narrow));
        Self { id: id.into(), number: None, caption: caption.into(), wide, narrow }
    }

    /// The same figure with a number of the paper.
    pub(crate) fn numbered(self, number: usize) -> Self {
        Self { number: Some(number), ..self }
    }

    /// `Figure 3`.
    pub(crate) fn name(&self) -> String {
        format!("Figure {}", self.number.unwrap_or_default())
    }
}

impl Table {
    /// `Table 3`.
    pub(crate) fn name(&self) -> String {
        format!("Table {}", self.number.unwrap_or_default())
    }
}

impl Cell {
    /// A score that may be unknown.
    pub(crate) fn score(value: Option<impl Into<Value>>) -> Self {
        value.map_or(Self::Unknown, |value| Self::Score(value.into()))
    }

    /// A share that may be unknown.
    pub(crate) fn share(share: Option<f64>) -> Self {
        share.map_or(Self::Unknown, Self::Share)
    }

    /// A p value that may be unknown.
    pub(crate) fn probability(p: Option<f64>) -> Self {
        p.map_or(Self::Unknown, Self::Probability)
    }

    /// Words.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl Document {
    /// Numbers the tables and figures that have no number of the paper, from `first_table` and `first_figure` on.
    pub(crate) fn number(&mut self, mut first_table: usize, mut first_figure: usize) {
        for block in self.sections.iter_mut().flat_map(|section| &mut section.blocks) {
            let (number, next) = match block {
                Block::Table(table) => (&mut table.number, &mut first_table),
                Block::Figure(figure) => (&mut figure.number, &mut first_figure),
                _ => continue,
            };
            if number.is_none() {
                *number = Some(*next);
                *next += 1;
            }
        }
    }

    /// All tables, in order.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks().filter_map(|block| if let Block::Table(table) = block { Some(table) } else { None })
    }

    /// All figures, in order.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks().filter_map(|block| if let Block::Figure(figure) = block { Some(figure) } else { None })
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }
}
