"""Writes v1.txt: a frame of each kind of version 1 on each link, with `cryptography`'s CMAC.

    pip install cryptography
    python3 generate.py > v1.txt

Independent of the crate: it knows the layout from the tables in README.md and the types' documentation only.
"""

import struct

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

KEY = bytes(range(0x10, 0x20))
NODE = 0x70B3_D57E_D005_1234
COUNTER = 0x0002_FFFE
STREAM, LORAWAN = 0, 1


def finding(hazard, begins, severity, clock, score):
    return struct.pack("<Bb", hazard | begins << 3 | severity << 4 | clock << 6, score)


TIME_US = 1_795_796_640_123_456
MODEL = bytes([0xDE, 0xAD, 0xBE, 0xEF])
# Name, kind, body.
MESSAGES = [
    ("alarm", 0, finding(0, 1, 2, 3, -7) + struct.pack("<H", TIME_US // 62_500 % 2**16)),
    ("alarm_unset", 0, finding(1, 0, 0, 0, 127) + struct.pack("<H", 0)),
    ("event", 1, finding(2, 1, 3, 2, -128) + struct.pack("<QHBi4s", TIME_US, 250, 2, -98_100, MODEL)),
    ("readings", 2, struct.pack("<IHBihhhh", 1_795_796_640, 60, 1, -120, 7, -(2**15), -32_767, 32_767)),
    ("reading", 2, struct.pack("<IHBi", 1_795_796_640, 0, 10, 2**31 - 1)),
    ("heartbeat", 3, struct.pack("<BbBB", 165, -20, 3, 255)),
    ("heartbeat_unknown", 3, struct.pack("<BbBB", 255, -128, 0, 0)),
    ("telemetry", 4, struct.pack("<IIHBbHHBH", 86_400, 1_875, 3_312, 71, 41, 2, 9, 1, 1_200)),
    ("boot", 5, struct.pack("<HBB", COUNTER >> 16, 2, 41)),
    ("time_request", 6, b""),
    ("applied", 7, struct.pack("<IHiB", 17, 0x0102, -5, 2)),
    ("update", 8, struct.pack("<IIBB", 7, 9_600, 5, 17)),
    ("ack", 16, struct.pack("<II", COUNTER, 0x8000_0001)),
    ("time", 17, struct.pack("<IQQ", COUNTER, TIME_US, TIME_US + 1_500)),
    ("set", 18, struct.pack("<Hi", 0x0102, 2**31 - 1)),
    ("command", 19, struct.pack("<B", 1)),
    ("offer", 20, struct.pack("<II32s", 7, 10_624, bytes(range(32)))),
    ("part", 21, struct.pack("<I", 9_600) + bytes(range(100, 148))),
    ("try", 22, struct.pack("<IH", 7, 240)),
    ("firmware_update", 9, struct.pack("<IIBB", 3, 253_952, 1, 0)),
    ("firmware_offer", 23, struct.pack("<II32s", 3, 253_952, bytes(range(32, 64)))),
    ("firmware_part", 24, struct.pack("<I", 192) + bytes(range(100, 148))),
    ("firmware_try", 25, struct.pack("<IH", 3, 240)),
]


def frame(link, kind, body):
    first = bytes([1 << 5 | kind])
    header = struct.pack("<QI", NODE, COUNTER) if link == STREAM else struct.pack("<H", COUNTER % 2**16)
    signed = first + header + body
    mac = CMAC(AES(KEY))
    mac.update(b"tnb" + bytes([link]) + struct.pack("<QI", NODE, COUNTER) + signed)
    return signed + mac.finalize()[: 8 if link == STREAM else 4]


for name, kind, body in MESSAGES:
    print(name, "stream", frame(STREAM, kind, body).hex())
    print(name, "lorawan", frame(LORAWAN, kind, body).hex())
