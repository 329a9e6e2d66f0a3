//! System call filters: from a [`Policy`] to the program that the kernel runs before every system call.
//!
//! ```text
//! Policy ─rules()→ Rules (data: call, argument tests, action) ─compile(arch)→ Vec<SockFilter>
//! ```
//!
//! The parent does all of this before it starts the child; the child only hands the finished program to `seccomp(2)`.
//! Everything that no table names is refused. The tables:
//!
//! | file | calls | what happens |
//! |---|---|---|
//! | `allowed` | what ordinary programs and compilers need | made |
//! | `guarded` | calls whose arguments decide: `clone`, `socket`, `ioctl`, … | one of the three |
//! | `hostile` | what only an attack or a system tool needs | [`Denied`]: reported or killed |
//! | `keeper` | what changes the scheduling or limits of processes | made, but not for process 1 and not for all of a user |
//! | `quiet` | what ordinary programs probe and do without | an error number, no report |
//!
//! Not here: installing the program, answering notifications. Nothing in this module is unsafe or does I/O.

mod allowed;
mod bpf;
mod call;
mod compile;
mod guarded;
mod hostile;
mod keeper;
mod policy;
mod quiet;
mod rule;
mod set_id;

pub use bpf::SockFilter;
pub use call::{Arch, Call, name_of};
pub use compile::{CompileError, compile};
pub use policy::{Denied, Families, Forks, Policy};
pub use rule::{Action, Arg, Arm, INT, Is, Rule, Rules, Test};
