//! `palisade backends`: every wall, what it holds on this host and who answers for that, as a table or JSON.
//!
//! Not here: what they hold (the library), trying them (`palisade doctor`).

use std::fmt::Write;

use palisade::{
    Offer, offers,
    spec::{Guarantee, Held},
};
use serde::Serialize;

use crate::{args::Backends, print};

/// Name and version of the form in which the list is printed as JSON.
const SCHEMA: &str = "palisade.backends/1";

#[derive(Serialize)]
struct List<'a> {
    schema: &'static str,
    backends: &'a [Offer],
}

pub(crate) fn list(args: &Backends) -> i32 {
    match offers() {
        Ok(backends) if args.json => print::json(&List { schema: SCHEMA, backends: &backends }),
        Ok(backends) => print::data(&text(&backends)),
        Err(error) => print::start_error(&error, args.json),
    }
}

/// The word in a cell.
fn word(held: &Held) -> &'static str {
    match held {
        Held::Itself(_) => "itself",
        Held::Around(_) => "around",
        Held::Weakly(_) => "weakly",
        Held::No(_) => "-",
    }
}

fn text(offers: &[Offer]) -> String {
    let mut text = format!("{:<11} {:<17}", "backend", "strength");
    let wide = |guarantee: &Guarantee| guarantee.to_string().len().max(6);
    for guarantee in &Guarantee::ALL {
        let _ = write!(text, " {:<width$}", guarantee.to_string(), width = wide(guarantee));
    }
    text.push_str(" here\n");
    for offer in offers {
        let _ = write!(text, "{:<11} {:<17}", offer.backend.to_string(), offer.strength.to_string());
        for guarantee in &Guarantee::ALL {
            let _ = write!(text, " {:<width$}", word(offer.guarantees.of(*guarantee)), width = wide(guarantee));
        }
        text.push_str(if offer.refusals.is_empty() { " yes\n" } else { " no\n" });
    }
    text.push_str(
        "\nitself: the wall holds it; around: palisade does, around the wall or inside it; weakly: as far as this host can;\n\
         -: nobody, and a policy that wants it is refused. By what means: --json. here: nothing is known to be missing;\n\
         whether it works, palisade doctor tries\n",
    );
    for refusal in offers.iter().flat_map(|offer| &offer.refusals) {
        let _ = write!(text, "\n{refusal}\n  fix: {}\n", refusal.hint);
    }
    text
}
