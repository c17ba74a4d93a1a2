"""Writes key.pem, key.pub.pem and seismic.signature: a key and a signature section made with `cryptography`.

    pip install cryptography
    python3 generate.py

Independent of the crate: it knows the layout from FORMAT.md only. The self-test's digest is made up: it belongs to what is signed.
The signature has another random number each time, so a second run writes other files.
"""

import hashlib
import pathlib
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

HERE = pathlib.Path(__file__).parent
ARTIFACT = HERE / "../../../models/zoo/seismic/seismic.tnb"

# Header: total_bytes at 8, sections from 24 on, hash at 160. Section 13 is the signature.
artifact = bytearray(ARTIFACT.read_bytes())
end, length = struct.unpack_from("<II", artifact, 24 + 13 * 8)
assert length == 0 and end == len(artifact)
stated = bytes(artifact[160:192])
artifact[8:12] = bytes(4)
artifact[160:192] = bytes(32)
content = hashlib.sha256(artifact).digest()
assert content == stated

key = ec.generate_private_key(ec.SECP256R1())
public = key.public_key()
point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
key_id = hashlib.sha256(point).digest()[:8]
golden = bytes(range(32))
record = struct.pack("<BBHI8sII32s8s", 1, 4, 0, 7, b"seismic", 0x1234, 0, golden, key_id)
assert len(record) == 64
r, s = utils.decode_dss_signature(key.sign(b"tanbo/1\0" + content + record, ec.ECDSA(hashes.SHA256())))
section = record + r.to_bytes(32, "big") + s.to_bytes(32, "big")

(HERE / "seismic.signature").write_text(section.hex() + "\n")
pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
(HERE / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
(HERE / "key.pub.pem").write_bytes(public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
