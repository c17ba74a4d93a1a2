"""Writes ms5837.txt: model, D1, D2, pressure, temperature, by the datasheets' formulas in exact integers.

    python3 ms5837.py > ms5837.txt
"""

CALIBRATIONS = {30: (34982, 36352, 20328, 22354, 26646, 26146), 2: (46372, 43981, 29059, 27842, 31553, 28165)}


def compensate(model, c, d1, d2):
    c1, c2, c3, c4, c5, c6 = c
    dt = d2 - c5 * 2**8
    temp = 2000 + dt * c6 // 2**23
    if model == 30:
        off, sens = c2 * 2**16 + c4 * dt // 2**7, c1 * 2**15 + c3 * dt // 2**8
    else:
        off, sens = c2 * 2**17 + c4 * dt // 2**6, c1 * 2**16 + c3 * dt // 2**7
    ti = offi = sensi = 0
    if temp < 2000 and model == 30:
        ti, offi, sensi = 3 * dt**2 // 2**33, 3 * (temp - 2000) ** 2 // 2, 5 * (temp - 2000) ** 2 // 2**3
        if temp < -1500:
            offi, sensi = offi + 7 * (temp + 1500) ** 2, sensi + 4 * (temp + 1500) ** 2
    elif model == 30:
        ti, offi = 2 * dt**2 // 2**37, (temp - 2000) ** 2 // 2**4
    elif temp < 2000:
        ti, offi, sensi = 11 * dt**2 // 2**35, 31 * (temp - 2000) ** 2 // 2**3, 63 * (temp - 2000) ** 2 // 2**5
    divisor = 2**13 if model == 30 else 2**15
    return (d1 * (sens - sensi) // 2**21 - (off - offi)) // divisor, temp - ti


def crc4(words):
    """AN520: a polynomial 0x3 of 4 bits over the words, the code's own place zero; its loop goes on over three zero bytes."""
    bits = "".join(format(word, "016b") for word in [words[0] & 0x0FFF, *words[1:]]) + 24 * "0"
    remainder = 0
    for bit in bits:
        remainder = remainder << 1 | int(bit)
        if remainder >> 16:
            remainder = remainder & 0xFFFF ^ 0x3000
    return remainder >> 12


print("# model D1 D2 pressure temperature; checksum of the 02BA example:", crc4([0, *CALIBRATIONS[2]]))
for model, c in CALIBRATIONS.items():
    for d1 in (3_000_000, 4_958_179, 7_000_000):
        for share in (-15, -10, 0, 12):
            print(model, d1, d2 := c[4] * 256 + share * 100_000, *compensate(model, c, d1, d2))
