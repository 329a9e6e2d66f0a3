//! What the makers of a stage need and cannot do without unsafe code: victims, decoys, and a guard. They attack nobody.

use super::files::handle_of;
use crate::hold;
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check, system_call};
use std::io::Write as _;
use std::os::fd::{FromRawFd as _, IntoRawFd as _};
use std::process::Command;
use std::time::{Duration, Instant};

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "victim", arguments: "WORD", about: "keeps the first line of its input in memory and in a file without a name; says `HOLDING ADDRESS FD`", needs: "-", place: Place::Itself, run: victim },
    Operation { name: "supervise", arguments: "MILLISECONDS PROGRAM ARGUMENT…", about: "starts a program, waits for it, and kills it if it lives longer", needs: "-", place: Place::Itself, run: supervise },
    Operation { name: "guard", arguments: "PID", about: "continues a process whenever it is stopped, and says so, until its input ends", needs: "-", place: Place::Itself, run: guard },
    Operation { name: "plant-key", arguments: "NAME VALUE", about: "puts a key into its user's keyring while it holds", needs: "kernel with keys", place: Place::Itself, run: super::kernel::plant_key },
    Operation { name: "handle-of", arguments: "PATH", about: "tells the handle of a file: TYPE HEX", needs: "-", place: Place::Itself, run: handle },
    Operation { name: "loopback", arguments: "ADDRESS", about: "gives the loopback interface one more address, and brings it up", needs: "a network namespace made for the test", place: Place::Itself, run: loopback },
    Operation { name: "remove-shared-memory", arguments: "KEY", about: "removes what leave-shared-memory left", needs: "-", place: Place::Itself, run: super::doors::remove_shared_memory },
];

fn victim(_: &Arguments) -> Answer {
    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret).map_err(blocked("read"))?;
    let secret = secret.trim_end().to_owned().into_bytes().leak();
    // SAFETY: a terminated string.
    let fd = check("memfd_create", unsafe { libc::memfd_create(c"victim".as_ptr(), libc::MFD_CLOEXEC) })? as i32;
    // SAFETY: a new descriptor that nobody else owns.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd) };
    file.write_all(secret).map_err(blocked("write"))?;
    hold::say(&format!("HOLDING {} {}", secret.as_ptr() as usize, file.into_raw_fd()));
    hold::wait();
    Ok("nobody needs it any more".into())
}

fn supervise(arguments: &Arguments) -> Answer {
    let time = Duration::from_millis(arguments.number(0, "MILLISECONDS", 600_000)?);
    let program = arguments.text(1, "PROGRAM")?;
    let mut child = Command::new(program).args(&arguments.0[2..]).spawn().map_err(blocked("execve"))?;
    let end = Instant::now() + time;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(blocked("wait"))? {
            break status;
        }
        if Instant::now() > end {
            // It fails only for one that has been waited for.
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    // The program has said how it went.
    std::process::exit(status.code().unwrap_or(1))
}

fn state(pid: libc::pid_t) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn guard(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    let (end, mut times) = (Instant::now() + Duration::from_secs(600), 0);
    hold::say("HOLDING watches");
    let mut input = libc::pollfd { fd: 0, events: libc::POLLIN, revents: 0 };
    // SAFETY: one live structure. The end of the input ends the watch; until then every 10 ms.
    while Instant::now() < end && unsafe { libc::poll(&raw mut input, 1, 10) } == 0 {
        if matches!(state(pid), Some('T')) {
            times += 1;
            // SAFETY: plain numbers.
            unsafe { libc::kill(pid, libc::SIGCONT) };
        }
    }
    Ok(format!("{pid} was stopped {times} times"))
}

fn handle(arguments: &Arguments) -> Answer {
    let handle = handle_of(arguments.text(0, "PATH")?)?;
    let hex: String = handle.handle[..handle.bytes as usize].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{} {hex}", handle.kind))
}

/// netdevice(7): `struct ifreq` with an address or flags in it.
#[repr(C)]
struct Interface {
    name: [u8; 16],
    value: [u8; 24],
}

fn loopback(arguments: &Arguments) -> Answer {
    let text = arguments.text(0, "ADDRESS")?;
    let address: std::net::Ipv4Addr =
        text.parse().map_err(|_| Stop::Inconclusive(format!("`{text}` is no address")))?;
    // SAFETY: plain numbers.
    let socket = check("socket", unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    let set = |name: &[u8], request: libc::c_ulong, value: &[u8]| {
        let mut wanted = Interface { name: [0; 16], value: [0; 24] };
        wanted.name[..name.len()].copy_from_slice(name);
        wanted.value[..value.len()].copy_from_slice(value);
        system_call("ioctl", libc::SYS_ioctl, &[socket as usize, request as usize, (&raw mut wanted) as usize])
    };
    let up = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    set(b"lo", libc::SIOCSIFFLAGS as libc::c_ulong, &up.to_ne_bytes())?;
    // `struct sockaddr_in`: family, port, address.
    let mut value = [0_u8; 8];
    value[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    value[4..].copy_from_slice(&address.octets());
    set(b"lo:1", libc::SIOCSIFADDR as libc::c_ulong, &value)?;
    value[4..].copy_from_slice(&[255; 4]);
    set(b"lo:1", libc::SIOCSIFNETMASK as libc::c_ulong, &value)?;
    Ok(format!("lo has {address}"))
}
