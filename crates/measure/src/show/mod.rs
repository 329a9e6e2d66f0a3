//! How figures look: text tables, and charts for terminals and browsers. Not here: which figures.

mod bars;
mod chart;
pub mod markup;
mod svg;
mod table;

pub use self::{
    bars::bars,
    chart::{Bar, Chart, Limit, Scale, Tone},
    svg::{STYLE, svg, svg_file},
    table::{Align, Table},
};
