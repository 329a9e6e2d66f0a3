//! The attacks that can be tried alone: `hostile --list`. They are those of the crate `palisade-attacker`.

fn main() -> std::process::ExitCode {
    palisade_attacker::alone()
}
