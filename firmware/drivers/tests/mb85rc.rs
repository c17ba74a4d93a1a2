//! MB85RC, byte by byte on the bus.

use embassy_futures::block_on;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use embedded_storage_async::nor_flash::{NorFlash as _, ReadNorFlash as _};
use tanbo_drivers::DriverError;
use tanbo_drivers::mb85rc::{FramFlash, Mb85rc, Size};

#[test]
fn bytes_go_out_behind_two_address_bytes() {
    let mut bus = Mock::new(&[
        Transaction::transaction_start(0x50),
        Transaction::write(0x50, vec![0x12, 0x34]),
        Transaction::write(0x50, vec![1, 2, 3]),
        Transaction::transaction_end(0x50),
        Transaction::write_read(0x50, vec![0x7f, 0xff], vec![9]),
    ]);
    let mut fram = Mb85rc::new(bus.clone(), 0x50, Size::Kbit256).expect("an address");
    block_on(fram.write(0x1234, &[1, 2, 3])).expect("written");
    let mut into = [0];
    block_on(fram.read(0x7fff, &mut into)).expect("read");
    assert_eq!(into, [9]);
    // Beyond the end nothing is sent.
    assert_eq!(block_on(fram.read(0x8000, &mut into)), Err(DriverError::Range));
    assert_eq!(block_on(fram.write(0x7fff, &[1, 2])), Err(DriverError::Range));
    assert_eq!(block_on(fram.write(u32::MAX, &[1])), Err(DriverError::Range));
    bus.done();
}

#[test]
fn the_largest_has_its_seventeenth_bit_in_the_device_address() {
    let mut bus = Mock::new(&[Transaction::write_read(0x53, vec![0, 1], vec![5])]);
    let mut fram = Mb85rc::new(bus.clone(), 0x52, Size::Kbit1024).expect("an address");
    let mut into = [0];
    block_on(fram.read(0x1_0001, &mut into)).expect("read");
    bus.done();
    let mut unused = Mock::new(&[]);
    assert_eq!(Mb85rc::new(unused.clone(), 0x53, Size::Kbit1024).map(|_| ()), Err(DriverError::Range));
    assert_eq!(Mb85rc::new(unused.clone(), 0x58, Size::Kbit64).map(|_| ()), Err(DriverError::Range));
    unused.done();
}

#[test]
fn it_says_what_it_is() {
    // MB85RC256V: manufacturer 0x00a, product 0x510.
    let identity = |bytes: [u8; 3]| Transaction::write_read(0x7c, vec![0xa0], bytes.to_vec());
    let mut bus = Mock::new(&[identity([0x00, 0xa5, 0x10]), identity([0x00, 0x45, 0x10])]);
    let mut fram = Mb85rc::new(bus.clone(), 0x50, Size::Kbit256).expect("an address");
    assert_eq!(block_on(fram.identify()), Ok(0x510));
    assert_eq!(block_on(fram.identify()), Err(DriverError::Identity { expected: 0x00a, found: 0x004 }));
    bus.done();
}

#[test]
fn as_flash_it_is_erased_by_writing_ones() {
    let mut expected = Vec::new();
    for at in (1024u16..2048).step_by(64) {
        expected.extend([
            Transaction::transaction_start(0x50),
            Transaction::write(0x50, at.to_be_bytes().to_vec()),
            Transaction::write(0x50, vec![0xff; 64]),
            Transaction::transaction_end(0x50),
        ]);
    }
    let mut bus = Mock::new(&expected);
    let mut flash = FramFlash(Mb85rc::new(bus.clone(), 0x50, Size::Kbit64).expect("an address"));
    assert_eq!(flash.capacity(), 8192);
    block_on(flash.erase(1024, 2048)).expect("erased");
    bus.done();
}
