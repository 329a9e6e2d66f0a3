//! The program that `palisade attack` starts, unconfined and in sandboxes. All of it is in the crate of the same name: its attacks
//! need system calls that no safe interface offers, and they are nowhere but in this process.

fn main() -> std::process::ExitCode {
    palisade_attacker::staged()
}
