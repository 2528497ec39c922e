package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// Algorithm is a way to sign, with SHA-256 always (RFC 8301 section 3.1).
type Algorithm int

// The algorithms.
const (
	RSA     Algorithm = iota + 1 // rsa-sha256 (RFC 6376 section 3.3.2)
	Ed25519                      // ed25519-sha256 (RFC 8463 section 3)
)

// String gives the word of the k= tag (RFC 6376 section 3.6.1).
func (a Algorithm) String() string {
	switch a {
	case RSA:
		return "rsa"
	case Ed25519:
		return "ed25519"
	}
	return "unknown"
}

// Bounds of keys.
const (
	// rsaBits is the size of the RSA keys we make: the size that RFC 8301
	// section 3.2 advises and every verifier takes.
	rsaBits = 2048
	// RFC 8301 section 3.2 forbids smaller keys. Larger ones than the greatest
	// cost much time for each message and do not fit a DNS answer.
	minRSABits, maxRSABits = 1024, 4096
	// maxPrivate is the longest private key that is read, in octets.
	maxPrivate = 20480
)

// ErrKey says that a private key cannot be used.
var ErrKey = errors.New("not a private key for DKIM")

// Key is a private key with the place where its public half is published:
// the TXT record of SELECTOR._domainkey.DOMAIN.
type Key struct {
	Domain    string // d=, in lower case
	Selector  string // s=
	Algorithm Algorithm
	Private   crypto.Signer
}

// Record gives the DNS name at which verifiers look for the public key (RFC 6376
// section 3.6.2.1).
func (k *Key) Record() string { return k.Selector + "._domainkey." + k.Domain }

// Generate makes a private key: RSA with 2048 bits, or Ed25519.
func Generate(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("generate key: unknown algorithm %d", int(alg))
}

// AlgorithmOf tells how a private key signs. The error wraps ErrKey.
func AlgorithmOf(private crypto.Signer) (Algorithm, error) {
	if private == nil {
		return 0, fmt.Errorf("%w: none given", ErrKey)
	}
	switch pub := private.Public().(type) {
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < minRSABits || n > maxRSABits {
			return 0, fmt.Errorf("%w: RSA key of %d bits, %d to %d allowed", ErrKey, n, minRSABits, maxRSABits)
		}
		return RSA, nil
	case ed25519.PublicKey:
		return Ed25519, nil
	default:
		return 0, fmt.Errorf("%w: neither RSA nor Ed25519", ErrKey)
	}
}

// TXT gives the value of the record that publishes a public key (RFC 6376
// section 3.6.1, RFC 8463 section 4). It is one value; a zone file may need it
// in strings of at most 255 octets.
func TXT(pub crypto.PublicKey) (string, error) {
	var (
		alg Algorithm
		raw []byte
		err error
	)
	switch p := pub.(type) {
	case *rsa.PublicKey:
		// RFC 6376 erratum 3017: in a SubjectPublicKeyInfo, as appendix C has it.
		alg = RSA
		raw, err = x509.MarshalPKIXPublicKey(p)
	case ed25519.PublicKey:
		alg, raw = Ed25519, p // the bare 32 octets
	default:
		err = errors.New("neither RSA nor Ed25519")
	}
	if err != nil {
		return "", fmt.Errorf("publish key: %w", err)
	}
	return "v=DKIM1; k=" + alg.String() + "; p=" + base64.StdEncoding.EncodeToString(raw), nil
}

// MarshalPrivate gives a private key as PKCS#8 in DER.
func MarshalPrivate(private crypto.Signer) ([]byte, error) {
	return x509.MarshalPKCS8PrivateKey(private)
}

// ParsePrivate reads a private key: PKCS#8 or PKCS#1, as DER, as PEM, or as the
// base64 text of the DER alone, white space ignored. The error wraps ErrKey and
// shows nothing of the input.
func ParsePrivate(data []byte) (crypto.Signer, error) {
	if len(data) > maxPrivate {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrKey, maxPrivate)
	}
	der := data
	if block, _ := pem.Decode(data); block != nil {
		der = block.Bytes
	} else if text, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil))); err == nil {
		der = text
	}
	private, err := parseDER(der)
	if err != nil {
		return nil, err
	}
	if _, err := AlgorithmOf(private); err != nil {
		return nil, err
	}
	return private, nil
}

func parseDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: neither PKCS#8 nor PKCS#1", ErrKey)
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: neither RSA nor Ed25519", ErrKey)
	}
	return private, nil
}
