//! The order, read from standard input. What follows it is the program's: not one byte of that is read here.

use std::io;

use palisade_spec::guest::{LENGTH, LONGEST_ORDER, Order};
use rustix::{io::Errno, stdio::stdin};

/// Reads the order.
pub(crate) fn read() -> io::Result<Order> {
    let mut length = [0; LENGTH];
    fill(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_ORDER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are no order")));
    }
    let mut text = vec![0; length];
    fill(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn fill(mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        match rustix::io::read(stdin(), &mut *room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => room = room.get_mut(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
