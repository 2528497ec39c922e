package keyfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	sealVersion = 1
	idSize      = 8
	headSize    = 1 + idSize
)

// ErrSealed says that a sealed value cannot be opened: it was damaged, or moved
// here from another place.
var ErrSealed = errors.New("sealed value was damaged or belongs elsewhere")

// box is AES-256-GCM with the nonce in front of the ciphertext. Nonces are
// random: 2^32 values may be sealed with one key, and a value is sealed only
// when an operator makes a secret.
type box struct{ aead cipher.AEAD }

func newBox(key []byte) (*box, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &box{aead}, err
}

// Seal gives plain encrypted and bound to its place, which names what the value
// is and whose: only the same place opens it. In front stand a version and the
// id of the key, so that a later key can be told from this one.
func (f *File) Seal(plain []byte, place ...string) []byte {
	head := append([]byte{sealVersion}, f.id[:]...)
	return f.seal.aead.Seal(head, nil, plain, join(head, place))
}

// Open gives back what Seal was given. The error is ErrSealed, or one that names
// both keys when the value was sealed under another key file.
func (f *File) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < headSize || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	head := sealed[:headSize]
	if id := head[1:]; !bytes.Equal(id, f.id[:]) {
		return nil, fmt.Errorf("sealed with key %s, but the key file holds %s: put back the key file it was made with",
			hex.EncodeToString(id), f.ID())
	}
	plain, err := f.seal.aead.Open(nil, nil, sealed[headSize:], join(head, place))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// ID names the key without telling of it.
func (f *File) ID() string { return hex.EncodeToString(f.id[:]) }

// join makes the associated data. Each part carries its length, so that no two
// places give the same octets.
func join(head []byte, place []string) []byte {
	out := bytes.Clone(head)
	for _, p := range place {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
