"""Tokens as an issuer makes them, and as an attacker would: JWS and JWK by hand, signatures by `cryptography`."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SHA = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64(data):
    if isinstance(data, int):
        data = data.to_bytes((data.bit_length() + 7) // 8, "big")
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"))


class Key:
    """Key("RS256", kid="a"): a fresh private key; .jwk is its public part, .token(claims) signs."""

    def __init__(self, alg, kid=None, secret=None):
        self.alg, self.kid = alg, kid
        if alg[:2] in ("RS", "PS"):
            self.private = rsa.generate_private_key(65537, 2048)
            numbers = self.private.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": b64(numbers.n), "e": b64(numbers.e)}
        elif alg[:2] == "ES":
            curve, size = (ec.SECP384R1(), 48) if alg == "ES384" else (ec.SECP256R1(), 32)
            self.private = ec.generate_private_key(curve)
            numbers = self.private.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": f"P-{size * 8}", "x": b64(numbers.x.to_bytes(size, "big")),
                        "y": b64(numbers.y.to_bytes(size, "big"))}
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        else:
            self.private = secret or hashlib.sha512(str(time.time_ns()).encode()).digest()
            self.jwk = {"kty": "oct", "k": b64(self.private)}
        self.jwk["alg"] = alg
        if kid:
            self.jwk["kid"] = kid

    def public_pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data):
        kind, sha = self.alg[:2], SHA.get(self.alg[2:])
        if kind == "RS":
            return self.private.sign(data, padding.PKCS1v15(), sha())
        if kind == "PS":
            return self.private.sign(data, padding.PSS(padding.MGF1(sha()), sha.digest_size), sha())
        if kind == "ES":
            r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(sha())))
            size = int(self.alg[2:]) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if kind == "Ed":
            return self.private.sign(data)
        return hmac.new(self.private, data, "sha" + self.alg[2:]).digest()

    def token(self, claims=None, header=None, **more):
        """claims as a dict (sub "alice" and an hour to live unless said otherwise; None removes one) or as text; header: members over alg, typ and kid."""
        if claims is None or isinstance(claims, dict):
            claims = {"sub": "alice", "exp": int(time.time()) + 3600, **(claims or {}), **more}
            claims = compact({k: v for k, v in claims.items() if v is not None})
        head = {"alg": self.alg, "typ": "JWT", **({"kid": self.kid} if self.kid else {}), **(header or {})}
        text = b64(compact({k: v for k, v in head.items() if v is not None})) + "." + b64(claims)
        return text + "." + b64(self.sign(text.encode()))


def key_set(*keys):
    """The text of a JWK Set; Keys or dicts."""
    return json.dumps({"keys": [getattr(k, "jwk", k) for k in keys]}, indent=1)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
