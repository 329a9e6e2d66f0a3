//! A terminal with palisade at it: a pseudo-terminal of the test's, whose keys the test types and whose screen it reads.
#![allow(dead_code, clippy::unwrap_used, reason = "for tests")]

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use palisade_testkit::wait_for;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::{PATIENCE, Place, contains};

pub(crate) struct Screen {
    master: OwnedFd,
    slave: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
}

impl Screen {
    /// 30 lines of 100, owned by the place's person as a login would have made it.
    pub(crate) fn new(place: &Place) -> Self {
        let open = || openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        let first = open();
        // Not the first one of its devpts: the program's own is the first of another, with the same number.
        let master = open();
        drop(first);
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        fchown(&slave, Some(place.seat.uid()), None).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(AtomicBool::new(false));
        let (mut reader, into) = (std::fs::File::from(master.try_clone().unwrap()), Arc::clone(&seen));
        let stop = Arc::clone(&closed);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                into.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        });
        let screen = Self { master, slave, seen, closed };
        screen.resize(30, 100);
        screen
    }

    /// Starts a command in a session of its own that this terminal controls.
    pub(crate) fn start(&self, place: &Place, command: &Command) -> Child {
        let mut whole = place.seat.command("setsid");
        whole.arg("--ctty").arg(command.get_program()).args(command.get_args());
        whole.env("PALISADE_TEST", place.token()).env("TERM", "vt100");
        let end = || self.slave.try_clone().unwrap();
        place.spawn(whole.stdin(end()).stdout(end()).stderr(end()))
    }

    pub(crate) fn keys(&self, text: &str) {
        std::fs::File::from(self.master.try_clone().unwrap()).write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// All that was printed since the last call, once `wanted` is in it.
    #[track_caller]
    pub(crate) fn until(&self, wanted: &str) -> String {
        let there = wait_for(PATIENCE, || contains(&self.seen.lock().unwrap(), wanted.as_bytes()));
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(there, "`{wanted}` is not on the screen: {seen:?}");
        seen
    }

    /// Waits for the end, and gives what was printed until then as well.
    #[track_caller]
    pub(crate) fn end_of(&self, child: &mut Child) -> (ExitStatus, String) {
        let mut status = None;
        let ended = wait_for(PATIENCE, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        if !ended {
            child.kill().unwrap();
        }
        // What was written before the end comes before this.
        std::fs::File::from(self.slave.try_clone().unwrap()).write_all(b"=end=").unwrap();
        let said = self.until("=end=").replace("=end=", "");
        assert!(ended, "it did not end: {said}");
        (status.unwrap(), said)
    }

    pub(crate) fn clone_of_slave(&self) -> OwnedFd {
        self.slave.try_clone().unwrap()
    }

    /// As when a window is closed.
    pub(crate) fn hang_up(self) {
        // The reader still holds a descriptor: it is woken by a last word, and finds nobody to tell.
        self.closed.store(true, Ordering::SeqCst);
        std::fs::File::from(self.slave).write_all(b"closing").unwrap();
    }

    /// Which settings a shell would find: input, output, control and local modes.
    pub(crate) fn modes(&self) -> [u32; 4] {
        let modes = tcgetattr(self.slave.as_fd()).unwrap();
        [modes.input_modes.bits(), modes.output_modes.bits(), modes.control_modes.bits(), modes.local_modes.bits()]
    }

    pub(crate) fn is_raw(&self) -> bool {
        !tcgetattr(self.slave.as_fd()).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// File system and device number of this terminal.
    pub(crate) fn device(&self) -> (u64, u64) {
        let meta = std::fs::File::from(self.slave.try_clone().unwrap()).metadata().unwrap();
        (meta.dev(), meta.rdev())
    }
}
