"""Writes v1.txt: parity lines and parity fragments of TS004-1.0.0, from the standard's text (chapter 7 and its MATLAB appendix).

    python3 generate.py > v1.txt

Lines: `line FRAGMENTS PARITY BITS`, `parity FRAGMENTS BYTES PARITY HEX` of a block whose byte k is k mod 256.
"""

def prbs23(x):
    b0, b1 = x & 1, (x & 32) // 32
    return x // 2 + (b0 ^ b1) * 2**22


def matrix_line(n, m):
    line = [0] * m
    mm = 1 if m & (m - 1) == 0 else 0
    x = 1 + 1001 * n
    nb_coeff = 0
    while nb_coeff < m // 2:
        r = 2**16
        while r >= m:
            x = prbs23(x)
            r = x % (m + mm)
        line[r] = 1
        nb_coeff += 1
    return line


for m in [1, 2, 3, 8, 26, 32, 100, 427, 1024]:
    for n in [1, 2, 3, 7, 100, 1000]:
        print("line", m, n, "".join(map(str, matrix_line(n, m))))

for m, size in [(26, 10), (32, 10), (10, 3), (222, 48)]:
    block = bytes(k % 256 for k in range(m * size))
    for n in [1, 2, 5, 30]:
        coded = 0
        for index, bit in enumerate(matrix_line(n, m)):
            if bit:
                coded ^= int.from_bytes(block[index * size : (index + 1) * size], "big")
        print("parity", m, size, n, coded.to_bytes(size, "big").hex())
